"""ActivityNet Captions and TACoS: one JSON object by video, with parallel lists of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grounding.annotations.fields import besides, items, number, record, spans, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_member

_KNOWN = ("duration", "timestamps", "sentences", "glance", "glances", "num_frames", "fps")
_FRAMES = re.compile(r'"num_frames"\s*:')


def _in_seconds(entry: Entry, options: Options) -> Iterator[Row]:
    video = record(entry.value, "what stands there")
    duration = video.get("duration")
    known = None if duration is None else number(duration, "duration")
    yield from _rows(entry, video, rate=1.0, duration=known)


def _in_frames(entry: Entry, options: Options) -> Iterator[Row]:
    video = record(entry.value, "what stands there")
    rate = number(video["fps"], "fps") if "fps" in video else float(options.rate or 0)
    if rate <= 0:
        raise ValueError("nobody says how many frames a second has; pass --rate")
    frames = number(video["num_frames"], "num_frames") if "num_frames" in video else None
    yield from _rows(entry, video, rate, None if frames is None else frames / rate)


def _rows(
    entry: Entry, video: dict[str, Any], rate: float, duration: float | None
) -> Iterator[Row]:
    sentences = items(video["sentences"], "sentences")
    windows = spans(video["timestamps"], "timestamps")
    name = "glances" if "glances" in video else "glance"
    glances = items(video.get(name, [None] * len(sentences)), name)
    for what, count in (("timestamps", len(windows)), (name, len(glances))):
        if count != len(sentences):
            raise ValueError(f"there are {len(sentences)} sentences but {count} {what}")
    for sentence, (start, end), glance in zip(sentences, windows, glances, strict=True):
        yield Row(
            line=entry.line,
            vid=entry.name,
            text=text(sentence, "a sentence"),
            windows=[(start / rate, end / rate) if rate != 1 else (start, end)],
            duration=duration,
            glance=None if glance is None else number(glance, "a glance") / rate,
            extra=besides(video, *_KNOWN),
        )


def _looks(head: str) -> bool:
    return '"timestamps"' in head and '"sentences"' in head


SECONDS = Format(
    read=by_member(_in_seconds),
    looks=lambda head: _looks(head) and not _FRAMES.search(head),
    suffixes=(".json",),
    note="ActivityNet Captions, also with `glance` or `glances`; the Charades-STA files of D3G",
)
FRAMES = Format(
    read=by_member(_in_frames),
    looks=lambda head: _looks(head) and _FRAMES.search(head) is not None,
    suffixes=(".json",),
    note="TACoS: times in frames, with fps and num_frames, also with `glance`",
)
