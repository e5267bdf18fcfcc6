"""One video on disk: pictures and sound into an MP4 (H.264, AAC), the figure's motion beside it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from grounding.files import atomic
from grounding.sample.dice import Dice
from grounding.sample.figure import motion
from grounding.sample.script import FIGURES, Script

TICKS = 90000  # per second, the clock of videos with a variable frame rate
PRIMING = 1024  # samples an AAC packet holds


def media_path(folder: Path, script: Script) -> Path:
    """Where the video lies."""
    return folder / "media" / f"{script.vid}.mp4"


def motion_path(folder: Path, script: Script) -> Path:
    """Where the figure's motion lies, if the video has a figure."""
    return folder / "motion" / f"{script.vid}.npy"


def is_rendered(folder: Path, script: Script) -> bool:
    """Whether the video's files are there, which get their names when they are whole."""
    figure = any(event.action in FIGURES for event in script.events)
    moved = not figure or motion_path(folder, script).exists()
    return moved and media_path(folder, script).exists()


def render(folder: Path, script: Script) -> str:
    """Writes motion and media under temporary names and renames them; returns the vid."""
    moves = motion(script)
    if moves is not None:
        with atomic(motion_path(folder, script)) as temporary:
            np.save(temporary, moves)
    with atomic(media_path(folder, script)) as temporary:
        _write_mp4(temporary, script)
    return script.vid


def kept_frames(script: Script) -> list[int]:
    """The frames that are stored: all, or for a variable rate those that chance left.

    The first and last frame and those where something begins or ends stay, so that every event
    keeps its window.
    """
    if not script.irregular:
        return list(range(script.frames))
    edges = {0, script.frames - 1}
    edges |= {i for event in script.events for i in (event.first, event.last)}
    dice = Dice(script.grain)
    kept = [0]
    for i in range(1, script.frames):
        if i in edges or i - kept[-1] >= 4 or not dice.chance(0.35):
            kept.append(i)
    return kept


def _write_mp4(path: Path, script: Script) -> None:
    import av
    from av.video.reformatter import VideoReformatter

    from grounding.sample.picture import Painter
    from grounding.sample.sound import soundtrack

    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as box:
        video = box.add_stream("libx264", rate=script.rate)
        sideways = script.rotation % 180 != 0
        video.width = script.height if sideways else script.width
        video.height = script.width if sideways else script.height
        video.pix_fmt = "yuv420p"
        # No B-frames: the first picture is at time 0 without an edit list.
        video.options = {
            "preset": "ultrafast", "crf": "28", "bf": "0", "threads": "1",
            "g": str(round(2 * script.rate)),
        }  # fmt: skip
        clock = Fraction(1, TICKS) if script.irregular else 1 / script.rate
        video.codec_context.time_base = clock
        if script.rotation:
            video.set_display_rotation(script.rotation)
        audio = None
        if not script.silent:
            audio = box.add_stream("aac", rate=script.sample_rate, layout="mono")
            audio.bit_rate = 24000 if script.sample_rate < 32000 else 40000
            audio.options = {"aac_coder": "fast"}
            track = soundtrack(script)
            # Whole packets less the encoder's priming end with the pictures, not after them.
            track = track[: len(track) // PRIMING * PRIMING]
        painter = Painter(script)
        reformat = VideoReformatter().reformat  # one for all: each sets up tables of its own
        still = _picture(painter.background, script, reformat)
        kept = kept_frames(script)
        heard = 0
        for i, after in zip(kept, [*kept[1:], script.frames], strict=True):
            image = painter.frame(i)
            frame = still if image is None else _picture(image, script, reformat)
            frame.time_base = clock
            frame.pts = round(i / script.rate / clock)
            frame.duration = round(after / script.rate / clock) - frame.pts
            box.mux(video.encode(frame))
            if audio is not None:
                until = min(len(track), round(after / script.rate * script.sample_rate))
                while until - heard >= PRIMING:
                    box.mux(audio.encode(_samples(track, heard, script.sample_rate)))
                    heard += PRIMING
        box.mux(video.encode(None))
        if audio is not None:
            box.mux(audio.encode(None))


def _picture(image: Any, script: Script, reformat: Callable[..., Any]) -> Any:
    """A PIL picture as a frame of the encoder, turned the other way round than the players will."""
    import av

    pixels = np.asarray(image)
    if script.rotation:
        pixels = np.ascontiguousarray(np.rot90(pixels, -script.rotation // 90))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return reformat(frame, format="yuv420p", interpolation="FAST_BILINEAR", threads=1)


def _samples(track: np.ndarray[Any, np.dtype[np.float32]], first: int, rate: int) -> Any:
    """One packet's worth of sound."""
    import av

    frame = av.AudioFrame.from_ndarray(track[None, first : first + PRIMING], "fltp", "mono")
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = first
    return frame
