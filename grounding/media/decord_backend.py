"""Frames by decord, for files that `probe` has found safe for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.media.probe import Scan
from grounding.media.survey import Ints

# decord puts the nearest frame in the place of one that it cannot decode, and says nothing below
# a limit. A limit of (nearly) no frame makes it say so.
NO_SUBSTITUTES = 1e-9


# "[10:25:20] /source/file.cc:151: Check failed: a >= 0 (-1 vs. 0) " in front of what went wrong.
CPP_PLACES = re.compile(r"(\[[\d:]+\] \S+:\d+: )|(Check failed: .*\(\S+ vs\. \S+\) )|\[/.*?\]")


class DecordFailed(Exception):
    """decord cannot open the file, or stops inside it; PyAV may still read it."""


class DecordDecoder:
    """Decodes by index, in the order of the frame table.

    Raises:
        DecordFailed: decord cannot open the file, or lists other frames than the probe.
    """

    def __init__(self, scan: Scan, size: tuple[int, int], threads: int) -> None:
        height, width = size
        with _failures():
            import decord

            decord.logging.set_level(decord.logging.QUIET)
            self._reader: Any = decord.VideoReader(
                str(Path(scan.info.path).absolute()),  # "a:b.mp4" alone reads as an address
                width=width,
                height=height,
                num_threads=threads,
                fault_tol=NO_SUBSTITUTES,
            )
            listed = self._reader.get_frame_timestamp(np.arange(len(self._reader)))[:, 0]
        ours = scan.table.seconds
        # decord's times are 32-bit floats, from a demuxer many versions older.
        if len(listed) != len(ours) or not np.allclose(
            listed - listed[0], ours, rtol=1e-6, atol=2e-3
        ):
            raise DecordFailed("decord lists other frame times than the packets have")

    def close(self) -> None:
        self._reader = None

    def read(self, indices: Ints) -> tuple[npt.NDArray[np.uint8], Ints]:
        """Return the pictures (N, H, W, 3) and the indices (N,), all of them.

        `indices` must be sorted and free of duplicates.

        Raises:
            DecordFailed: a frame does not decode; decord then loses the whole call.
        """
        with _failures():
            pictures: npt.NDArray[np.uint8] = self._reader.get_batch(indices).asnumpy()
        return pictures, indices


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what decord raises into one line: its messages carry C++ paths and stack traces."""
    try:
        yield
    # DECORDLimitReachedError is no DECORDError, and a missing library is an OSError.
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        line = CPP_PLACES.sub("", line)
        if "recovered from nearest frames" in line:
            line = "it lost frames without an error, so earlier ones may be a few places off"
        raise DecordFailed(line) from error
