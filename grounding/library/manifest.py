"""A manifest: a file that names recordings, one a line, and what they are called.

`.csv` and `.tsv` are tables, `.jsonl` holds one object a line; a recording is named by the column
`recording`, `path` or `url`, and called by `vid` where there is one. `.txt` holds one path or URL
a line and nothing else. Relative paths are beside the manifest, wherever it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from grounding.errors import BadInput
from grounding.library import tables

SUFFIXES = (*tables.TABLES, ".jsonl", ".txt")
PLACES = ("recording", "path", "url")
LARGEST = 256 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One recording of a manifest.

    Attributes:
        place: path or URL, as written.
        vid: what it is called; None = after its file.
        origin: manifest and line, for messages.
    """

    place: str
    vid: str | None
    origin: str


def is_manifest(name: str) -> bool:
    """Whether a file of that name is one."""
    return PurePath(name).suffix.lower() in SUFFIXES


def read_manifest(name: str, data: bytes) -> list[Line]:
    """The lines of a manifest called `name`, whose suffix says how it is written.

    Raises:
        BadInput: a line cannot be used (names it), or there is none.
    """
    suffix = PurePath(name).suffix.lower()
    text = tables.decode(name, data, names=suffix == ".txt")
    rows: Iterator[tuple[int, dict[str, Any]]]
    if suffix in tables.TABLES:
        rows = tables.table(name, text, (*PLACES, "vid"), PLACES)
    elif suffix == ".jsonl":
        rows = tables.objects(name, text)
    else:
        rows = ((number, {"path": line.rstrip("\r\n")}) for number, line in tables.lines(text))
    found = []
    for number, row in rows:
        origin = f"{name}:{number}"
        try:
            found.append(Line(_place(row), _vid(row), origin))
        except ValueError as error:
            raise BadInput(f"{origin}: {error}") from None
    if not found:
        raise BadInput(f"{name}: names no recording; write one a line")
    return found


def _place(row: dict[str, Any]) -> str:
    given = [column for column in PLACES if row.get(column) not in (None, "")]
    if not given:
        raise ValueError(f"names no recording; fill {_either(PLACES)}")
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are both filled; keep one of them")
    place = row[given[0]]
    if not isinstance(place, str) or not place.strip() or "\0" in place:
        raise ValueError(f"{given[0]} is {tables.said(place)}; it must be a path or a URL")
    return place


def _vid(row: dict[str, Any]) -> str | None:
    vid = tables.word(row, "vid", "what the recording is called")
    if vid is not None and not vid.strip():
        raise ValueError(f"vid is {vid!r}; leave it out or write a name")
    try:
        (vid or "").encode()
    except UnicodeEncodeError:
        raise ValueError("vid holds half of a character pair; write it as UTF-8") from None
    return vid


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
