"""What a video file is, when each of its frames is shown, and which library decodes it exactly.

decord is the default, but it decodes some files wrongly without a word (a cut with an edit list,
an open GOP, intra refresh, B-frames in AVI) and others not at all (AV1, transport streams), so one
pass over the packets decides first. See `_against_decord` for every reason.
"""

from __future__ import annotations

import importlib.util
import math
import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.errors import UnreadableMedia
from grounding.media.container import open_container
from grounding.media.survey import Flags, Ints, Orientation, Survey, family_of, survey

Floats = npt.NDArray[np.float64]

DECORD_CODECS = {"h264", "vp8", "vp9", "mjpeg"}
# One broken frame in ten or twenty of these vanishes without an error, and decord, which counts
# what comes out, gives all later frames one place too early (of H.264 and VP9, one in a hundred).
SLIPPING_CODECS = {"hevc", "mpeg4"}
DECORD_CONTAINERS = {"mov", "matroska", "avi", "flv"}
NO_DECORD = "decord is not installed; it has no build for Macs and ARM"
# Containers whose header states the duration; the others' is a guess from what is there.
STATED_DURATION = {"mov", "matroska", "avi", "flv", "asf"}
# Seconds by which a file may end before its header says so without being called truncated.
SHORTFALL = 0.5
# Seconds by which times may go back in decoding order; reordered B-frames stay far below.
CLOCK_JUMP = 10.0


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is, and how it will be decoded.

    Times are seconds on the video's own timeline: 0 is the first displayable frame (edit lists
    respected), `duration` the end of the last. `start` is timeline zero on the container's clock,
    so sound at container time c is heard at c - start.
    """

    path: str
    duration: float
    frames: int
    width: int  # upright, after rotation
    height: int
    rotation: int  # degrees counter-clockwise the stored picture is turned: 0, 90, 180 or 270
    codec: str
    container: str
    rate: float  # frames per second, on average when variable
    is_variable: bool
    start: float
    audio_streams: int
    stream: int  # index of the video stream among all streams
    backend: str  # "decord" or "pyav"
    reason: str  # why that one
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class FrameTable:
    """When each displayable frame is shown and where decoding can begin, in ticks of `time_base`.

    `ticks` (N,) is sorted and free of duplicates; `key_ticks`, `key_dts` and `key_sizes` (K,) are
    the presentation times, decoding times and bytes of the keyframes, sorted by presentation, and
    empty where seeking is not safe. With `by_dts`, ticks are decoding times: the file has no
    others.
    """

    time_base: Fraction
    by_dts: bool
    ticks: Ints
    key_ticks: Ints
    key_dts: Ints
    key_sizes: Ints

    @cached_property
    def seconds(self) -> Floats:
        """Presentation times (N,) in seconds, the first 0."""
        base = self.time_base
        times: Floats = (self.ticks - self.ticks[0]) * base.numerator / base.denominator
        return times

    @cached_property
    def tolerance(self) -> float:
        """Seconds a time may lie before a frame and still mean it.

        A container rounds times to its ticks, so t = k / rate may fall short of frame k by half a
        tick. Where a tick is about as long as a frame (AVI), times are exact and only the
        rounding of floats is forgiven.
        """
        tick = float(self.time_base)
        coarse = len(self.ticks) > 1 and np.median(np.diff(self.ticks)) < 4
        return 1e-6 if coarse else 0.499 * tick

    def at(self, times: npt.ArrayLike) -> Ints:
        """Return the indices (M,) of the frames on screen at the times (M,), in seconds.

        Times before the first frame or after the last one mean that frame.

        Raises:
            ValueError: a time is NaN.
        """
        asked = np.atleast_1d(np.asarray(times, np.float64))
        if np.isnan(asked).any():
            raise ValueError("a time is NaN; times must be seconds")
        found = np.searchsorted(self.seconds, asked + self.tolerance, side="right") - 1
        return np.maximum(found, 0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Scan:
    """All that one pass over a file found out; `damage` is the part of the warnings that hurts."""

    info: VideoInfo
    table: FrameTable
    orientation: Orientation
    damage: tuple[str, ...]
    against_decord: str | None  # why decord must not decode it; None when it may


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Return what a video is after one pass over its packets, decoding one frame at most.

    Raises:
        UnreadableMedia: the file is missing, no video, or holds no frame.
    """
    return scan(path).info


def has_decord() -> bool:
    """Tell whether decord is installed, without importing it."""
    return importlib.util.find_spec("decord") is not None


