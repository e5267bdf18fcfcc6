"""Cues of subtitles, as WebVTT and SubRip share them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from grounding.timecode import clock


class Cue(NamedTuple):
    """A text for a time; milliseconds, start < end. Name and text are one line each."""

    start: int
    end: int
    name: str
    text: str


def cue_times(start: float, end: float) -> tuple[int, int]:
    """Seconds -> milliseconds; no cue is empty."""
    first, last = round(1000 * start), round(1000 * end)
    return first, max(last, first + 1)


def one_line(text: str) -> str:
    """Without line breaks and other control characters."""
    words = " ".join(text.split())
    return "".join(c for c in words if unicodedata.category(c) != "Cc")


def sentence(text: str) -> str:
    """One line, its white space single spaces; a sentence that is so already stays as it is."""
    return " ".join(one_line(text).split())


def vtt(cues: Iterable[Cue], notes: Iterable[str] = ()) -> str:
    """WebVTT, cues by time; notes (no blank line, no `-->`) stand before them."""
    blocks = ["WEBVTT\n", *(f"NOTE {note}\n" for note in notes)]
    for cue in sorted(cues, key=lambda cue: cue[:2]):
        safe = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}"
        blocks.append(f"{cue.name.replace('>', '')}\n{times}\n{safe}\n")
    return "\n".join(blocks)


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: numbered cues by time, whose texts hold no `-->`."""
    blocks = []
    for number, cue in enumerate(sorted(cues, key=lambda cue: cue[:2]), 1):
        times = f"{clock(cue.start, ',')} --> {clock(cue.end, ',')}"
        blocks.append(f"{number}\n{times}\n{cue.text}\n")
    return "\n".join(blocks)
