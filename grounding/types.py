"""The four values everything passes through: `Moment`, `Query`, `Sample`, `Prediction`.

Frozen and validated at the door, so that the code behind it need not check again. Times are
seconds; intervals are half-open, [start, end).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

NEEDS = ("sight", "sound", "both", "motion")


def _finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; it must be a finite number of seconds")


@dataclass(frozen=True, slots=True)
class Moment:
    """[start, end) in seconds with a score.

    Raises:
        ValueError: a time is not finite or negative, the end lies before the start, or the score
            is NaN.
    """

    start: float
    end: float
    score: float = 1.0

    def __post_init__(self) -> None:
        if 0 <= self.start <= self.end < math.inf and self.score == self.score:
            return  # files hold a million of them
        _finite("start", self.start)
        _finite("end", self.end)
        if self.start < 0:
            raise ValueError(f"start {self.start} s is negative")
        if self.end < self.start:
            raise ValueError(f"end {self.end} s is before start {self.start} s")
        if math.isnan(self.score):
            raise ValueError("score is NaN")

    @property
    def length(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def iou(self, other: Moment) -> float:
        """Intersection over union in time, in [0, 1]; 0 when both are empty.

        >>> Moment(0, 10).iou(Moment(5, 15))
        0.3333333333333333
        """
        inter = min(self.end, other.end) - max(self.start, other.start)
        union = self.length + other.length - max(inter, 0.0)
        return max(inter, 0.0) / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Query:
    """One sentence, asked of one recording (`vid`), or of every recording when `vid` is None.

    Raises:
        ValueError: the sentence is empty.
    """

    text: str
    qid: int | str
    vid: str | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError(f"query {self.qid!r} has no text")


@dataclass(frozen=True, slots=True)
class Sample:
    """One annotated query: a line of a dataset's annotation file.

    Attributes:
        query: the sentence; its `vid` is set.
        duration: length of the recording, seconds.
        windows: the true moments; empty = what is asked for is not there.
        glance: one instant inside a true moment, seconds; None where nobody looked.
        needs: "sight", "sound", "both" or "motion"; None where unknown.
        saliency: scores per relevant clip as the file has them; None where there are none.
        extra: every other key of the line, kept for a round trip.

    Raises:
        ValueError: no `vid`, a duration that is not positive, or an unknown `needs`.
    """

    query: Query
    duration: float
    windows: tuple[Moment, ...] = ()
    glance: float | None = None
    needs: str | None = None
    saliency: tuple[Any, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.query.vid is None:
            raise ValueError(f"query {self.query.qid!r} names no recording (vid)")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise ValueError(f"duration {self.duration} s is not a positive number")
        if self.glance is not None:
            _finite("glance", self.glance)
        if self.needs is not None and self.needs not in NEEDS:
            raise ValueError(f"needs {self.needs!r} is none of {', '.join(NEEDS)}")

    @property
    def vid(self) -> str:
        """Name of the recording."""
        assert self.query.vid is not None
        return self.query.vid

    @property
    def qid(self) -> int | str:
        """Identity of the query."""
        return self.query.qid


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one query: moments, best first.

    Attributes:
        query: what was asked.
        moments: best first, by score.
        absent: probability that there is no such moment, in [0, 1]; None where the model does not
            say.
        saliency: one score per clip, in time order; empty where the model gives none.

    Raises:
        ValueError: the moments are not sorted by score, or `absent` is outside [0, 1].
    """

    query: Query
    moments: tuple[Moment, ...] = ()
    absent: float | None = None
    saliency: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        scores = [m.score for m in self.moments]
        if any(a < b for a, b in pairwise(scores)):
            raise ValueError(
                f"query {self.query.qid!r}: moments are not sorted by score, best first"
            )
        if self.absent is not None and not 0 <= self.absent <= 1:
            raise ValueError(f"query {self.query.qid!r}: absent {self.absent} is not a probability")
