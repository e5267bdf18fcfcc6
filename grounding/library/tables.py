"""Rows of the files a batch is given: CSV, JSON lines, or plain lines, each with its number."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from grounding.errors import BadInput
from grounding.library.addresses import is_url, shown

Rows = Iterator[tuple[int, dict[str, Any]]]  # line number, column -> value

TABLES = (".csv", ".tsv")


def decode(name: str, data: bytes, *, names: bool = False) -> str:
    """Bytes of a text file -> text, UTF-8 or UTF-16 with its mark.

    Where the text is file names (`names`), bytes that are no UTF-8 become what Python calls such
    files.

    Raises:
        BadInput: it is neither.
    """
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        if names and not wide:
            return data.decode("utf-8-sig", "surrogateescape")
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    # str.splitlines would cut sentences at characters that end no line in a file
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            yield number, line


def objects(name: str, text: str) -> Rows:
    """One JSON object a line.

    Raises:
        BadInput: a line is none (names it).
    """
    for number, line in lines(text):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = getattr(error, "msg", "cannot be read")
            raise BadInput(f"{name}:{number}: not JSON ({what}); one object a line") from None
        if not isinstance(row, dict):
            raise BadInput(f"{name}:{number}: {said(row)} is no JSON object")
        yield number, row


def table(name: str, text: str, known: Collection[str], needed: Sequence[str]) -> Rows:
    """A table with headings in the first row; commas, semicolons or tabs, whatever gives the most
    of the columns `known`.

    Raises:
        BadInput: none of the columns `needed` is there, or a row is wrong (names the line).
    """
    first = next((line[:9999] for _, line in lines(text) if line.strip(' ,;\t\r\n"')), "")

    def hits(mark: str) -> int:
        return len({*known} & {*_headings(next(csv.reader([first], delimiter=mark)))})

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=hits), strict=True)
    headings: list[str] = []
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            if not headings:
                headings = _headings(cells)
                if not {*needed} & {*headings}:
                    there, wanted = str([*map(shown, cells)])[:200], " or ".join(needed)
                    raise BadInput(f"{name}: no column {wanted}; rename one of {there}")
                continue
            if surplus := next(filter(None, cells[len(headings) :]), ""):
                # what stands behind a comma of a URL may be its signature
                what = "a part of a URL" if any(map(is_url, cells)) else said(surplus)
                raise BadInput(
                    f"{name}:{reader.line_num}: {what} stands under no heading; "
                    "quote cells with separators"
                )
            yield reader.line_num, dict(zip(headings, cells, strict=False))
    except csv.Error as error:
        line = reader.line_num
        raise BadInput(f"{name}:{line}: {error}; check the quotes from here on") from None


def word(row: dict[str, Any], column: str, what: str) -> str | None:
    """A name in a row, numbers as text; None where it says nothing.

    Raises:
        ValueError: it is something else; the message says it must be `what`.
    """
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise ValueError(f"{column} is {said(value)}; it must be {what}")
    return None if value in (None, "") else str(value)


def said(value: object) -> str:
    """A wrong value for a message; not one with a URL in it, which may hold a password."""
    text = str(value)
    return "something with a URL" if "://" in text else repr(text[:40])


def _headings(cells: Sequence[str]) -> list[str]:
    return [cell.strip().casefold() for cell in cells]
