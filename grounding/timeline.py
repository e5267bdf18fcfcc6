"""`Timeline`: the only place where seconds meet clips and the unit interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A recording's duration cut into clips; intervals are half-open.

    With `step` None, `clips` equal parts: clip i covers [i, i + 1) * duration / clips. With a
    `step` (seconds),
    every clip is that long but the last, which ends with the recording (see `Timeline.every`).

    >>> Timeline(duration=30.0, clips=15).clip_of(2.0)
    array(1)

    Raises:
        ValueError: the duration is not positive and finite, or there is no clip, or `step` does
            not fit.
    """

    duration: float
    clips: int
    step: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise ValueError(f"duration {self.duration} s is not a positive number")
        if self.clips < 1:
            raise ValueError(f"{self.clips} clips: there must be at least one")
        if self.step is not None:
            if not (math.isfinite(self.step) and self.step > 0):
                raise ValueError(f"clip length {self.step} s is not a positive number")
            if (
                self.step * (self.clips - 1) >= self.duration
                or self.step * self.clips < self.duration
            ):
                raise ValueError(
                    f"{self.clips} clips of {self.step} s do not fit {self.duration} s"
                )

    @classmethod
    def every(cls, duration: float, step: float) -> Timeline:
        """Clips of `step` seconds; the last one is short where the duration is no multiple.

        >>> Timeline.every(30.744, 2.0).clips
        16
        """
        if not (math.isfinite(duration) and duration > 0 and math.isfinite(step) and step > 0):
            raise ValueError(
                f"duration {duration} s and clip length {step} s must be positive numbers"
            )
        clips = max(math.ceil(duration / step), 1)
        while step * (clips - 1) >= duration:  # rounding in the division
            clips -= 1
        while step * clips < duration:
            clips += 1
        return cls(duration, clips, step)

    @property
    def edges(self) -> Floats:
        """(clips + 1,) boundaries in seconds; the first is 0 and the last is the duration,
        exactly.
        """
        index = np.arange(self.clips + 1, dtype=np.float64)
        edges = index * self.step if self.step is not None else index * self.duration / self.clips
        edges[-1] = self.duration
        return edges

    def to_seconds(self, spans: npt.ArrayLike) -> Floats:
        """[0, 1] -> seconds, any shape; values outside are brought to the nearest end."""
        return np.clip(np.asarray(spans, np.float64), 0.0, 1.0) * self.duration

    def to_unit(self, seconds: npt.ArrayLike) -> Floats:
        """Seconds -> [0, 1], any shape; times outside the recording are brought to the nearest
        end.
        """
        return np.clip(np.asarray(seconds, np.float64) / self.duration, 0.0, 1.0)

    def clip_of(self, seconds: npt.ArrayLike) -> Ints:
        """The clip that contains each instant; the end of the recording (and beyond) belongs to
        the last.

        Raises:
            ValueError: an instant is NaN.
        """
        times = np.asarray(seconds, np.float64)
        if np.isnan(times).any():
            raise ValueError("an instant is NaN")
        index = np.searchsorted(self.edges, times, side="right") - 1
        return np.clip(index, 0, self.clips - 1).astype(np.int64)

    def clip_range(self, start: float, end: float) -> tuple[int, int]:
        """First and last clip (inclusive) that share time with [start, end); one clip for an empty
        interval.
        """
        first = int(self.clip_of(start))
        edges = self.edges
        last = int(np.searchsorted(edges, end, side="left")) - 1
        return first, min(max(last, first), self.clips - 1)

    def cells_to_seconds(self, cells: npt.ArrayLike) -> Floats:
        """(..., 2) first and last clip, inclusive -> (..., 2) start and end in seconds.

        Raises:
            ValueError: an index is outside the clips or the last clip lies before the first.
        """
        index = np.asarray(cells, np.int64)
        first, last = index[..., 0], index[..., 1]
        if index.size and (first.min() < 0 or last.max() >= self.clips or (first > last).any()):
            raise ValueError(f"a cell is outside the {self.clips} clips or ends before it starts")
        edges = self.edges
        return np.stack([edges[first], edges[last + 1]], axis=-1)
