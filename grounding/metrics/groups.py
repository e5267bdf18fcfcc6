"""Groups of queries: bins with edges a person would choose, and intervals of their means."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from grounding.metrics.retrieval import Floats, resampled
from grounding.timeline import Ints

_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600)
_WORDS = (5, 9, 13, 17, 25)
_SHARES = (5, 10, 20, 40, 70)  # percent
FIFTHS = ("first fifth", "second fifth", "middle fifth", "fourth fifth", "last fifth")


def bins(values: npt.ArrayLike, edges: npt.ArrayLike) -> Ints:
    """(Q,) values -> (Q,) the bin [edges[i], edges[i + 1]) each falls into; -1 for NaN and outside.

    The last bin holds its upper edge too.

    >>> bins([0.0, 5.0, 10.0, 11.0, np.nan], [0, 5, 10])
    array([ 0,  1,  1, -1, -1])
    """
    v, e = np.asarray(values, np.float64), np.asarray(edges, np.float64)
    index = np.searchsorted(e, v, side="right") - 1
    index = np.where(v == e[-1], len(e) - 2, index)
    outside = np.isnan(v) | (index < 0) | (index > len(e) - 2)
    return np.where(outside, -1, index).astype(np.int64)


def fitting_edges(values: npt.ArrayLike, ladder: Sequence[float], most: int = 6) -> list[float]:
    """The rungs of `ladder` that part (Q,) values into at most `most` bins, none of them empty.

    From 0 to infinity. Among too many, the emptiest bin joins the emptier of its neighbours. Fixed
    rungs instead of quantiles: the same bin means the same in another dataset.
    """
    v = np.asarray(values, np.float64)
    v = v[~np.isnan(v)]
    edges = [0.0, *ladder, np.inf]
    while len(edges) > 2:
        count = np.bincount(bins(v, edges)[bins(v, edges) >= 0], minlength=len(edges) - 1)
        least = int(count.argmin())
        if len(count) <= most and count[least] > 0:
            break
        sides = [i for i in (least - 1, least + 1) if 0 <= i < len(count)]
        other = min(sides, key=lambda i: (count[i], i))
        del edges[max(least, other)]
    return edges


def seconds_bins(length: Floats) -> tuple[list[str], Ints]:
    """(Q,) seconds -> labels and the bin of each, -1 for NaN; at most six bins."""
    edges = fitting_edges(length, _SECONDS)
    return _labels(edges, " s", "all lengths"), bins(length, edges)


def share_bins(share: Floats) -> tuple[list[str], Ints]:
    """(Q,) shares of the recording in [0, 1] -> labels and the bin of each, -1 for NaN."""
    percent = np.round(100 * share, 9)  # 0.07 is 7 percent, not 7.000000000000001
    edges = [0.0, *_SHARES, np.inf]
    return _labels(edges, " %", ""), bins(percent, edges)


def fifths(position: Floats) -> tuple[list[str], Ints]:
    """(Q,) positions in [0, 1] -> labels and the fifth of each, -1 for NaN."""
    return list(FIFTHS), bins(np.round(5 * position, 9), range(6))


def word_bins(words: Floats) -> tuple[list[str], Ints]:
    """(Q,) numbers of words -> labels and the bin of each, -1 for NaN."""
    edges = [1.0, *_WORDS, np.inf]
    labels = [f"{low:g}–{high - 1:g} words" for low, high in pairwise(edges)]
    return [*labels[:-1], f"{_WORDS[-1]} words and more"], bins(words, edges)


def occupied(labels: Sequence[str], group: Ints) -> tuple[list[str], Ints]:
    """The same grouping without its empty bins."""
    kept = np.unique(group[group >= 0])
    place = np.full(len(labels) + 1, -1, np.int64)  # the last one is for -1
    place[kept] = np.arange(len(kept))
    return [labels[i] for i in kept], place[group]


def _labels(edges: Sequence[float], unit: str, whole: str) -> list[str]:
    """Labels of bins from 0 to infinity."""
    if len(edges) == 2:
        return [whole]
    middle = [f"{low:g}–{high:g}{unit}" for low, high in pairwise(edges[1:-1])]
    return [f"under {edges[1]:g}{unit}", *middle, f"{edges[-2]:g}{unit} and more"]


def bootstrap_means(
    values: Floats, groups: npt.ArrayLike, *, rounds: int = 1000, seed: int = 0
) -> Floats:
    """95 % intervals of K means at once, drawing whole groups (recordings) with replacement.

    The draws are those of `retrieval.bootstrap`, so that one metric has one interval.

    Args:
        values: (K, Q), NaN where a query does not count.
        groups: (Q,) the recording of each query.

    Returns:
        (K, 2) low and high, in the unit of the values; NaN where fewer than two recordings count,
        because one recording says nothing about others.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    total = int(group.max()) + 1 if len(group) else 0
    intervals = np.full((len(values), 2), np.nan)
    if total < 2 or not len(values):
        return intervals
    counted = ~np.isnan(values)
    sums = np.stack([np.bincount(group, row, total) for row in np.where(counted, values, 0.0)], 1)
    sizes = np.stack([np.bincount(group, row, total) for row in counted.astype(np.float64)], 1)
    both = resampled(np.concatenate([sums, sizes], 1), rounds=rounds, seed=seed)
    with np.errstate(invalid="ignore"):
        means = both[:, : len(values)] / both[:, len(values) :]  # 0 / 0: none of them was drawn
    told = (sizes > 0).sum(0) >= 2
    drawn = means[:, told]
    if told.any():
        intervals[told] = np.nanpercentile(drawn, [2.5, 97.5], axis=0).T
    return intervals
