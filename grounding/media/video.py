"""Video as frames with their true presentation times.

The frame returned for a time t is the one on screen at t. Callers give and get seconds; indices
and frame rates stay inside. A file is decoded by decord where that is exact, else by PyAV; the
probe decides before decord opens the file and the reason is logged.

Damaged files yield what decodes. `iter_frames` leaves out the samples whose frame is lost,
`frames_at` raises for them, and `VideoReader.problems` says where decoding broke. A picture that
the decoder patched up without an error cannot be told from a sound one, and decord patches more
than PyAV and says less: `strict` reading, which must notice, is done by PyAV.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput, UnreadableMedia
from grounding.media.decord_backend import DecordDecoder, DecordFailed
from grounding.media.probe import NO_DECORD, Scan, VideoInfo, has_decord, probe, scan
from grounding.media.pyav_backend import PyAVDecoder
from grounding.media.survey import Ints

__all__ = ["FrameBatch", "VideoInfo", "VideoReader", "open_video", "probe"]

# A file broken from end to end need not fill the memory with the news.
MOST_PROBLEMS = 100

logger = logging.getLogger(__name__)


class FrameBatch(NamedTuple):
    """N frames and when each of them starts to be shown."""

    frames: npt.NDArray[np.uint8]  # (N, H, W, 3) RGB, upright
    times: npt.NDArray[np.float64]  # (N,) presentation times in seconds


def open_video(
    path: str | os.PathLike[str],
    *,
    backend: Literal["auto", "decord", "pyav"] = "auto",
    short_side: int | None = None,
    threads: int = 1,
    strict: bool = False,
) -> VideoReader:
    """Open a video for reading frames at times.

    `short_side` scales pictures so that the shorter side has that many pixels; `threads` decode
    one file (0 = as many as there are cores); `strict` raises on the first problem instead of
    noting it.

    Raises:
        UnreadableMedia: the file cannot be read, or not by the backend asked for, or is damaged
            and `strict` is set.
        BadInput: the backend is unknown or not installed.
    """
    if backend not in ("auto", "decord", "pyav"):
        raise BadInput(f"backend {backend!r} is unknown; use 'auto', 'decord' or 'pyav'")
    if short_side is not None and short_side < 1:
        raise BadInput(f"short_side {short_side} must be at least 1 pixel")
    if threads < 0:
        raise BadInput(f"threads {threads} must be 0 (all cores) or more")
    if backend == "decord" and not has_decord():
        raise BadInput(f"{NO_DECORD}; use backend 'auto' or 'pyav'")
    return VideoReader(scan(path), backend, short_side, threads, strict)


def load_decoders() -> None:
    """Import what decoding needs, which otherwise happens with the first video."""
    import av

    if has_decord():
        import decord

        del decord
    del av


class VideoReader:
    """Reads frames of one video; use `open_video` to make one. Not to be shared by threads.

    Attributes: `info` (what the file is and which backend decodes it) and `problems` (what broke
    so far, with the time).
    """

    info: VideoInfo
    problems: list[str]

    def __init__(
        self,
        found: Scan,
        backend: Literal["auto", "decord", "pyav"],
        short_side: int | None,
        threads: int,
        strict: bool,
    ) -> None:
        self.info = found.info
        self.problems = []
        self._scan, self._table = found, found.table
        self._backend, self._threads, self._strict = backend, threads, strict
        self._size = _scaled(found.info.height, found.info.width, short_side)
        for line in found.damage:
            self._note(line)
        self._decoder: DecordDecoder | PyAVDecoder | None = self._choose()
        logger.info("%s: decoding with %s: %s", self.info.path, self.info.backend, self.info.reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; reading afterwards raises ValueError."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def timestamps(self) -> npt.NDArray[np.float64]:
        """Return the presentation times (N,) of every displayable frame, sorted, the first 0."""
        return self._table.seconds.copy()

    def frames_at(self, times: npt.ArrayLike) -> FrameBatch:
        """Return the frames on screen at the times (N,) in seconds, in the order asked.

        The times may be unsorted and repeat; before the first frame it is the first, after the
        end the last. All N pictures are held at once: use `iter_frames` for long videos.

        Raises:
            ValueError: a time is NaN.
            UnreadableMedia: the frame on screen at one of the times does not decode.
        """
        indices = self._table.at(times)
        wanted, places = np.unique(indices, return_inverse=True)
        pictures, found = self._read(wanted)
        if len(found) < len(wanted):
            lost = float(self._table.seconds[np.setdiff1d(wanted, found)[0]])
            why = f": {self.problems[-1]}" if self.problems else ""
            raise UnreadableMedia(self.info.path, f"no frame decodes at {lost:.2f} s{why}")
        if not np.array_equal(wanted, indices):
            pictures = pictures[places]
        return FrameBatch(pictures, self._table.seconds[indices])

    def iter_frames(
        self,
        *,
        rate: float | None = None,
        times: npt.ArrayLike | None = None,
        batch: int = 32,
    ) -> Iterator[FrameBatch]:
        """Yield batches of frames in time order; memory does not grow with the video's length.

        With `rate`, the frames on screen at k / rate seconds for every k with k / rate before the
        end; with `times`, those on screen at these times, sorted; with neither, every frame once.
        Samples whose frame does not decode are left out and noted in `problems`.

        Raises:
            ValueError: both `rate` and `times` are given, the rate is not positive and finite, a
                time is NaN, or the batch is smaller than 1.
        """
        if rate is not None and times is not None:
            raise ValueError("give rate or times, not both")
        if batch < 1:
            raise ValueError(f"a batch of {batch} frames: must be at least 1")
        if times is not None:
            indices = np.sort(self._table.at(times))
        elif rate is not None:
            if not (math.isfinite(rate) and rate > 0):
                raise ValueError(f"rate {rate} must be a positive number of frames per second")
            # A sample that falls on the end but for the rounding of floats is not before it.
            samples = math.ceil((self.info.duration - 1e-6) * rate)
            indices = self._table.at(np.arange(max(samples, 1)) / rate)
        else:
            indices = np.arange(len(self._table.ticks))
        return self._stream(indices, batch)

    def _stream(self, indices: Ints, batch: int) -> Iterator[FrameBatch]:
        for first in range(0, len(indices), batch):
            part = indices[first : first + batch]
            wanted = np.unique(part)
            pictures, found = self._read(wanted)
            if len(found) < len(wanted):
                part = part[np.isin(part, found)]
            if len(part) != len(found):
                pictures = pictures[np.searchsorted(found, part)]
            if len(part):
                yield FrameBatch(pictures, self._table.seconds[part])

    def _choose(self) -> DecordDecoder | PyAVDecoder:
        against = self._scan.against_decord
        if self._backend == "pyav":
            return self._use_pyav("asked for")
        if self._backend == "decord" and against is not None:
            raise UnreadableMedia(self.info.path, f"{against}; use backend 'auto' or 'pyav'")
        if against is not None:
            return self._use_pyav(against)
        if self._backend == "auto" and self._strict:
            return self._use_pyav("strict, and decord does not tell damaged pictures")
        try:
            decoder = DecordDecoder(self._scan, self._size, self._threads)
        except DecordFailed as failure:
            return self._instead_of_decord(f"decord cannot open it ({failure})")
        if self._backend == "decord":
            self.info = dataclasses.replace(self.info, reason="asked for")
        return decoder

    def _use_pyav(self, reason: str) -> PyAVDecoder:
        self.info = dataclasses.replace(self.info, backend="pyav", reason=reason)
        return PyAVDecoder(self._scan, self._size, self._threads, self._broke)

    def _instead_of_decord(self, why: str) -> PyAVDecoder:
        if self._backend == "decord":
            raise UnreadableMedia(self.info.path, f"{why}; use backend 'auto' or 'pyav'")
        return self._use_pyav(why)

    def _read(self, indices: Ints) -> tuple[npt.NDArray[np.uint8], Ints]:
        """Return the pictures of those frames that decode, and their indices."""
        if self._decoder is None:
            raise ValueError(f"{self.info.path}: the reader is closed")
        if len(indices) == 0:
            return np.empty((0, *self._size, 3), np.uint8), indices
        try:
            return self._decoder.read(indices)
        except DecordFailed as failure:
            since = float(self._table.seconds[indices[0]])
            why = f"decord stopped after {since:.2f} s ({failure})"
            self._decoder.close()
            self._decoder = self._instead_of_decord(why)
            self.problems.append(f"{why}; continued with PyAV")
            logger.info("%s: decoding with pyav: %s", self.info.path, why)
            return self._decoder.read(indices)

    def _broke(self, seconds: float, what: str) -> None:
        self._note(f"decoding breaks at {seconds:.2f} s of {self.info.duration:.2f} s: {what}")

    def _note(self, problem: str) -> None:
        if self._strict:
            raise UnreadableMedia(self.info.path, problem)
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        elif len(self.problems) == MOST_PROBLEMS:
            self.problems.append("... and further problems")


def _scaled(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return (height, width) in pixels with the shorter side as asked, the shape kept."""
    if short_side is None:
        return height, width
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
