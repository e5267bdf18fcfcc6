"""NExT-GQA: moments by video and question in gsub_val.json, questions in val.csv beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from grounding.annotations.fields import number, record, spans, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.source import read_text
from grounding.annotations.walking import Entry, by_member
from grounding.errors import AnnotationError

_SHAPE = ("video_id", "frame_count", "width", "height", "question", "qid")


def _read(path: Path, options: Options) -> Iterator[Row]:
    asked: dict[tuple[str, str], dict[str, str]] = {}

    def rows(entry: Entry, options: Options) -> Iterator[Row]:
        if not asked:
            asked.update(_questions(path, entry.line))
        video = record(entry.value, "what stands there")
        for qid, windows in record(video["location"], "location").items():
            question = asked.get((entry.name, qid))
            if question is None:
                raise ValueError(f"its question {qid} is not in {_sheet(path)}; add it")
            yield Row(
                line=entry.line,
                vid=entry.name,
                text=question["question"],
                windows=spans(windows, f"location {qid}"),
                duration=number(video["duration"], "duration"),
                qid=f"{text(entry.name, 'vid')}_{text(qid, 'qid')}",
                extra={k: v for k, v in question.items() if k not in _SHAPE},
            )

    return by_member(rows)(path, options)


def _sheet(path: Path) -> Path:
    return path.with_name(f"{path.stem.removeprefix('gsub_')}.csv")


def _questions(path: Path, line: int) -> dict[tuple[str, str], dict[str, str]]:
    sheet = _sheet(path)
    if not sheet.is_file():
        raise AnnotationError(f"{path}:{line}: its questions, {sheet}, are missing; put them there")
    table = csv.DictReader(io.StringIO(read_text(sheet), newline=""), restval="", strict=True)
    found = {}
    try:
        for cells in table:
            cells.pop(None, None)  # more cells than headings
            found[cells["video_id"], cells["qid"]] = cells
            text(cells["question"], "question")
    except (csv.Error, KeyError) as error:
        wrong = f"the column {error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise AnnotationError(f"{sheet}:{table.line_num}: {wrong}; correct the sheet") from None
    return found


FORMAT = Format(
    read=_read,
    looks=lambda head: '"location"' in head and '"duration"' in head and head.lstrip()[:1] == "{",
    suffixes=(".json",),
    note="NExT-GQA: gsub_val.json, with val.csv beside it",
)
