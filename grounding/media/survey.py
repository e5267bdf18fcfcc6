"""One pass over the packets of a file: every fact the probe needs, with hardly any decoding."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grounding.media.container import packets

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NO_TIME = -(1 << 63)
# A first picture that has not come after so many packets is not worth more work.
FIRST_PICTURE_PACKETS = 400
# Demuxers skip what they cannot read in these containers without a word, but headers between
# packets take a few dozen bytes only. Where many packets have more around them it is no damage
# but something stored beside the frames.
CONTIGUOUS = {"matroska", "flv"}
HEADER_BYTES = 256
MOST_HOLES = 0.05  # of all packets


class Orientation(NamedTuple):
    """How a stored picture is turned upright: axes swapped first, then flipped."""

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @property
    def degrees(self) -> int:
        """Turn in degrees counter-clockwise: 0, 90, 180 or 270, a mirroring left aside."""
        if self.swap:
            return 90 if self.flip_rows else 270
        return 180 if self.flip_rows else 0

    @property
    def is_mirrored(self) -> bool:
        """True when no rotation alone gives the upright picture."""
        return (self.swap + self.flip_rows + self.flip_columns) % 2 == 1

    def apply(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a view of a (H, W, 3) picture turned upright."""
        if self.swap:
            picture = picture.swapaxes(0, 1)
        if self.flip_rows:
            picture = picture[::-1]
        return picture[:, ::-1] if self.flip_columns else picture


@dataclass(slots=True)
class Survey:
    """Facts about one video stream; arrays are in decoding order, times in its `time_base`.

    Packets without a time or a picture of their own are not in the arrays.
    """

    time_base: Fraction
    by_dts: bool  # the file gives decoding times alone: the k-th frame out has the k-th of them
    pts: Ints  # presentation times, or decoding times if `by_dts`
    dts: Ints  # decoding times, or presentation times where the file gives none
    durations: Ints
    sizes: Ints  # bytes
    keys: Flags
    discards: Flags
    corrupt: Flags
    clean_keys: bool  # every H.264 keyframe is an IDR picture; True for other codecs
    total: int  # packets of the stream, all kinds
    read_errors: int
    skipped_bytes: int  # that no packet holds although one should
    skipped_at: float  # seconds on the container's clock where the first of them are
    indexed: bool  # False when the container's own index misses packets
    end: float  # seconds on the container's clock at which the last packet of any stream ends
    first_picture: int | None  # pts of the first picture that comes out of the decoder
    decode_errors: int  # packets that failed before it
    width: int
    height: int
    orientation: Orientation = field(default_factory=Orientation)
    odd_rotation: float | None = None  # degrees that are no multiple of 90


def family_of(container: Any) -> str:
    """Return the first of FFmpeg's names of a container: mov, matroska, mpegts..."""
    return str(container.format.name).split(",", maxsplit=1)[0]


def survey(container: Any, stream: Any) -> Survey:
    """Read all packets of an open container once, decoding `stream` up to its first picture."""
    codec = stream.codec_context
    codec.thread_count = 1
    pts, dts, durations, sizes = array("q"), array("q"), array("q"), array("q")
    keys, discards, corrupt = bytearray(), bytearray(), bytearray()
    ends: dict[int, int] = {}
    total = 0
    clean = True
    nal_length = _nal_length(codec.extradata) if codec.name == "h264" else None
    family = family_of(container)
    indexed = len(stream.index_entries)
    errors: list[Exception] = []
    first = _FirstPicture()
    holes = _Holes() if family in CONTIGUOUS else None
    for packet in packets(container, on_error=errors.append):
        time = packet.pts
        if time is None:
            time = packet.dts
        if time is not None:
            end = time + (packet.duration or 0)
            if end > ends.get(packet.stream_index, -(1 << 62)):
                ends[packet.stream_index] = end
            if holes is not None:
                holes.pass_by(packet, time)
        if packet.stream_index != stream.index or packet.size == 0:
            continue
        total += 1
        first.feed(packet)
        # Bit 4 of a VP8 frame's first byte says whether it is shown.
        if codec.name == "vp8" and not memoryview(packet)[0] & 0x10:
            continue
        if nal_length is not None and clean and packet.is_keyframe:
            clean = _holds_idr(memoryview(packet), nal_length)
        pts.append(NO_TIME if packet.pts is None else packet.pts)
        dts.append(NO_TIME if packet.dts is None else packet.dts)
        durations.append(packet.duration or 0)
        sizes.append(packet.size)
        keys.append(packet.is_keyframe)
        discards.append(packet.is_discard)
        corrupt.append(packet.is_corrupt)
    shown_at, decoded_at = np.frombuffer(pts, np.int64), np.frombuffer(dts, np.int64)
    # AVI knows no presentation times. FFmpeg makes some up, wrongly where there are B-frames.
    by_dts = bool((shown_at == NO_TIME).all() or (family == "avi" and (pts != dts)))
    if by_dts:
        shown_at = decoded_at
    timed = shown_at != NO_TIME
    bases = {s.index: s.time_base for s in container.streams if s.time_base}
    return Survey(
        time_base=stream.time_base,
        by_dts=by_dts,
        pts=shown_at[timed],
        dts=np.where(decoded_at == NO_TIME, shown_at, decoded_at)[timed],
        durations=np.frombuffer(durations, np.int64)[timed],
        sizes=np.frombuffer(sizes, np.int64)[timed],
        keys=np.frombuffer(keys, np.bool_)[timed],
        discards=np.frombuffer(discards, np.bool_)[timed],
        corrupt=np.frombuffer(corrupt, np.bool_)[timed],
        clean_keys=clean,
        total=total,
        read_errors=len(errors),
        skipped_bytes=0 if holes is None else holes.bytes,
        skipped_at=0.0 if holes is None else holes.first,
        indexed=family != "avi" or indexed == total,
        end=max((float(ends[k] * b) for k, b in bases.items() if k in ends), default=0.0),
        first_picture=None if by_dts else first.pts,
        decode_errors=first.errors,
        width=first.width or codec.width,
        height=first.height or codec.height,
        orientation=first.orientation,
        odd_rotation=first.odd_rotation,
    )


