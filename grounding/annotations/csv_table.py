"""A CSV table: a row for each window, rows with one qid are one query.

Read are the columns that `grounding init` takes in a sheet, under the same headings, and
`duration`, `saliency_scores` and `extra` (JSON); comma, semicolon or tab. Without qids, the same
sentence of a recording is one query. A row without times, or with yes under `absent`, says that
what it asks for is not there; a glance alone is a window of no length. Other columns are kept, as
JSON where they are; of a query's rows, the first that fills one counts.

Written are times in seconds with all digits and texts as they are, also those that begin with =,
+, - or @: the file is data, and a spreadsheet should import it as text. A string that could be
taken for a number or JSON stands in JSON's quotes, so that everything comes back with its type.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grounding.annotations.kept import keys_of
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.sheet import (
    COLUMNS,
    NO,
    NOT_THERE,
    YES,
    Record,
    Table,
    column,
    headings,
    parse_time,
    read_table,
)
from grounding.cues import sentence
from grounding.errors import AnnotationError
from grounding.media import RECORDINGS
from grounding.types import NEEDS, Sample

MEANINGS = {
    **{name: words for name, words in COLUMNS.items() if name != "split"},
    "duration": ("duration", "videoduration", "videolength"),
    "saliency_scores": ("saliencyscores",),
    "extra": ("extra",),
}
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][-+]?\d{1,4})?", re.A)
_CHANCE = re.compile(r"[01]?\.\d{1,9}", re.A)  # of absence
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of a table.

    Raises:
        AnnotationError: with the line.
    """
    try:
        table = read_table(path, MEANINGS)
    except AnnotationError as error:
        raise AnnotationError(_with_line(path, str(error))) from None
    queries: dict[object, Row] = {}
    kinds: dict[object, bool] = {}  # whether the query is not there
    for record in table.records:
        try:
            row, is_absent = _row(table, record, options)
            # 7 and "7" are two qids, True is none
            key = (type(row.qid), row.qid) if row.qid is not None else (row.vid, row.text)
            first = queries.setdefault(key, row)
            if kinds.setdefault(key, is_absent) != is_absent:
                raise ValueError(f"line {first.line} says the opposite of its being there")
            if first is not row:
                _join(first, row)
        except ValueError as error:
            raise AnnotationError(f"{path}:{record.line}: {error}; correct the row") from None
    return list(queries.values())


def _with_line(path: Path, message: str) -> str:
    """Errors of the whole table are about its first line."""
    said = message.removeprefix(f"{path}:")
    return message if re.match(r"\d+:| no such file| is a folder", said) else f"{path}:1:{said}"


def _row(table: Table, record: Record, options: Options) -> tuple[Row, bool]:
    """A row with one window at most, and whether it says that there is none."""
    cells = dict.fromkeys(MEANINGS, "")
    extra: dict[str, Any] = {}
    for heading, name, cell in zip(table.headings, table.columns, record.cells, strict=False):
        if name is not None:
            cells[name] = cell
        elif heading and cell.strip():
            extra[heading] = _value(cell)
    surplus = next((c for c in record.cells[len(table.columns) :] if c.strip()), None)
    if surplus is not None:
        raise ValueError(f"{surplus[:40]!r} stands under no heading; quote cells with separators")
    times = {name: _time(table, name, cells[name]) for name in ("start", "end", "glance")}
    absent = cells["absent"].strip().casefold()
    if _CHANCE.fullmatch(absent) and cells["start"].strip():
        extra["absent"] = _value(absent)  # an answer's probability, as `export.csv` writes it
        absent = ""
    if absent not in (*YES, *NO, ""):
        raise ValueError(f"absent is {absent[:40]!r}; it must be one of {', '.join((*YES, *NO))}")
    start, end, glance = times.values()
    if (start is None) != (end is None):
        raise ValueError(f"it has no {'start' if start is None else 'end'}")
    if absent in YES and start is not None:
        raise ValueError("it is marked absent but has times")
    windows = []
    if start is not None and end is not None:
        windows = [(start, end)]
    elif glance is not None and absent not in YES:
        windows = [(glance, glance)]
        extra.setdefault("supervision", "glance")
    extra |= _object(cells["extra"])
    if windows and extra.get("relevant_windows", ()) is None:
        del extra["relevant_windows"]  # somebody filled in what had not been given
    scores = _value(cells["saliency_scores"]) if cells["saliency_scores"].strip() else None
    if not isinstance(scores, list | None):
        raise ValueError(f"saliency_scores is {str(scores)[:40]!r}; it must be a JSON list")
    needs = cells["needs"].strip()
    qid = cells["qid"].strip()
    row = Row(
        record.line,
        _vid(cells["video"]),
        _text(cells["query"]),
        windows,
        duration=_time(table, "duration", cells["duration"]),
        qid=_qid(qid) if qid else None,
        glance=glance,
        needs=(needs.casefold() if needs.casefold() in NEEDS else needs) or None,
        saliency=None if scores is None else tuple(scores),
        extra=extra,
    )
    return row, not windows