def scan(path: str | os.PathLike[str]) -> Scan:
    """Read the packets of a file once and decide how to decode it.

    Raises:
        UnreadableMedia: as `probe`.
    """
    container = open_container(path)
    try:
        stream, rivals = _choose_stream(path, container)
        facts = survey(container, stream)
        if facts.total and not (facts.width and facts.height):
            raise UnreadableMedia(path, "not one of its pictures decodes")
        strays = _strays(path, facts)
        table, end, remarks = _frame_table(path, facts, strays, stream)
        damage = _damage(facts, strays, container, stream, table)
        intervals = np.diff(table.ticks)
        rate, variable = _rate(intervals, stream, table.time_base)
        start = float(table.ticks[0] * table.time_base)
        turned = facts.orientation
        if facts.odd_rotation is not None:
            remarks.append(f"a rotation of {facts.odd_rotation:g} degrees is left out")
        against = _against_decord(path, facts, container, stream, rivals, table, damage)
        info = VideoInfo(
            path=os.fspath(path),
            duration=float((end - int(table.ticks[0])) * table.time_base),
            frames=len(table.ticks),
            width=facts.height if turned.swap else facts.width,
            height=facts.width if turned.swap else facts.height,
            rotation=turned.degrees,
            codec=_codec(stream),
            container=container.format.name,
            rate=rate,
            is_variable=variable,
            start=start,
            audio_streams=len(container.streams.audio),
            stream=stream.index,
            backend="decord" if against is None else "pyav",
            reason=against or "the default; it is exact for this file",
            warnings=(*damage, *remarks),
        )
    finally:
        container.close()
    return Scan(info, table, turned, tuple(damage), against)


def _choose_stream(path: str | os.PathLike[str], container: Any) -> tuple[Any, int]:
    """Return the video stream FFmpeg would choose, and how many others there are."""
    import av

    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    videos = [s for s in container.streams.video if not s.disposition & still]
    if not videos:
        only = ", only sound" if container.streams.audio else ""
        raise UnreadableMedia(path, f"has no video stream{only}")
    best = container.streams.best("video")
    stream = next((s for s in videos if best is not None and s.index == best.index), videos[0])
    if stream.codec_context is None:
        raise UnreadableMedia(path, "its video codec is unknown; convert it to H.264")
    return stream, len(videos) - 1


def _frame_table(
    path: str | os.PathLike[str], facts: Survey, strays: Flags, stream: Any
) -> tuple[FrameTable, int, list[str]]:
    """Return the table, the tick at which the last frame ends, and remarks for the user."""
    base = facts.time_base
    shown = ~facts.discards & ~strays
    shown[len(facts.pts) - _trailing(facts.corrupt) :] = False  # cut off inside a frame
    keys = facts.keys & ~strays
    first_key = int(keys.argmax())  # 0 when nothing is marked
    # What comes before the first keyframe, or leads it, has nothing to be decoded from.
    first_tick = facts.pts[first_key]
    if facts.first_picture is not None and facts.decode_errors == 0:
        first_tick = facts.first_picture
    remarks = []
    lost = shown & (facts.pts < first_tick)
    if lost.any():
        shown &= ~lost
        count = int(lost.sum())
        remarks.append(f"{count} frames before the first keyframe cannot be decoded: left out")
    if not shown.any():
        raise UnreadableMedia(path, "has a video stream without a complete frame")
    ticks = np.unique(facts.pts[shown])
    if len(ticks) < shown.sum():
        remarks.append(f"{int(shown.sum()) - len(ticks)} frames share the time of another")
    last = int(np.flatnonzero(shown & (facts.pts == ticks[-1]))[-1])
    length = int(facts.durations[last])
    if length <= 0:
        rate = stream.average_rate or stream.guessed_rate or 25
        length = int(np.median(np.diff(ticks))) if len(ticks) > 1 else round(1 / (rate * base))
    if facts.by_dts or not facts.indexed:
        keys[:] = False  # frames are counted, or the index leads astray
    key = np.flatnonzero(keys)
    key = key[np.argsort(facts.pts[key], kind="stable")]
    table = FrameTable(base, facts.by_dts, ticks, facts.pts[key], facts.dts[key], facts.sizes[key])
    return table, int(ticks[-1]) + length, remarks


def _strays(path: str | os.PathLike[str], facts: Survey) -> Flags:
    """Mark single packets whose time is far off their neighbours': damage made it up.

    Raises:
        UnreadableMedia: there are no times, or they go back for good, so that one time would
            mean two frames.
    """
    if facts.total == 0:
        raise UnreadableMedia(path, "has a video stream without a single frame")
    if len(facts.pts) == 0:
        raise UnreadableMedia(
            path, "its frames carry no times; wrap it first: ffmpeg -i IN -c copy OUT.mkv"
        )
    typical = float(np.median(np.diff(np.unique(facts.pts)))) if len(facts.pts) > 1 else 0.0
    limit = max(CLOCK_JUMP / float(facts.time_base), 20 * typical)
    padded = np.pad(facts.pts, 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5)
    strays: Flags = np.abs(facts.pts - np.median(windows, axis=1)) > limit
    times = facts.pts[~strays]
    back = np.maximum.accumulate(times) - times
    if back.max(initial=0) > limit:
        seconds = float(int(back.max()) * facts.time_base)
        raise UnreadableMedia(
            path,
            f"its clock jumps back by {seconds:.1f} s part-way (joined recordings, or damage); "
            "rewrap it: ffmpeg -i IN -c copy OUT.mkv",
        )
    return strays


