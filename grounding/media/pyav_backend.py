"""Frames by PyAV: every file, exactly, and of a damaged one whatever decodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.media.container import open_container, packets
from grounding.media.probe import Scan
from grounding.media.survey import Ints

Pictures = npt.NDArray[np.uint8]

# A keyframe so few frames ahead is reached sooner by decoding on than by seeking.
SEEK_WORTH = 8
BEFORE_ALL = -(1 << 62)


class PyAVDecoder:
    """Decodes forward and seeks only where a keyframe lies between here and the frame wanted.

    `report(seconds, what)` is called once for every keyframe whose pictures break, with the time
    on the video's timeline.
    """

    def __init__(
        self, scan: Scan, size: tuple[int, int], threads: int, report: Callable[[float, str], None]
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self._scan, self._table, self._report = scan, scan.table, report
        self._height, self._width = size  # upright
        self._threads = threads
        self._reformatter: Any = VideoReformatter()  # one for all frames: it keeps its tables
        self._may_skip = True  # seeking ahead gets us ahead
        self._seeks_are_exact = True
        self._misses_are_real = False  # a frame not found after a seek is lost, not hidden
        self._broken_keys: set[int] = set()  # keyframes whose pictures were reported
        self._container: Any = None
        self._open()

    def close(self) -> None:
        self._container.close()

    def read(self, indices: Ints) -> tuple[Pictures, Ints]:
        """Return the pictures (M, H, W, 3) of those frames that decode, and their indices (M,).

        `indices` (N,) must be sorted and free of duplicates.
        """
        pictures = np.empty((len(indices), self._height, self._width, 3), np.uint8)
        found: list[int] = []
        for index in indices.tolist():
            frame = self._frame(int(self._table.ticks[index]))
            if frame is not None:
                pictures[len(found)] = self._picture(frame)
                found.append(index)
        return pictures[: len(found)], np.array(found, np.int64)

    def _picture(self, frame: Any) -> Pictures:
        turned = self._scan.orientation
        width, height = self._width, self._height
        if turned.swap:
            width, height = height, width
        # Bilinear is what decord uses: both give the same pixels.
        stored = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BILINEAR", threads=1
        )
        return turned.apply(stored.to_ndarray())

    def _frame(self, wanted: int) -> Any:
        """Return the decoded frame shown from the tick `wanted` on, or None when it is lost."""
        frame = self._find(wanted)
        if frame is None and self._threads != 1:
            # Several threads lose good frames beside a broken one and mistake its time.
            self._threads = 1
            self._open()
            frame = self._find(wanted)
        if frame is None and self._key_of(wanted) not in self._broken_keys:
            if self._has_sought and not self._misses_are_real:
                # Lost, or hidden by the seek (intra refresh)? Decoding from the start tells.
                self._open()
                frame = self._forward(wanted)
                self._seeks_are_exact = frame is None
                self._misses_are_real = frame is None
            if frame is None:
                self._break(wanted, self._key_of(wanted), "a frame is missing")
        return frame

    def _find(self, wanted: int) -> Any:
        self._approach(wanted)
        return self._forward(wanted)

    def _key_of(self, ticks: int) -> int:
        """Return the ticks of the keyframe from which a frame is decoded."""
        keys = self._table.key_ticks
        place = int(np.searchsorted(keys, ticks, side="right")) - 1
        return int(keys[place]) if place >= 0 else BEFORE_ALL

    def _open(self) -> None:
        """Start over at the first packet."""
        if self._container is not None:
            self._container.close()
        self._container = open_container(self._scan.info.path)
        self._stream = self._container.streams[self._scan.info.stream]
        codec = self._stream.codec_context
        codec.thread_count = self._threads
        if self._threads != 1:
            codec.thread_type = "AUTO"
        self._has_sought = False
        self._begin(packets(self._container, self._stream), BEFORE_ALL)

    def _begin(self, source: Iterator[Any], passed: int) -> None:
        self._frames = self._decode(source)
        self._passed = passed  # frames up to this tick can be had by going back alone
        self._pending: tuple[int, Any] | None = None  # the first decoded frame after it
        self._key = BEFORE_ALL  # ticks of the last keyframe given to the decoder

    def _approach(self, wanted: int) -> None:
        """Go back if we are past `wanted`; skip ahead if a keyframe lies well before it."""
        table = self._table
        behind = wanted <= self._passed
        key = self._key_of(wanted)
        if not behind:
            if not self._may_skip or key <= self._key:
                return
            here, there = np.searchsorted(table.ticks, (self._passed, key))
            if there - here <= SEEK_WORTH:
                return
        if key == BEFORE_ALL or not self._seeks_are_exact:
            if behind:
                self._open()
            return
        passed = self._passed
        self._seek(int(np.searchsorted(table.key_ticks, key)))
        # An index that leads back to where we were would have us decode everything many times.
        self._may_skip = behind or self._passed > passed

    def _seek(self, place: int) -> None:
        """Continue at the keyframe `place` of the table, or at one before it."""
        import av

        table = self._table
        key = int(table.key_ticks[place])
        # Some containers are indexed by presentation time, some by decoding time.
        for target in (key, int(table.key_dts[place]), int(table.key_dts[max(place - 1, 0)])):
            try:
                self._container.seek(target, stream=self._stream)
            except av.FFmpegError:
                continue
            source = packets(self._container, self._stream)
            first = next((p for p in source if p.is_keyframe), None)
            if first is not None and self._is_keyframe_before(first, key):
                self._begin(chain((first,), source), first.pts - 1)
                self._has_sought = True
                return
        self._open()

    def _is_keyframe_before(self, packet: Any, key: int) -> bool:
        """Tell whether a packet is the keyframe at `key` or one before, with its own time.

        After seeking in program streams, FFmpeg gives frames the times of their neighbours.
        """
        if packet.pts is None or packet.pts > key:
            return False
        table = self._table
        place = int(np.searchsorted(table.key_ticks, packet.pts))
        return bool(table.key_ticks[place] == packet.pts and table.key_sizes[place] == packet.size)

    def _forward(self, wanted: int) -> Any:
        """Decode on to `wanted` and return its frame; None when a later one or the end comes."""
        while True:
            if self._pending is None:
                self._pending = next(self._frames, None)
            if self._pending is None:
                return None
            ticks, frame = self._pending
            if ticks >= wanted:  # kept: it may be asked for next
                return frame if ticks == wanted else None
            self._passed = max(self._passed, ticks)
            self._pending = None

    def _decode(self, source: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        """Yield the frames to be shown with their ticks; what fails is reported and left out."""
        import av

        by_dts = self._table.by_dts
        first_decoded = lag = None  # in ticks; known when by_dts
        ticks = BEFORE_ALL
        for packet in source:
            time = packet.dts if by_dts else packet.pts
            if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
                continue  # "nothing new to show", but the end of everything to a decoder
            if packet.is_keyframe and time is not None:
                self._key = time
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                if self._threads != 1:
                    return  # one thread will have to do
                if time is not None:
                    self._break(time, self._key, getattr(error, "strerror", None) or str(error))
                continue
            first_decoded = time if first_decoded is None else first_decoded
            for frame in frames:
                if not by_dts:
                    ticks = BEFORE_ALL if frame.pts is None else frame.pts
                elif frame.dts is None:  # what the flush brings out
                    ticks = self._next_listed(ticks)
                else:
                    # A decoder labels what comes out with the time of what last went in.
                    lag = frame.dts - first_decoded if lag is None else lag
                    ticks = frame.dts - lag
                if not self._is_listed(ticks):
                    continue  # it is not to be shown, or damage made its time up
                if frame.is_corrupt:
                    self._break(ticks, self._key_of(ticks), "damaged picture")
                yield ticks, frame

    def _next_listed(self, ticks: int) -> int:
        """Return the next tick at which a frame is shown, or one that no frame has."""
        listed = self._table.ticks
        place = int(np.searchsorted(listed, ticks, side="right"))
        return int(listed[place]) if place < len(listed) else int(listed[-1]) + 1

    def _is_listed(self, ticks: int) -> bool:
        listed = self._table.ticks
        place = int(np.searchsorted(listed, ticks))
        return place < len(listed) and bool(listed[place] == ticks)

    def _break(self, ticks: int, key: int, what: str) -> None:
        table = self._table
        if ticks > table.ticks[-1]:
            return  # the frame in which a truncated file ends; the probe has said so
        if key not in self._broken_keys:
            self._broken_keys.add(key)
            self._report(max(0.0, float((ticks - int(table.ticks[0])) * table.time_base)), what)
