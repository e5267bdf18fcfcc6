"""What all readers share: they say how one entry is read; files, lines and errors are ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from grounding.annotations.fields import text
from grounding.annotations.row import Options, Row
from grounding.annotations.source import lines_of, read_text
from grounding.errors import AnnotationError

Read = Callable[[Path, Options], Iterator[Row]]

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a file, or a member of the list or object that a JSON file is.

    Attributes:
        path: the file.
        line: where it begins, from 1.
        name: its key in an object; its place from 0 in a list; empty for a line.
        value: the line's text, or what JSON says.
    """

    path: Path
    line: int
    name: str
    value: Any


Parse = Callable[[Entry, Options], Iterable[Row]]


def by_line(parse: Parse) -> Read:
    """A reader of text files: `parse` gives a line's rows."""

    def read(path: Path, options: Options) -> Iterator[Row]:
        for number, line in lines_of(path):
            yield from _rows(parse, Entry(path, number, "", line), options)

    return read


def by_object(parse: Parse) -> Read:
    """A reader of JSON lines: `parse` gives a line's rows."""

    def read(path: Path, options: Options) -> Iterator[Row]:
        for line, value in objects_of(path):
            yield from _rows(parse, Entry(path, line, "", value), options)

    return read


def by_member(parse: Parse) -> Read:
    """A reader of JSON files: `parse` gives the rows of one member of the list or object."""

    def read(path: Path, options: Options) -> Iterator[Row]:
        for entry in members_of(path):
            yield from _rows(parse, entry, options)

    return read


def _rows(parse: Parse, entry: Entry, options: Options) -> list[Row]:
    try:
        text(entry.name, "the key")
        return list(parse(entry, options))
    except KeyError as error:
        wrong = f"the key {error} is missing; add it"
    except ValueError as error:
        wrong = f"{error}; correct it"
    name = f"{entry.name[:60]!r}: " if entry.name else ""
    raise AnnotationError(f"{entry.path}:{entry.line}: {name}{wrong}") from None


def objects_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers.

    Raises:
        AnnotationError: naming file and line.
    """
    for number, line in lines_of(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AnnotationError(
                f"{path}:{number}: not JSON ({_reason(error)}); one object a line"
            ) from None
        if not isinstance(row, dict):
            raise AnnotationError(f"{path}:{number}: {line[:40]!r} is no JSON object")
        yield number, row


def members_of(path: Path) -> Iterator[Entry]:
    """The members of the list or object that a JSON file is, in order, each with its line.

    A key that stands twice gives two members.

    Raises:
        AnnotationError: naming file and line.
    """
    whole = read_text(path)
    at = _skip(whole, 0)
    keyed = whole[at : at + 1] == "{"
    if not keyed and whole[at : at + 1] != "[":
        _refuse(path, whole, at, "it must be a list [...] or an object {...}")
    at = _skip(whole, at + 1)
    place, line, counted = 0, 1, 0
    while whole[at : at + 1] != ("}" if keyed else "]"):
        if place:
            if whole[at : at + 1] != ",":
                _refuse(path, whole, at, "a comma or the end should stand here")
            at = _skip(whole, at + 1)
        line, counted = line + whole.count("\n", counted, at), at
        name: Any = str(place)
        if keyed:
            name, at = _value(path, whole, at)
            if not isinstance(name, str) or whole[at : at + 1] != ":":
                _refuse(path, whole, counted, "a key and a colon should stand here")
            at = _skip(whole, at + 1)
        value, at = _value(path, whole, at)
        yield Entry(path, line, name, value)
        place += 1
    if (rest := _skip(whole, at + 1)) < len(whole):
        _refuse(path, whole, rest, "something follows the end")


def _value(path: Path, whole: str, at: int) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(whole, at)
    except json.JSONDecodeError as error:
        _refuse(path, whole, error.pos, error.msg)
    except (ValueError, RecursionError) as error:
        _refuse(path, whole, at, _reason(error))
    return value, _skip(whole, end)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return getattr(error, "msg", "a number of thousands of digits")


def _skip(whole: str, at: int) -> int:
    found = _BLANK.match(whole, at)
    return found.end() if found else at


def _refuse(path: Path, whole: str, at: int, wrong: str) -> NoReturn:
    line = whole.count("\n", 0, at) + 1
    raise AnnotationError(f"{path}:{line}: not JSON ({wrong}); is the file whole?")