def _trailing(flags: Flags) -> int:
    """Return how many flags at the end are set."""
    unset = np.flatnonzero(~flags)
    return len(flags) - (int(unset[-1]) + 1 if len(unset) else 0)


def _damage(
    facts: Survey, strays: Flags, container: Any, stream: Any, table: FrameTable
) -> list[str]:
    """Return what is broken or missing in the file, one line each."""
    found = []
    origin = float(table.ticks[0] * table.time_base)
    name = family_of(container)
    cut_off = _trailing(facts.corrupt)
    stated = 0.0
    if container.duration and name in STATED_DURATION:
        stated = container.duration / 1e6
    # Some writers count the duration from the first frame, some from the clock's zero.
    end = max(facts.end, facts.end - (container.start_time or 0) / 1e6)
    listed = int(facts.dts.max()) + 1  # in AVI, where every tick is a frame
    if stated - end > SHORTFALL:
        found.append(f"truncated: the header says {stated:.1f} s, packets end at {end:.1f} s")
    elif cut_off:
        found.append(f"truncated: the file ends inside a frame at {facts.end - origin:.2f} s")
    elif name == "avi" and stream.frames > listed:
        found.append(f"{stream.frames - listed} of {stream.frames} frames are missing")
    broken = facts.corrupt[: len(facts.corrupt) - cut_off]
    if broken.any():
        when = float(facts.pts[broken.argmax()] * table.time_base) - origin
        found.append(f"{int(broken.sum())} damaged packets, the first at {when:.2f} s")
    if strays.any():
        place = max(int(strays.argmax()) - 1, 0)
        when = float(facts.pts[place] * table.time_base) - origin
        found.append(
            f"{int(strays.sum())} packets with impossible times, the first at {when:.2f} s"
        )
    if facts.skipped_bytes:
        when = facts.skipped_at - origin
        found.append(f"{facts.skipped_bytes} bytes before {when:.2f} s cannot be read")
    if facts.read_errors:
        found.append(f"{facts.read_errors} read errors in the container")
    if facts.decode_errors:
        found.append("decoding breaks before the first picture")
    return found


def _rate(intervals: Ints, stream: Any, base: Fraction) -> tuple[float, bool]:
    """Return the frames per second and whether the intervals differ by more than rounding."""
    stated = stream.average_rate or stream.guessed_rate
    if len(intervals) == 0:
        return float(stated or 0), False
    typical = float(np.median(intervals))
    variable = bool(np.abs(intervals - typical).max() > max(1.5, 0.1 * typical))
    measured = len(intervals) / float(int(intervals.sum()) * base)
    # The stated rate is exact (30000/1001) where ticks are coarse, if it is true at all.
    if not variable and stated and math.isclose(float(stated), measured, rel_tol=2e-3):
        return float(stated), variable
    return measured, variable


def _against_decord(
    path: str | os.PathLike[str],
    facts: Survey,
    container: Any,
    stream: Any,
    rivals: int,
    table: FrameTable,
    damage: list[str],
) -> str | None:
    """Return the first reason why decord would not give the right frames; None when it would."""
    codec, family = _codec(stream), family_of(container)
    if not has_decord():
        return NO_DECORD
    if codec in SLIPPING_CODECS:
        return f"decord slips by a frame wherever {codec} is damaged"
    if codec not in DECORD_CODECS:
        return f"decord cannot decode {codec}"
    if family not in DECORD_CONTAINERS:
        return f"decord finds wrong frames in {family} files"
    if damage:
        return f"decord loses everything in damaged files ({damage[0]})"
    if rivals:
        return f"decord cannot be told which of {rivals + 1} video streams to take"
    if facts.discards.any():
        return "decord ignores edit lists, and one hides frames here"
    if facts.by_dts:
        return f"decord has no times for B-frames in {family}"
    if len(table.ticks) != facts.total:
        return "decord counts packets that show no frame of their own"
    if not facts.indexed:
        return "decord trusts the index, and it does not list every frame"
    if stream.frames and stream.frames != facts.total:
        return f"decord trusts the header's {stream.frames} frames; there are {facts.total}"
    order = np.argsort(facts.pts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    keys = np.flatnonzero(facts.keys)
    # decord takes decoding order for display order when it seeks to a keyframe.
    if not facts.clean_keys or len(keys) == 0 or (place[keys] != keys).any():
        return "decord seeks wrongly where keyframes are not clean cuts (open GOP)"
    turned = facts.orientation
    if turned.is_mirrored or facts.odd_rotation is not None:
        return "decord ignores mirrored and slanted pictures"
    if turned.degrees and family != "mov":
        return f"decord ignores rotation in {family} files"
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return "decord cannot open a file name that is not UTF-8"
    return None


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name)
