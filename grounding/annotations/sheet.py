"""Tables that people keep in a spreadsheet: CSV files whose first line names the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from grounding.annotations.source import read_text
from grounding.errors import AnnotationError

COLUMNS = {  # headings, compared without case, spaces, underscores and a trailing unit
    "video": (
        "video",
        "vid",
        "file",
        "filename",
        "recording",
        "videoname",
        "videofile",
        "videoid",
    ),
    "query": ("query", "sentence", "text", "description", "caption"),
    "start": ("start", "begin", "from", "starttime"),
    "end": ("end", "stop", "to", "endtime"),
    "glance": ("glance", "click", "time", "at", "timestamp"),
    **{name: (name,) for name in ("absent", "split", "needs", "qid")},
}
YES, NO = ("yes", "true", "1"), ("no", "false", "0")
NOT_THERE = ("none", "absent", "-")  # in the cell of a time
_TIME = re.compile(r"-?(\d{1,4}:([0-5]?\d:)?(?=[0-5]?\d(?!\d)))?\d{1,9}([.,]\d{1,9})?( ?s)?", re.A)


class Record(NamedTuple):
    """Cells as written; `number` counts rows as a spreadsheet does, `line` lines of the file."""

    number: int
    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below the headings, those with empty cells alone left out.

    Attributes:
        mark: what separates the cells; with others than a comma, a comma is a decimal comma.
        headings: as written.
        columns: what each heading means; None = nothing known.
        records: the rows.
    """

    mark: str
    headings: list[str]
    columns: list[str | None]
    records: list[Record]


def column(heading: str, meanings: Mapping[str, Sequence[str]] = COLUMNS) -> str | None:
    """What a heading means; None = nothing known."""
    bare = re.sub(r"[(\[].*|[\s_]+(s|sec|seconds)$|[\W_]", "", heading.casefold())
    return next((name for name, words in meanings.items() if bare in words), None)


def headings(text: str, meanings: Mapping[str, Sequence[str]] = COLUMNS) -> tuple[str, list[str]]:
    """The separator of a table that begins like this, and its headings."""
    # the separator is the one that finds most columns: csv.Sniffer is misled by long sentences
    first = next((line[:9999] for line in text.splitlines() if line.strip(' ,;\t"')), "")
    tries = {d: [h.strip() for h in next(csv.reader([first], delimiter=d), [])] for d in ",;\t"}
    mark = max(tries, key=lambda d: len({column(h, meanings) for h in tries[d]} - {None}))
    return mark, tries[mark]


def read_table(path: Path, meanings: Mapping[str, Sequence[str]] = COLUMNS) -> Table:
    """The table of a CSV file, columns in any order; comma, semicolon or tab; UTF-8 or UTF-16.

    Raises:
        AnnotationError: it is no table with a recording and a sentence in each row.
    """
    text = re.sub(
        r"\Asep=.(?=[\r\n])", "", read_text(path, wide=True)
    )  # how Excel knows the separator
    mark, names = headings(text, meanings)
    columns = [column(heading, meanings) for heading in names]
    for name in meanings:
        same = [repr(h) for h, c in zip(names, columns, strict=True) if c == name]
        if len(same) > 1:
            raise AnnotationError(
                f"{path}: columns {' and '.join(same)} both mean {name}; rename one"
            )
        if not same and name in ("video", "query"):
            if not any(names):
                raise AnnotationError(f"{path}: is empty; its first line names the columns")
            raise AnnotationError(f"{path}: no column {name}; rename one of {str(names)[:200]}")
    records: list[Record] = []
    number = line = 0
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=mark, strict=True, skipinitialspace=True
    )
    try:
        for number, cells in enumerate(reader, 1):
            if any(cell.strip() for cell in cells):
                records.append(Record(number, line + 1, cells))
            line = reader.line_num
    except csv.Error as error:
        raise AnnotationError(
            f"{path}:{number + 1}: {error}; check the quotes from here on"
        ) from None
    if not records[1:]:
        raise AnnotationError(
            f"{path}: no row stands under its headings; write one for each moment"
        )
    return Table(mark, names, columns, records[1:])


def parse_time(text: str) -> float:
    """Seconds of "75.5", "75,5 s", "1:15.5" or "0:01:15.5"; ValueError for others and "1,234"."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no time; write seconds (75.5) or mm:ss (1:15.5)")
    if text.startswith("-"):
        raise ValueError(f"{text} is negative; count from the recording's start")
    if re.fullmatch(r"[1-9]\d{0,2},\d{3}( ?s)?", text):
        raise ValueError(f"{text!r} can be read in two ways; write it without the comma")
    seconds = 0.0
    for part in text.replace(",", ".").rstrip(" s").split(":"):
        seconds = 60 * seconds + float(part)
    return round(seconds, 6)
