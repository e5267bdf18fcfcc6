"""WebVTT: one recording's cues, its name the file's stem.

Read are cues with or without hours, names, settings and tags; lines of a cue make one sentence,
and the same sentence several times is one query with several windows. Times are milliseconds.

Written are a cue for each window, its name `<qid>-<window>`, and each dataset line in a NOTE, so
that nothing is lost while the notes stay; players do not show them. Programs that drop notes leave
sentences, their white space collapsed, and times.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from grounding import cues
from grounding.annotations.folders import one_recording
from grounding.annotations.kept import Found, gather, keep, keys_of, recall, split_key
from grounding.annotations.row import Options, Row
from grounding.annotations.source import read_text
from grounding.errors import AnnotationError
from grounding.naming import name_of
from grounding.timecode import milliseconds_of
from grounding.types import Sample

KEPT = "grounding "  # begins a note with a dataset line
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|</>", re.A)
_CLOCK = r"\s*((?:\d+:)?\d\d:\d\d[.,]\d{3})\s*"
_TIMES = re.compile(rf"{_CLOCK}-->{_CLOCK}(?:\s|$)", re.A)
_HEAD = re.compile(r"\ufeff?WEBVTT(?=[ \t\n]|\Z)")


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of a file.

    Raises:
        AnnotationError: with the line.
    """
    vid = options.vid or name_of(path.stem)
    lines = re.split(r"\r\n|\r|\n", read_text(path, wide=True))
    if not _HEAD.match(lines[0]):
        raise AnnotationError(f"{path}:1: begins with no WEBVTT; write it as the first line")
    kept: dict[str, Row] = {}
    found: list[Found] = []
    at = 0
    try:
        for first, block in _blocks(lines):
            at = first
            if block[0].startswith("NOTE "):
                note = block[0].removeprefix("NOTE ")
                if note.startswith(KEPT):
                    key, row = recall(note.removeprefix(KEPT), at)
                    kept[key] = row
            elif block[0] not in ("NOTE", "STYLE", "REGION"):
                timing = 0 if "-->" in block[0] else 1
                if timing >= len(block) or "-->" not in block[timing]:
                    raise ValueError(f"{block[0][:40]!r} is no cue; write its times, start --> end")
                at = first + timing
                shown = _times(block[timing])
                text = _sentence(block[timing + 1 :])
                key, number = split_key(block[0]) if timing else ("", 0)
                window = shown[0] / 1000, shown[1] / 1000
                found.append(Found(first, vid, text, shown, window, key, number))
    except ValueError as error:
        raise AnnotationError(f"{path}:{at}: {error}") from None
    return gather(found, kept, lambda window: cues.cue_times(*window), cues.sentence)


def _blocks(lines: Sequence[str]) -> Iterable[tuple[int, list[str]]]:
    """Line and lines of what stands between blank lines, the header left out."""
    block: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip(" \t"):
            block.append(line)
        elif block:
            first = number - len(block)
            if first == 1:  # cues may follow the header without a blank line
                first += next((at for at, line in enumerate(block) if "-->" in line), len(block))
                block = block[first - 1 :]
            if block:
                yield first, block
            block = []


def _times(line: str) -> tuple[int, int]:
    """Milliseconds of `start --> end`, whatever settings follow."""
    match = _TIMES.match(line)
    if match is None:
        raise ValueError(f"{line[:40]!r} is no time of a cue; write 00:01:15.500 --> 00:01:17.000")
    return milliseconds_of(match[1]), milliseconds_of(match[2])


def _sentence(lines: Iterable[str]) -> str:
    return cues.sentence(html.unescape(_TAG.sub("", " ".join(lines))))


def looks(head: str) -> bool:
    """Whether a file that begins like this is WebVTT."""
    return _HEAD.match(head) is not None


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a file; it is about one recording."""
    made = [
        cues.Cue(
            *cues.cue_times(window.start, window.end),
            f"{key}-{number}",
            cues.sentence(sample.query.text),
        )
        for key, sample in zip(keys_of(samples), samples, strict=True)
        for number, window in enumerate(sample.windows, 1)
    ]
    return cues.vtt(made, (KEPT + keep(sample) for sample in samples))


FORMAT = one_recording(read, looks, ".vtt", "WebVTT", write)