class _Holes:
    """Adds up the bytes between packets that belong to none of them."""

    def __init__(self) -> None:
        self.first = 0.0
        self._position = self._end = -1
        self._holes = self._bytes = self._packets = 0

    @property
    def bytes(self) -> int:
        """Bytes that were skipped, 0 where the file is simply built that way."""
        return self._bytes if self._holes < MOST_HOLES * self._packets else 0

    def pass_by(self, packet: Any, time: int) -> None:
        if packet.pos is None or packet.pos < 0:
            return
        hole = packet.pos - self._end
        if self._packets and hole > HEADER_BYTES:
            if not self._holes:
                self.first = float(time * packet.time_base)
            self._holes += 1
            self._bytes += hole
        # Packets laced into one block share its position.
        start = self._end if packet.pos == self._position else packet.pos
        self._position, self._end = packet.pos, max(self._end, start + packet.size)
        self._packets += 1


class _FirstPicture:
    """Decodes from the first keyframe until one picture comes out, and keeps what it tells."""

    def __init__(self) -> None:
        self.pts: int | None = None
        self.width = self.height = self.errors = 0
        self.orientation = Orientation()
        self.odd_rotation: float | None = None
        self._packets_left = FIRST_PICTURE_PACKETS
        self._started = False

    def feed(self, packet: Any) -> None:
        import av

        if self._packets_left == 0:
            return
        self._started = self._started or packet.is_keyframe
        self._packets_left -= not packet.is_discard  # an edit list may hide any number first
        if not self._started:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.errors += 1
            return
        if frames:
            self._packets_left = 0
            frame = frames[0]
            self.pts, self.width, self.height = frame.pts, frame.width, frame.height
            self._turn(frame)

    def _turn(self, frame: Any) -> None:
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                # x' = a x + c y and y' = b x + d y, in 16.16 fixed point
                a, b, _, c, d = np.frombuffer(bytes(data), np.int32, 5).tolist()
                straight, swapped = min(abs(a), abs(d)), min(abs(b), abs(c))
                if min(straight, swapped) > 0.02 * max(straight, swapped):
                    self.odd_rotation = float(frame.rotation)
                elif swapped > straight:
                    self.orientation = Orientation(True, b < 0, c < 0)
                else:
                    self.orientation = Orientation(False, d < 0, a < 0)


def _nal_length(extradata: bytes | None) -> int:
    """Return the bytes of a unit's length field, or 0 for a stream with start codes."""
    if extradata and len(extradata) > 4 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    return 0


def _holds_idr(data: memoryview, nal_length: int) -> bool:
    """Tell whether the first slice of an H.264 packet belongs to an IDR picture (unit type 5)."""
    position = 0
    raw = bytes(data) if nal_length == 0 else b""
    while True:
        if nal_length:
            start = position + nal_length
            position = start + int.from_bytes(data[position:start], "big")
        else:
            position = start = raw.find(b"\x00\x00\x01", position) + 3
            if start == 2:
                return False
        if start >= len(data):
            return False
        kind = data[start] & 0x1F
        if 1 <= kind <= 5:
            return kind == 5
