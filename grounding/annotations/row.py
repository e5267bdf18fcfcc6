"""What a reader of annotations gives: one query as its file has it, before anything is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from grounding.types import Sample


@dataclass(slots=True)
class Row:
    """One query as a file has it: typed, but not yet judged (see `checking`).

    Attributes:
        line: where it stands in the file, from 1.
        vid: name of the recording.
        text: the sentence as it is.
        windows: start and end in seconds, also where they cannot be; empty = not there. An end of
            infinity is the recording's end, for formats that say "all of it".
        duration: seconds of the recording; None where the file does not say.
        qid: None = the row's place, from 0, among the rows of its file.
        glance: one instant, seconds.
        needs: "sight", "sound", "both" or "motion".
        saliency: scores as the file has them.
        extra: every other key, for a round trip. Its `relevant_windows` is None where the file
            gives no moments, which is not to say that there are none.
        source: the file it stands in, where that is not the one that was named (a folder's).
    """

    line: int
    vid: str
    text: str
    windows: list[tuple[float, float]]
    duration: float | None = None
    qid: int | str | None = None
    glance: float | None = None
    needs: str | None = None
    saliency: tuple[Any, ...] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    source: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What some formats do not say themselves.

    Attributes:
        rate: frames per second of the recordings, for times counted in frames.
        vid: name of the recording, for files about one recording; their stem by default.
    """

    rate: Fraction | None = None
    vid: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One published format.

    Attributes:
        read: a file -> its rows; raises AnnotationError with the line.
        looks: whether a text that begins like this (64 KiB at most) is of this format.
        suffixes: names of such files end so; "/" = a folder of them.
        note: what it is, in a few words.
        write: samples -> the text of a file; None where nobody needs to write it.
        per_recording: a file of this format is about one recording.
    """

    read: Callable[[Path, Options], Iterable[Row]]
    looks: Callable[[str], bool]
    suffixes: tuple[str, ...]
    note: str
    write: Callable[[Sequence[Sample], Options], str] | None = None
    per_recording: bool = False
