"""Platt's scaling: a score of any kind -> the probability of being right, in the same order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grounding.metrics.retrieval import Floats

_ROUNDS = 50
_FLATTEST = 1e-2  # least slope for scores of unit spread: the order of answers must stay


def fit_logistic(scores: npt.ArrayLike, right: npt.ArrayLike) -> tuple[float, float]:
    """Slope and offset, so that sigmoid(slope * score + offset) is the probability of being right.

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
