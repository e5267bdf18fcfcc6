"""SubRip: one recording's cues, its name the file's stem.

Read are numbered cues; tags for looks are taken off, lines of a cue make one sentence, and the
same sentence several times is one query with several windows. Times are milliseconds.

Written is a numbered cue for each window. SubRip has no comments: qids, durations, glances, other
keys and queries that are not there are lost, and white space collapses. What looks like a tag or
an arrow is kept apart by a word joiner (U+2060), which no player shows and reading takes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from grounding import cues
from grounding.annotations.folders import one_recording
from grounding.annotations.kept import Found, gather
from grounding.annotations.row import Options, Row
from grounding.annotations.source import read_text
from grounding.errors import AnnotationError
from grounding.naming import name_of
from grounding.timecode import milliseconds_of
from grounding.types import Sample

JOINER = "\u2060"
_TAG = re.compile(r"</?(?:b|i|u|s|font|em|strong|span|c|v|ruby|rt)\b[^<>]*>|\{\\[^{}]*\}", re.I)
_TIMES = re.compile(r"\s*([\d:.,]+)\s*-->\s*([\d:.,]+)(\s.*)?", re.A)
_NUMBER = re.compile(r"\s*\d+\s*", re.A)
_BROKEN = re.compile(r"[\d:.,\s]*-->", re.A)
_HEAD = re.compile(r"\ufeff?\s*(\d+\s*\r?\n)?\d+:\d\d:\d\d,\d{1,3}\s*-->", re.A)


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of a file.

    Raises:
        AnnotationError: with the line.
    """
    vid = options.vid or name_of(path.stem)
    lines = re.split(r"\r\n|\r|\n", read_text(path, wide=True))
    times = {at: match for at, line in enumerate(lines) if (match := _TIMES.fullmatch(line))}
    starts = [*times, len(lines)]
    found: list[Found] = []
    for at in range(_end(lines, 0, starts[0])):
        if lines[at].strip():
            raise _wrong(path, at, f"{lines[at][:40]!r} is no cue; write its number and times")
    for (at, match), following in zip(times.items(), starts[1:], strict=True):
        try:
            shown = milliseconds_of(match[1]), milliseconds_of(match[2])
        except ValueError as error:
            raise _wrong(path, at, str(error)) from None
        end = _end(lines, at + 1, following)
        for n in range(at + 1, end):
            is_number = _NUMBER.fullmatch(lines[n]) and n > at + 1 and not lines[n - 1].strip()
            if is_number or _BROKEN.match(lines[n]):
                raise _wrong(path, n, f"{lines[n][:40]!r} begins a cue without times; write them")
        window = shown[0] / 1000, shown[1] / 1000
        found.append(Found(at + 1, vid, _sentence(lines[at + 1 : end]), shown, window))
    return gather(found, {}, lambda window: cues.cue_times(*window))


def _wrong(path: Path, at: int, what: str) -> AnnotationError:
    return AnnotationError(f"{path}:{at + 1}: {what}")


def _end(lines: Sequence[str], first: int, following: int) -> int:
    """Where the text before a cue's times ends: the cue's number is none of it."""
    is_number = first < following < len(lines) and _NUMBER.fullmatch(lines[following - 1])
    return following - 1 if is_number else following


def _sentence(lines: Sequence[str]) -> str:
    bare = cues.sentence(_TAG.sub("", " ".join(lines)))
    return re.sub(rf"([<{{]){JOINER}|(--){JOINER}(?={JOINER}*>)", r"\1\2", bare)


def _safe(text: str) -> str:
    """A sentence that no program takes for a tag or an arrow."""
    looks_alike = rf"[<{{]|--(?={JOINER}*>)"
    return re.sub(looks_alike, lambda match: match[0] + JOINER, cues.sentence(text))


def looks(head: str) -> bool:
    """Whether a file that begins like this is SubRip."""
    return _HEAD.match(head) is not None


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a file; it is about one recording."""
    return cues.srt(
        cues.Cue(*cues.cue_times(window.start, window.end), "", _safe(sample.query.text))
        for sample in samples
        for window in sample.windows
    )


FORMAT = one_recording(read, looks, ".srt", "SubRip", write)
