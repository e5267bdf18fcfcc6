"""Values of annotation files: of the right type, or a ValueError that names the value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def shown(value: Any) -> str:
    """A value as an error shows it: not longer than a line bears."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'dictionary'} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # Python does not write out integers of thousands of digits
        text = "an endless number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def number(value: Any, name: str) -> float:
    """A finite number, as it is.

    Raises:
        ValueError: it is none.
    """
    try:
        # `type`, not isinstance: True is no number of seconds
        if type(value) in (float, int) and math.isfinite(value):
            return value  # type: ignore[no-any-return]
    except OverflowError:  # an integer beyond all floats
        pass
    raise ValueError(f"{name} is {shown(value)}; it must be a finite number of seconds")


def seconds(text: str, name: str) -> float:
    """The finite number that a text spells.

    Raises:
        ValueError: it spells none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {shown(text)}; it must be a finite number of seconds")
    return value


def text(value: Any, name: str) -> str:
    """A string, as it is.

    Raises:
        ValueError: it is none, or holds half a character, which no file can be written with.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}; it must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is {shown(value)}; it holds half a character") from None
    return value


def record(value: Any, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {shown(value)}; it must be an object {{...}}")
    return value


def items(value: Any, name: str) -> list[Any]:
    """A JSON list.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list):
        raise ValueError(f"{name} is {shown(value)}; it must be a list")
    return value


def identity(value: Any, name: str) -> int | str:
    """A name or number of something: an integer or a string.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return text(value, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {shown(value)}; it must be an integer or a string")
    return value


def spans(value: Any, name: str) -> list[tuple[float, float]]:
    """A list of [start, end].

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list):
        raise ValueError(f"{name} is {shown(value)}; it must be a list of [start, end]")
    first, last = f"a start in {name}", f"an end in {name}"
    found = []
    for each in value:
        if not isinstance(each, list) or len(each) != 2:
            raise ValueError(f"{name} holds {shown(each)}; each must be a list of 2 numbers")
        found.append((number(each[0], first), number(each[1], last)))
    return found


def besides(row: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The keys that are not known, for a round trip."""
    return {key: value for key, value in row.items() if key not in known}
