"""Moment retrieval: R@k, mIoU, absence. Arrays in, numbers out; percent everywhere."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_KEPT = 4_000_000  # drawn counts: 32 MB
_CHUNK = 1_000_000  # pairs of a moment and a true window at a time
RECALLS = ((1, 0.3), (1, 0.5), (1, 0.7), (5, 0.5))
_FIRST = max(k for k, _ in RECALLS)


def pad_windows(windows: Sequence[Sequence[Sequence[float]]], fields: int = 2) -> Floats:
    """Lists of windows of unequal length -> (Q, N, fields), NaN where there is none."""
    longest = max((len(w) for w in windows), default=0)
    padded = np.full((len(windows), max(longest, 1), fields), np.nan)
    for q, rows in enumerate(windows):
        if len(rows):
            padded[q, : len(rows)] = np.asarray(rows, np.float64)[:, :fields]
    return padded


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """(..., N, 2) and (..., M, 2) -> (..., N, M) intersection over union; 0 where either is NaN or
    empty.

    >>> iou([[0.0, 10.0]], [[5.0, 15.0]])
    array([[0.33333333]])
    """
    x, y = np.asarray(a, np.float64)[..., :, None, :], np.asarray(b, np.float64)[..., None, :, :]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        inter = np.minimum(x[..., 1], y[..., 1]) - np.maximum(x[..., 0], y[..., 0])
        inter = np.maximum(inter, 0)
        union = (x[..., 1] - x[..., 0]) + (y[..., 1] - y[..., 0]) - inter
        ratio = np.where(union > 0, inter / union, 0.0)
    return np.nan_to_num(ratio, nan=0.0)


def blocks(truth: Floats, each: int) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
    """Queries with about equally many true windows, a block of them at a time.

    One query with many windows makes the array of all wide; blocks keep what that costs with it.

    Args:
        truth: (Q, M, 2) seconds, NaN = no window.
        each: numbers that one true window needs while it is worked on.

    Yields:
        (B,) rows and their (B, M', 2) windows, M' <= M; every row once.
    """
    there = ~np.isnan(truth[..., 0])
    count = np.where(there, np.arange(1, truth.shape[1] + 1), 0).max(1, initial=0)
    order = np.argsort(count, kind="stable")
    start = 0
    while start < len(order):
        # no more than twice the windows of the least, and no more numbers than fit
        most = max(2 * int(count[order[start]]), 1)
        alike = int(np.searchsorted(count[order], most, side="right"))
        stop = min(alike, start + max(_CHUNK // (each * most), 1))
        rows = order[start:stop].astype(np.int64)
        yield rows, truth[rows, : max(int(count[rows[-1]]), 1)]
        start = stop


def query_values(predicted: Floats, truth: Floats) -> dict[str, Floats]:
    """Per-query values of every retrieval metric, (Q,) in [0, 1]; NaN where there is no true
    window.

    Args:
        predicted: (Q, P, 2 or more) seconds, best first, NaN = no prediction.
        truth: (Q, M, 2) seconds, NaN = no window.
    """
    spans = predicted[:, :_FIRST, :2]
    best = np.zeros(spans.shape[:2])  # each prediction with its best true window
    for rows, windows in blocks(truth, spans.shape[1]):
        best[rows] = iou(spans[rows], windows).max(-1)
    asked = ~np.isnan(truth[..., 0]).all(-1)
    values = {
        f"R{k}@{least}": (best[:, :k] >= least).any(-1).astype(np.float64) for k, least in RECALLS
    }
    values["mIoU"] = best[:, 0]
    return {name: np.where(asked, value, np.nan) for name, value in values.items()}


def absence_counts(said: npt.ArrayLike, true: npt.ArrayLike) -> Floats:
    """(Q,) booleans "there is no such moment" -> (Q, 3) true positives, false positives, misses."""
    s, t = np.asarray(said, bool), np.asarray(true, bool)
    return np.stack([s & t, s & ~t, ~s & t], -1).astype(np.float64)


def f1(counts: Floats) -> Floats:
    """(..., 3) true positives, false positives, misses -> F1 in [0, 1]; 0 where there is nothing
    to find.
    """
    hits, wrong, missed = np.moveaxis(counts, -1, 0)
    bottom = 2 * hits + wrong + missed
    return np.where(bottom > 0, 2 * hits / np.maximum(bottom, 1e-12), 0.0)


def precision_recall(counts: Floats) -> tuple[float, float]:
    """(3,) true positives, false positives, misses -> precision and recall in [0, 1]; 0 where
    nothing was said or nothing is to be found.
    """
    hits, wrong, missed = map(float, counts)
    return hits / max(hits + wrong, 1), hits / max(hits + missed, 1)


def best_threshold(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The threshold on (Q,) scores at and above which calling "positive" gives the best F1.

    Half way to the next score, so that it is not tied to one query; above all scores when nothing
    is positive.
    """
    s, p = np.asarray(scores, np.float64), np.asarray(positive, bool)
    order = np.argsort(-s, kind="stable")
    s, p = s[order], p[order]
    if not p.any():
        return float(s[0]) + 1.0 if len(s) else 0.0
    hits = np.cumsum(p)
    value = 2 * hits / (np.arange(1, len(s) + 1) + p.sum())
    value[:-1][s[:-1] == s[1:]] = -1  # a threshold cannot part equal scores
    cut = int(value.argmax())
    return float((s[cut] + s[cut + 1]) / 2) if cut + 1 < len(s) else float(s[cut]) - 1.0


def resampled(sums: Floats, *, rounds: int = 1000, seed: int = 0) -> Floats:
    """(G, C) sums of each of G groups -> (rounds, C) sums of G groups drawn with replacement.

    The same draws whenever G is the same, so that a metric has one interval wherever it is shown.
    """
    total = len(sums)
    if total * rounds <= _KEPT:
        return np.asarray(_kept(total, rounds, seed) @ sums, np.float64)
    # the same law as multinomial, which draws a number for each group and takes ten times as long;
    # a block at a time, because all draws of many groups are gigabytes
    rng = np.random.default_rng(seed)
    found = np.empty((rounds, sums.shape[1]))
    for start in range(0, rounds, step := max(_KEPT // total, 1)):
        size = min(step, rounds - start)
        draws = np.empty((size, total))
        for row in draws:
            row[:] = np.bincount(rng.integers(0, total, total), minlength=total)
        found[start : start + size] = draws @ sums
    return found


@functools.lru_cache(maxsize=2)
def _kept(total: int, rounds: int, seed: int) -> Floats:
    """(rounds, total) how often each group is drawn; a report asks for the same ones again."""
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(total, np.full(total, 1 / total), size=rounds).astype(np.float64)
    draws.flags.writeable = False
    return draws


def bootstrap(
    values: Mapping[str, Floats],
    counts: Floats,
    groups: npt.ArrayLike,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % intervals in percent, drawing whole groups (recordings) with replacement.

    There is none where fewer than two recordings count: one says nothing about others.

    Args:
        values: metric -> (Q,) per-query values, NaN where a query does not count.
        counts: (Q, 3) absence counts, for `absent-F1`.
        groups: (Q,) the recording of each query.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    total = int(group.max()) + 1 if len(group) else 0
    told, columns = [], []
    for name, value in values.items():
        counted = ~np.isnan(value)
        sizes = np.bincount(group, counted, total)
        if (sizes > 0).sum() > 1:
            told.append(name)
            columns += [np.bincount(group, np.where(counted, value, 0), total), sizes]
    found = [np.bincount(group, counts[:, i], total) for i in range(3)]
    if (np.sum(found, 0) > 0).sum() > 1 and (counts[:, 0] + counts[:, 2]).any():
        told.append("absent-F1")
        columns += found
    if not told:
        return {}
    drawn = resampled(np.stack(columns, 1), rounds=rounds, seed=seed)
    intervals = {}
    for place, name in enumerate(told):
        if name == "absent-F1":
            intervals[name] = _interval(f1(drawn[:, -3:]))
        else:
            top, size = drawn[:, 2 * place], drawn[:, 2 * place + 1]
            intervals[name] = _interval(top[size > 0] / size[size > 0])
    return intervals


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = np.percentile(draws, [2.5, 97.5])
    return round(100 * float(low), 2), round(100 * float(high), 2)
