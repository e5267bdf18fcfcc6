"""JSON files of tools, decoded so that every object of the upper levels knows its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import JSONDecodeError
from pathlib import Path
from typing import Any

from grounding.annotations import fields
from grounding.annotations.source import read_text
from grounding.errors import AnnotationError

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
LEVELS = 6  # deep enough for one moment of FiftyOne or Label Studio


class Located(dict[str, Any]):
    """An object and the line where it begins, from 1."""

    line: int = 1


def read_json(path: Path) -> Any:
    """A JSON document; objects in its first levels are `Located`.

    Raises:
        AnnotationError: it is no JSON, with the line.
    """
    text = read_text(path, wide=True)
    reader = _Reader(text)
    try:
        value, end = reader.value(reader.space(0), LEVELS)
        end = reader.space(end)
        if end < len(text):
            raise JSONDecodeError("more behind the end", text, end)
    except JSONDecodeError as error:
        line = text.count("\n", 0, error.pos) + 1
        raise AnnotationError(f"{path}:{line}: not JSON ({error.msg}); export it anew") from None
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        raise AnnotationError(f"{path}:{reader.line}: not JSON ({what}); export it anew") from None
    return value


def objects(path: Path, above: int, values: Any, what: str) -> Iterator[Located]:
    """The objects of a list; nothing where the list is null or missing.

    Args:
        above: the line of what holds the list, for values that know none.

    Raises:
        AnnotationError: it is no list of objects.
    """
    if values is None:
        return
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, Located):
            raise AnnotationError(
                f"{path}:{above}: {what} holds {fields.shown(value)}; it must be a list of objects"
            )
        yield value


class _Reader:
    """Walks the upper levels by hand and leaves what lies below to the fast decoder."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = 1
        self._seen = 0

    def space(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        assert match is not None
        return match.end()

    def value(self, at: int, levels: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends."""
        self.line += self.text.count("\n", self._seen, at)
        self._seen = max(self._seen, at)
        line, first = self.line, self.text[at : at + 1]
        if first == "{":
            inside, end = self._object(at + 1, levels) if levels else self._leaf(at)
            found = Located(inside)
            found.line = line
            return found, end
        return self._list(at + 1, levels) if first == "[" and levels else self._leaf(at)

    def _leaf(self, at: int) -> tuple[Any, int]:
        return _DECODER.raw_decode(self.text, at)

    def _object(self, at: int, levels: int) -> tuple[dict[str, Any], int]:
        inside: dict[str, Any] = {}
        at = self.space(at)
        if self.text[at : at + 1] == "}":
            return inside, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                raise JSONDecodeError("a key is missing", self.text, at)
            key, at = self._leaf(at)
            at = self._expect(":", at)
            inside[key], at = self.value(self.space(at), levels - 1)
            at = self.space(at)
            if self.text[at : at + 1] == "}":
                return inside, at + 1
            at = self.space(self._expect(",", at))

    def _list(self, at: int, levels: int) -> tuple[list[Any], int]:
        inside: list[Any] = []
        at = self.space(at)
        if self.text[at : at + 1] == "]":
            return inside, at + 1
        while True:
            value, at = self.value(at, levels - 1)
            inside.append(value)
            at = self.space(at)
            if self.text[at : at + 1] == "]":
                return inside, at + 1
            at = self.space(self._expect(",", at))

    def _expect(self, mark: str, at: int) -> int:
        at = self.space(at)
        if self.text[at : at + 1] != mark:
            raise JSONDecodeError(f"{mark!r} is missing", self.text, at)
        return at + 1
