"""Whether a score means what it says: reliability bins, ECE, and scores made into probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.metrics.retrieval import Floats, resampled
from grounding.timeline import Ints

BINS = 10
_ROUNDS = 50
_FLATTEST = 1e-2  # least slope for scores of unit spread: the order of answers must stay


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers by how sure they were; B bins of equal width on [0, 1], the last one closed.

    Attributes:
        edges: (B + 1,).
        count: (B,) answers.
        confidence: (B,) their mean score; NaN in an empty bin.
        accuracy: (B,) share of them that are right; NaN in an empty bin.
    """

    edges: Floats
    count: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1] (Guo et al., ICML 2017); NaN without answers."""
        total = int(self.count.sum())
        if not total:
            return float("nan")
        gap = np.nan_to_num(np.abs(self.confidence - self.accuracy))
        return float((self.count * gap).sum() / total)


def is_probability(scores: npt.ArrayLike) -> bool:
    """Whether all scores lie in [0, 1]; cosines and logits do not, and have no ECE."""
    s = np.asarray(scores, np.float64)
    return bool(((s >= 0) & (s <= 1)).all())


def bin_of(confidence: npt.ArrayLike, bins: int = BINS) -> Ints:
    """(n,) scores in [0, 1] -> (n,) the bin of each; -1 for NaN and outside."""
    c = np.asarray(confidence, np.float64)
    inside = (c >= 0) & (c <= 1)
    place = np.minimum(np.where(inside, c, 0) * bins, bins - 1).astype(np.int64)
    return np.where(inside, place, -1)


def reliability(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = BINS) -> Reliability:
    """Sort answers into bins by confidence.

    Args:
        confidence: (n,) in [0, 1]; NaN does not count.
        right: (n,) booleans.
    """
    place = bin_of(confidence, bins)
    kept = place >= 0
    sums = _binned(place[kept], np.asarray(confidence, np.float64)[kept], bins)
    hits = _binned(place[kept], np.asarray(right, np.float64)[kept], bins)
    count = np.bincount(place[kept], minlength=bins).astype(np.int64)
    with np.errstate(invalid="ignore"):
        return Reliability(np.linspace(0, 1, bins + 1), count, sums / count, hits / count)


def error_interval(
    confidence: npt.ArrayLike,
    right: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    bins: int = BINS,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the calibration error, drawing whole groups (recordings).

    The gap of small bins is never negative, so the interval lies a little above the error itself.
    NaN where answers come from fewer than two recordings: one says nothing about others.
    """
    place, (_, group) = bin_of(confidence, bins), np.unique(groups, return_inverse=True)
    kept = place >= 0
    total = int(group.max()) + 1 if len(group) else 0
    sizes = np.bincount(group[kept], minlength=total).astype(np.float64)
    if (sizes > 0).sum() < 2:
        return float("nan"), float("nan")
    cell = group[kept] * bins + place[kept]
    gap = np.asarray(confidence, np.float64)[kept] - np.asarray(right, np.float64)[kept]
    gaps = _binned(cell, gap, total * bins).reshape(total, bins)
    drawn = resampled(np.column_stack([gaps, sizes]), rounds=rounds, seed=seed)
    size = drawn[:, -1]
    errors = np.abs(drawn[:, :-1]).sum(1)[size > 0] / size[size > 0]
    low, high = np.percentile(errors, [2.5, 97.5])
    return float(low), float(high)


def _binned(place: Ints, values: Floats, bins: int) -> Floats:
    return np.bincount(place, values, bins).astype(np.float64)


def fit_logistic(scores: npt.ArrayLike, right: npt.ArrayLike) -> tuple[float, float]:
    """Slope (1 / temperature) and offset, so that sigmoid(slope * score + offset) is the
    probability of being right (Platt's scaling), in the same order.

    Newton's method on the log-likelihood, with the targets drawn in as Platt does (1999, section
    2.2): a few answers that are all right do not make the next one certain. The slope is positive
    whatever the data say.

    Args:
        scores: (n,) any numbers; what is not finite does not count.
        right: (n,) booleans.

    Returns:
        slope, above 0, and offset; (1.0, 0.0) where no score counts.
    """
    s, r = np.asarray(scores, np.float64), np.asarray(right, bool)
    s, r = s[np.isfinite(s)], r[np.isfinite(s)]
    if not len(s):
        return 1.0, 0.0
    middle, spread = float(s.mean()), float(s.std()) or 1.0
    x = np.stack([(s - middle) / spread, np.ones_like(s)], 1)
    hits, misses = int(r.sum()), int((~r).sum())
    target = np.where(r, (hits + 1) / (hits + 2), 1 / (misses + 2))
    weights = np.array([0.0, np.log((hits + 1) / (misses + 1))])
    for _ in range(_ROUNDS):
        chance = _sigmoid(x @ weights)
        slope = x.T @ (chance - target)
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        weights = weights - np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-10:
            break
    steep = max(float(weights[0]), _FLATTEST)
    return steep / spread, float(weights[1]) - steep * middle / spread


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(z / 2)), np.float64)
