"""HumanML3D and KIT-ML: text lines, one file per motion; and TMR's one JSON file for all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from grounding.annotations.fields import besides, items, number, record, seconds, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_line, by_member
from grounding.errors import AnnotationError

_KEYS = ('"path"', '"annotations"', '"text"', '"start"')
_LINE = re.compile(r"[^\n]*#[^#\n]*#[^#\s]+#[^#\s]+\s*(\n|\Z)")


def _rows(entry: Entry, options: Options) -> Iterator[Row]:
    caption, *rest = entry.value.rsplit("#", 3)
    if len(rest) != 3:
        raise ValueError(f"{caption[:40]!r} is not `caption#tokens#start#end`")
    start, end = (_time(word, name) for word, name in zip(rest[1:], ("start", "end"), strict=True))
    yield Row(
        line=entry.line,
        vid=options.vid or entry.path.stem,
        text=caption,
        # 0 and 0 mean all of the motion
        windows=[(start, end) if (start, end) != (0.0, 0.0) else (0.0, math.inf)],
        extra={"tokens": rest[0]},
    )


def _time(word: str, name: str) -> float:
    return 0.0 if word.strip().casefold() == "nan" else seconds(word, name)


_read_file = by_line(_rows)


def _read(path: Path, options: Options) -> Iterable[Row]:
    if not path.is_dir():
        return _numbered(_read_file(path, options))
    files = sorted(path.glob("*.txt"))
    if not files:
        raise AnnotationError(f"{path}: holds no .txt file; name the folder of the texts")
    alone = replace(options, vid=None)  # there are many recordings
    return (
        replace(row, source=file) for file in files for row in _numbered(_read_file(file, alone))
    )


def _numbered(rows: Iterable[Row]) -> Iterator[Row]:
    for place, row in enumerate(rows):
        yield replace(row, qid=f"{row.vid}_{place}")


def _motion(entry: Entry, options: Options) -> Iterator[Row]:
    motion = record(entry.value, "what stands there")
    shared = besides(motion, "duration", "annotations")
    for each in items(motion["annotations"], "annotations"):
        said = record(each, "an annotation")
        span = number(said["start"], "start"), number(said["end"], "end")
        yield Row(
            line=entry.line,
            vid=entry.name,
            text=text(said["text"], "text"),
            windows=[span],
            duration=number(motion["duration"], "duration") if "duration" in motion else None,
            qid=text(said["seg_id"], "seg_id") if "seg_id" in said else None,
            extra=shared | besides(said, "seg_id", "text", "start", "end"),
        )


TEXTS = Format(
    read=_read,
    looks=lambda head: _LINE.match(head.lstrip()) is not None,
    suffixes=(".txt", "/"),
    note="HumanML3D and KIT-ML: `caption#tokens#start#end`, one file per motion or their folder",
)
TMR = Format(
    read=by_member(_motion),
    looks=lambda head: head.lstrip()[:1] == "{" and all(key in head for key in _KEYS),
    suffixes=(".json",),
    note="annotations.json of TMR and of the unified AMASS texts, by motion",
)
