"""CMX3600 edit lists: one recording's moments as events, times in frames.

Read are the source times of events, drop-frame or not, exactly: frame n begins at n / rate
seconds, also at 29.97 after ten hours. The sentence is the clip's name, or a marker's or locator's
words where there are some; SOURCE FILE names the recording, else the file's stem. Picture and
sound of one event are one moment; the empty first half of a dissolve is none.

Written are an event for each window, one after the other on the record side, and each dataset line
as a comment, so that nothing is lost while the comments stay. Editors that drop them leave
sentences, their white space collapsed, and frames.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from grounding.annotations.folders import one_recording
from grounding.annotations.kept import (
    Found,
    Pair,
    gather,
    keep,
    keys_of,
    recall,
    split_key,
)  # fmt: skip
from grounding.annotations.row import Options, Row
from grounding.annotations.source import read_text
from grounding.cues import sentence
from grounding.errors import AnnotationError
from grounding.media import RECORDINGS
from grounding.naming import name_of
from grounding.timecode import DROPPED, frame_number, frame_of, frame_seconds, timecode
from grounding.types import Sample

KEPT, RATE, KEY = "* GROUNDING: ", "* FRAME RATE: ", "* COMMENT: "
_CODE = r"(\d{2,4}[:;]\d\d[:;]\d\d[:;.,]\d{2,3})"
_EVENT = re.compile(rf"(\d+)\s.*?{_CODE}\s+{_CODE}\s+{_CODE}\s+{_CODE}\s*", re.A)
_LOOKS = re.compile(rf"^FCM: |^{_EVENT.pattern}$", re.A | re.M)
_SAID = re.compile(r"\*?\s*(FROM CLIP NAME|SOURCE FILE|LOC|COMMENT):\s*(.*)")
_MARK = re.compile(r"\|M:([^|]*)")


@dataclass(slots=True)
class _Event:
    line: int
    codes: list[str]
    drop: bool
    said: dict[str, str] = field(default_factory=dict)


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of a list; the frame rate is the options', or the one we wrote.

    Raises:
        AnnotationError: with the line.
    """
    rate, kept, found = options.rate, dict[str, Row](), list[Found]()
    events: list[_Event] = []
    drop, at = False, 0
    try:
        for at, line in enumerate(re.split(r"\r\n|\r|\n", read_text(path, wide=True)), 1):
            match = _EVENT.fullmatch(line.strip())
            if match:
                events.append(_Event(at, list(match.groups()[1:]), drop))
            elif line[:1].isdigit():
                raise ValueError(f"{line[:40]!r} is no event; it must end with four timecodes")
            elif line.startswith("FCM:"):
                drop = "NON" not in line and "DROP" in line
            elif line.startswith(KEPT):
                key, row = recall(line.removeprefix(KEPT), at)
                kept[key] = row
            elif line.startswith(RATE):
                rate = options.rate or _ratio(line.removeprefix(RATE))
            elif events:
                _note(events[-1].said, line)
        for event in events:
            at = event.line
            if rate is None:
                raise ValueError(
                    "an edit list counts frames, and the rate is not known; pass --rate"
                )
            first, last, *record = (frame_of(code, rate, event.drop) for code in event.codes)
            if first == last and record[0] == record[1]:
                continue  # what a dissolve begins with
            vid = options.vid or _source(event) or name_of(path.stem)
            found.append(_found(event, vid, (first, last), rate, kept))
    except ValueError as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path}:{at}: {error}") from None
    return gather(found, kept, lambda window: _shown(window, rate or Fraction(1)), sentence)


def _source(event: _Event) -> str:
    """The recording that an event names, without a file's ending."""
    source = event.said.get("SOURCE FILE", "")
    return source.rpartition(".")[0] if source.lower().endswith(RECORDINGS) else source


def _found(
    event: _Event, vid: str, shown: tuple[int, int], rate: Fraction, kept: Container[str]
) -> Found:
    said = event.said
    key, number = split_key(said.get("COMMENT", ""))
    names = ["FROM CLIP NAME"] if key in kept else ["MARK", "LOC", "FROM CLIP NAME", "COMMENT"]
    text = next((said[name] for name in names if said.get(name)), "")
    window = frame_seconds(shown[0], rate), frame_seconds(shown[1], rate)
    return Found(event.line, vid, text, shown, window, key, number)


def _note(said: dict[str, str], line: str) -> None:
    """Take in what a line below an event says of it; the first word of each kind counts."""
    match = _SAID.fullmatch(line.strip())
    if match:
        words = match[2].strip()
        if match[1] == "LOC":  # a timecode, a colour and the words
            words = "".join(words.split(maxsplit=2)[2:])
        said.setdefault(match[1], words)
    elif mark := _MARK.search(line):
        said.setdefault("MARK", mark[1].strip())


def _ratio(text: str) -> Fraction:
    match = re.fullmatch(r"\s*0*([1-9]\d{0,8})(?:/0*([1-9]\d{0,8}))?\s*", text, re.A)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no frame rate; write 30000/1001")
    return Fraction(int(match[1]), int(match[2] or 1))


def _shown(window: Pair, rate: Fraction) -> tuple[int, int]:
    """First frame and the one after the last; no event is empty."""
    first = frame_number(window[0], rate)
    return first, max(frame_number(window[1], rate), first + 1)


def looks(head: str) -> bool:
    """Whether a file that begins like this is an edit list."""
    return _LOOKS.search(head) is not None


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a list; it is about one recording.

    Raises:
        AnnotationError: the frame rate is not known.
    """
    rate = options.rate
    if rate is None:
        raise AnnotationError(
            "an edit list counts frames, and the frame rate is not known; pass --rate"
        )
    mode = "DROP FRAME" if rate in DROPPED else "NON-DROP FRAME"
    lines = ["TITLE: GROUNDING", f"FCM: {mode}", f"{RATE}{rate}"]
    lines += [KEPT + keep(sample) for sample in samples] + [""]
    event = recorded = 0
    for key, sample in zip(keys_of(samples), samples, strict=True):
        for number, window in enumerate(sample.windows, 1):
            first, last = _shown((window.start, window.end), rate)
            places = (first, last, recorded, recorded + last - first)
            event, recorded = event + 1, places[3]
            times = " ".join(timecode(place, rate) for place in places)
            lines += [
                f"{event:03d}  AX       V     C        {times}",
                f"* FROM CLIP NAME: {sentence(sample.query.text)}",
                f"* SOURCE FILE: {sentence(sample.vid)}",
                f"{KEY}{key}-{number}",
                "",
            ]
    return "\n".join(lines)


FORMAT = one_recording(read, looks, ".edl", "CMX3600", write)
