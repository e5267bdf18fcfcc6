"""What a browser plays at our times, and a proxy for what it does not.

Players count from the container's zero and seek to keyframes that are clean cuts; what was found
out with Chromium is why each line of `obstacle` is there.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from grounding.errors import UnreadableMedia
from grounding.files import atomic
from grounding.media.container import open_container, packets
from grounding.media.cut import (
    CONTAINER,
    Encoding,
    Progress,
    cut,
    is_decodable,
    sound,
    sound_stream,
)
from grounding.media.probe import Scan, scan
from grounding.media.survey import Ints, Orientation, family_of, survey
from grounding.types import Moment

# Codecs of pictures and of sound by container; browsers play 8 bits, 4:2:0 alone everywhere.
PICTURES = {"mp4": {"h264", "vp9", "av1"}, "webm": {"vp8", "vp9", "av1"}}
SOUNDS = {"mp4": {"aac", "mp3", "opus", "flac"}, "webm": {"opus", "vorbis"}}
PIXELS = {"yuv420p", "yuvj420p"}
# Seconds by which a player's times and ours may differ.
EXACT = 1e-3
# A webm file says in its first bytes that it is no other Matroska file.
HEAD = 64
# Made while somebody waits: fast rather than small, and a seek decodes one second at most.
PROXY = Encoding("veryfast", 23, short_side=720, long_side=1920, key_every=1.0, threads=0)


def obstacle(path: str | os.PathLike[str]) -> str | None:
    """One line: why browsers cannot play a video at our times; None when they can.

    Raises:
        UnreadableMedia: it is no video.
    """
    found = scan(path)
    with closing(open_container(path)) as container:
        kind = _kind(path, container)
        if kind is None:
            return f"browsers do not open {family_of(container)} files"
        streams = container.streams
        if len([s for s in streams.video if not _is_still(s)]) > 1:
            return "it has several video streams"
        stream = streams[found.info.stream]
        for sounding in streams.audio:
            codec = sounding.codec_context
            if codec is None or codec.codec.canonical_name not in SOUNDS[kind]:
                name = "unknown" if codec is None else codec.codec.canonical_name
                return f"browsers do not play its sound ({name}) in {kind} files"
        return _against_pictures(found, stream, kind) or _against_times(found, container, stream)


def proxy_path(path: str | os.PathLike[str], store: Path) -> Path:
    """Where the proxy of a file is, or will be: another file, or a changed one, has another.

    Raises:
        UnreadableMedia: there is no such file.
    """
    source = Path(path)
    try:
        status = source.stat()
    except OSError as error:
        raise UnreadableMedia(path, f"{error.strerror}; check the path") from None
    mark = f"{source.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    digest = hashlib.sha256(mark.encode("utf-8", "surrogateescape")).hexdigest()
    return store / f"{digest[:32]}.mp4"


def make_proxy(path: str | os.PathLike[str], out: Path, progress: Progress | None = None) -> None:
    """Write a video as MP4 that browsers play, whole or not at all.

    Its time 0 is that of the video's timeline, every frame keeps its time, and the picture is
    upright. Packets are copied where the container alone stands in the way.

    Raises:
        UnreadableMedia: it is no video, or not one frame decodes.
        BadInput: the proxy cannot be written.
    """
    found = scan(path)
    if _is_copyable(found) and _copy(found, out, progress):
        return
    cut(path, Moment(0, found.info.duration), out, PROXY, progress)


def _kind(path: str | os.PathLike[str], container: Any) -> str | None:
    """ "mp4" or "webm"; None for any other container."""
    family = family_of(container)
    if family == "mov":
        return "mp4"
    with Path(path).open("rb") as file:
        return "webm" if family == "matroska" and b"webm" in file.read(HEAD) else None


def _is_still(stream: Any) -> bool:
    import av

    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & still)


def _against_pictures(found: Scan, stream: Any, kind: str) -> str | None:
    codec, pixels = found.info.codec, stream.codec_context.pix_fmt
    if codec not in PICTURES[kind]:
        return f"browsers do not play {codec} in {kind} files"
    if pixels not in PIXELS:
        return f"browsers do not play {codec} with {pixels} pixels"
    if found.orientation != Orientation():
        return "its picture is turned or mirrored"
    return None


def _against_times(found: Scan, container: Any, stream: Any) -> str | None:
    first = (container.start_time or 0) / 1e6
    # Sound may begin a packet early: players leave that out.
    if abs(found.info.start) > EXACT or first < -0.1 or first > EXACT:
        return f"its picture begins at {found.info.start:.3f} s on its own clock"
    facts = survey(container, stream)
    if not facts.clean_keys:
        return "its keyframes are no clean cuts: players cannot seek"
    if facts.odd_rotation is not None:
        return "its picture is slanted"
    return None


def _is_copyable(found: Scan) -> bool:
    """Tell whether only the container, its clock or the sound can be what stands in the way."""
    info, table = found.info, found.table
    if info.codec != "h264" or found.damage or table.by_dts or found.orientation != Orientation():
        return False
    with closing(open_container(info.path)) as container:
        stream = container.streams[info.stream]
        return stream.codec_context.pix_fmt in PIXELS and survey(container, stream).clean_keys


def _copy(found: Scan, out: Path, progress: Progress | None) -> bool:
    """Copy the pictures' packets into an MP4 with the sound as AAC; False where their times would
    not be the same or players would still stumble.
    """
    import av

    info = found.info
    try:
        with atomic(out) as temporary:
            try:
                _write_copy(found, temporary, progress)
            except (av.FFmpegError, ValueError) as error:
                raise _CannotCopy from error
            if not _is_faithful(found, temporary):
                raise _CannotCopy
    except _CannotCopy:
        return False
    if progress is not None:
        progress(info.duration, info.duration, "copying")
    return True


class _CannotCopy(Exception):
    """The copy would not be what it is for."""


def _write_copy(found: Scan, out: Path, progress: Progress | None) -> None:
    import av

    info = found.info
    with (
        closing(open_container(info.path)) as source,
        closing(open_container(info.path)) as other,
        av.open(str(out), "w", "mp4", options=CONTAINER) as target,
    ):
        stream = source.streams[info.stream]
        facts = survey(other, other.streams[info.stream])
        video = target.add_stream_from_template(stream)
        spoken = other.streams.best("audio")
        tracks: list[Iterator[Any]] = [
            _shifted(packets(source, stream), facts.pts - found.table.ticks[0])
        ]
        audio = None
        if spoken is not None and is_decodable(spoken):
            audio = sound_stream(target, spoken)
            tracks.append(sound(info.path, spoken, audio, info.start, info.duration))
        for item in heapq.merge(*tracks, key=_when):
            if isinstance(item, av.Packet):
                item.stream = video
                target.mux(item)
                if progress is not None:
                    done = min(max(float(_when(item)), 0.0), info.duration)
                    progress(done, info.duration, "copying")
            elif audio is not None:
                target.mux(audio.encode(item))
        if audio is not None:
            target.mux(audio.encode(None))


def _shifted(source: Iterator[Any], times: Ints) -> Iterator[Any]:
    """The packets of a stream with the presentation times given, in decoding order.

    Decoding times are made anew, as late as they may be: not every container has them.

    Raises:
        ValueError: there are more or fewer packets than times.
    """
    ordered = np.sort(times)
    decoded = ordered - int((ordered - times).max(initial=0))
    filled = (packet for packet in source if packet.size)
    for packet, pts, dts in zip(filled, times.tolist(), decoded.tolist(), strict=True):
        packet.pts, packet.dts = pts, dts
        yield packet


def _when(item: Any) -> Fraction:
    """Seconds at which a packet is decoded, or a frame begins."""
    time = getattr(item, "dts", None) if type(item).__name__ == "Packet" else item.pts
    seconds: Fraction = time * item.time_base
    return seconds


def _is_faithful(found: Scan, copy: Path) -> bool:
    try:
        times = scan(copy).table.seconds
        return (
            len(times) == len(found.table.seconds)
            and bool(np.abs(times - found.table.seconds).max(initial=0) < EXACT)
            and obstacle(copy) is None
        )
    except UnreadableMedia:
        return False