def _join(first: Row, row: Row) -> None:
    """Add another window to a query; what both say must agree.

    Raises:
        ValueError: it does not.
    """
    for name in ("vid", "text", "duration", "glance", "needs", "saliency"):
        old, new = getattr(first, name), getattr(row, name)
        if new is not None and old is not None and old != new:
            raise ValueError(
                f"{name} is {str(new)[:40]!r}, but line {first.line} of the same query has "
                f"{str(old)[:40]!r}"
            )
        setattr(first, name, new if old is None else old)
    first.windows += row.windows
    first.extra = {**row.extra, **first.extra}


def _time(table: Table, name: str, cell: str) -> float | None:
    """Seconds; None where the cell is empty or says that nothing is there."""
    text = cell.strip()
    if text.casefold() in (*NOT_THERE, ""):
        return None
    if table.mark != ",":
        text = text.replace(",", ".")
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else parse_time(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    if not math.isfinite(seconds):
        raise ValueError(f"{name} is {text[:40]}; it must be a number of seconds")
    return seconds


def _value(cell: str) -> Any:
    """What a cell of a column we do not know holds: JSON, else its text."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def _text(cell: str) -> str:
    """A text, taken out of JSON's quotes where it stands in them."""
    value = _value(cell) if cell.startswith('"') else cell
    return value if isinstance(value, str) else cell


def _vid(cell: str) -> str:
    """A recording's name; a file's without its ending, unless it stands in JSON's quotes."""
    is_file = cell.strip().lower().endswith(RECORDINGS)
    return cell.strip().rpartition(".")[0] if is_file else _text(cell)


def _qid(cell: str) -> int | str:
    return int(cell) if _WHOLE.fullmatch(cell) else _text(cell)


def _object(cell: str) -> dict[str, Any]:
    value = _value(cell) if cell.strip() else {}
    if not isinstance(value, dict):
        raise ValueError(f"extra is {cell[:40]!r}; it must be a JSON object")
    return value


def looks(head: str) -> bool:
    """Whether the first line of such a file names a recording, a sentence and a time."""
    first = head.lstrip("\ufeff")
    if first.lstrip()[:1] in ("{", "[", "<", ""):
        return False
    found = headings(first, MEANINGS)[1]
    if "HITId" in found:  # Charades-STA timed again by several people, in percent
        return False
    names = {column(heading, MEANINGS) for heading in found}
    return {"video", "query"} <= names and bool(names & {"start", "glance", "absent"})


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a table (RFC 4180)."""
    keys_of(samples)
    own = _own_columns(samples)
    rest = any(set(sample.extra) - set(own) for sample in samples)
    optional = {
        "glance": any(sample.glance is not None for sample in samples),
        "needs": any(sample.needs is not None for sample in samples),
        "absent": any(map(_is_absent, samples)),
        "saliency_scores": any(sample.saliency is not None for sample in samples),
        "extra": rest,
    }
    names = ["qid", "vid", "query", "start", "end", "duration"]
    names += [name for name, is_used in optional.items() if is_used]
    text = io.StringIO(newline="")
    table = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    table.writerow([*names, *own])
    for sample in samples:
        cells = _cells(sample, own)
        for window in sample.windows or (None,):
            row = {**cells}
            if window is not None:
                row |= {"start": window.start, "end": window.end}
            elif _is_absent(sample):
                row["absent"] = "yes"
            table.writerow([row.get(name, "") for name in [*names, *own]])
    return text.getvalue()


def _is_absent(sample: Sample) -> bool:
    """Whether nothing is there, which is not that nobody said where."""
    return not sample.windows and sample.extra.get("relevant_windows", ()) is not None


def _own_columns(samples: Sequence[Sample]) -> list[str]:
    """The other keys that can head a column: nobody takes them for one that we know."""
    keys = dict.fromkeys(key for sample in samples for key in sample.extra)
    return [k for k in keys if k and k == sentence(k) and column(k, MEANINGS) is None]


def _cells(sample: Sample, own: Sequence[str]) -> Mapping[str, object]:
    """The cells of every row of a query, but for its times; numbers stay numbers."""
    cells: dict[str, object] = {
        "qid": sample.qid if isinstance(sample.qid, int) else _quoted(sample.qid),
        "vid": _quoted(sample.vid, RECORDINGS),
        "query": _quoted(sample.query.text),
        "duration": sample.duration,
        "glance": "" if sample.glance is None else sample.glance,
        "needs": sample.needs or "",
        "saliency_scores": "" if sample.saliency is None else json.dumps(list(sample.saliency)),
    }
    rest = {key: value for key, value in sample.extra.items() if key not in own}
    cells["extra"] = json.dumps(rest, ensure_ascii=False) if rest else ""
    for key in own:
        if key in sample.extra:
            value = sample.extra[key]
            plain = isinstance(value, str) and value.strip() and _value(value) is value
            plain = plain and "\0" not in value
            cells[key] = value if plain else json.dumps(value, ensure_ascii=False)
    return cells


def _quoted(text: str, endings: tuple[str, ...] = ()) -> str:
    """A text as it is, in JSON's quotes where it would come back as something else."""
    is_plain = text and text == text.strip() and not text.startswith('"') and "\0" not in text
    if is_plain and not _WHOLE.fullmatch(text) and not text.lower().endswith(endings):
        return text
    return json.dumps(text, ensure_ascii=False)


FORMAT = Format(read, looks, (".csv", ".tsv"), "CSV, a row for each window", write)
