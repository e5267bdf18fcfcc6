"""Text to item and item to text: ranks, R@k, MedR, and the four protocols of TMR.

Everything works on one (N, N) similarity; besides it, a call holds blocks of at most 64 MB, and
the threshold protocol one (N, N) array of booleans. Source: TMR (ICCV 2023), its retrieval
protocols; figures per protocol are not comparable with each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.retrieval import Floats

KS = (1, 2, 3, 5, 10)
THRESHOLD = 0.95  # on (cosine + 1) / 2
BATCH = 32
_BLOCK = 8_000_000  # numbers compared at a time
Both = dict[str, dict[str, float]]  # direction -> metric -> value


def ranks(
    similarity: npt.ArrayLike,
    target: npt.ArrayLike | None = None,
    relevant: npt.ArrayLike | None = None,
) -> Floats:
    """Place of the right candidate for every query, from 0; ties averaged.

    Args:
        similarity: (N, M) scores of M candidates, any float type.
        target: (N,) the right candidate.
        relevant: instead, (N, M) booleans: the best of several right ones counts.

    Raises:
        BadInput: a score that is no number, a shape that does not fit, or a query without a right
            candidate.
    """
    s = np.asarray(similarity)
    if s.ndim != 2 or (target is None) == (relevant is None):
        raise BadInput(f"similarity has shape {s.shape}; pass (N, M), and target or relevant")
    right = None if relevant is None else np.asarray(relevant, bool)
    if right is not None and right.shape != s.shape:
        raise BadInput(f"relevant has shape {right.shape}, similarity {s.shape}; make them equal")
    place = None if target is None else np.asarray(target)
    if place is not None and (
        place.shape != s.shape[:1] or ((place < 0) | (place >= s.shape[1])).any()
    ):
        raise BadInput(f"target must be {len(s)} places below {s.shape[1]}, one per query")
    found = np.empty(len(s))
    step = max(_BLOCK // max(s.shape[1], 1), 1)
    for start in range(0, len(s), step):
        rows = np.ascontiguousarray(s[start : start + step])
        if np.isnan(rows).any():
            query = start + int(np.isnan(rows).any(1).argmax())
            raise BadInput(f"similarity: query {query} has a score that is no number")
        if place is not None:
            own = rows[np.arange(len(rows)), place[start : start + step]]
        else:
            assert right is not None
            own = np.where(right[start : start + step], rows, -np.inf).max(1)
            alone = ~right[start : start + step].any(1)
            if alone.any():
                raise BadInput(f"query {start + int(alone.argmax())} has no right candidate")
        above = np.count_nonzero(rows > own[:, None], axis=1)
        level = np.count_nonzero(rows == own[:, None], axis=1)
        found[start : start + step] = above + (level - 1) / 2
    return found


def recalls(places: Floats) -> dict[str, float]:
    """(N,) ranks from 0 -> R@1, 2, 3, 5, 10 in percent, and MedR, the median rank from 1.

    By chance, among M candidates: k / M, and (M + 1) / 2.

    >>> recalls(np.array([0.0, 1.0, 4.0]))["R@2"]
    66.66666666666667
    """
    if not len(places):
        return dict.fromkeys([*(f"R@{k}" for k in KS), "MedR"], float("nan"))
    found = {f"R@{k}": 100 * float((places < k).mean()) for k in KS}
    return {**found, "MedR": float(np.median(places)) + 1}


def both_ways(similarity: npt.ArrayLike, relevant: npt.ArrayLike | None = None) -> Both:
    """(N, N) text i with item j -> the metrics of `text-to-item` and `item-to-text`.

    Args:
        relevant: (N, N) symmetric booleans where others count as right too; the diagonal alone
            without it.

    Raises:
        BadInput: as `ranks`; a similarity that is not square.
    """
    s = np.asarray(similarity)
    if s.ndim != 2 or s.shape[0] != s.shape[1]:
        raise BadInput(f"similarity has shape {s.shape}; one text per item makes it square")
    own = np.arange(len(s)) if relevant is None else None
    return {
        "text-to-item": recalls(ranks(s, own, relevant)),
        "item-to-text": recalls(ranks(s.T, own, relevant)),
    }


def alike(sentences: npt.ArrayLike, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
    """(N, D) sentence vectors -> (N, N) whether two sentences mean the same.

    Cosine > 2 * threshold - 1: the threshold stands on a scale from 0 to 1. Every sentence is
    like itself.

    Raises:
        BadInput: a vector of length 0 or with NaN.
    """
    v = np.asarray(sentences, np.float64)
    length = np.linalg.norm(v, axis=1)
    if not (length > 0).all():
        raise BadInput(f"sentence vector {int((~(length > 0)).argmax())} has no direction")
    v = (v / length[:, None]).astype(np.float32)
    same = np.empty((len(v), len(v)), bool)
    step = max(_BLOCK // max(len(v), 1), 1)
    for start in range(0, len(v), step):
        same[start : start + step] = v[start : start + step] @ v.T > 2 * threshold - 1
    np.fill_diagonal(same, True)
    return same


def batches(ids: Sequence[str], size: int = BATCH) -> list[npt.NDArray[np.int64]]:
    """Places of the items of every batch: ids sorted, shuffled with seed 0, the rest dropped."""
    order = np.array(sorted(range(len(ids)), key=lambda i: ids[i]), np.int64)
    # the old generator: with it the batches are those of the published figures
    np.random.RandomState(0).shuffle(order)
    return [order[i : i + size] for i in range(0, len(order) - size + 1, size)]


def in_batches(similarity: npt.ArrayLike, ids: Sequence[str], size: int = BATCH) -> Both:
    """The mean over small batches of what each batch gives alone (so MedR may lie between ranks).

    Raises:
        BadInput: fewer items than one batch holds, or as `both_ways`.
    """
    s = np.asarray(similarity)
    if len(ids) != len(s) or len(ids) < size:
        raise BadInput(f"{len(ids)} ids for {len(s)} items; batches of {size} need {size} or more")
    each = [both_ways(s[np.ix_(chosen, chosen)]) for chosen in batches(ids, size)]
    return {
        way: {name: float(np.mean([one[way][name] for one in each])) for name in each[0][way]}
        for way in each[0]
    }


def protocols(
    similarity: npt.ArrayLike,
    *,
    sentences: npt.ArrayLike | None = None,
    ids: Sequence[str] | None = None,
    dissimilar: Sequence[int] | None = None,
) -> dict[str, Both]:
    """The protocols that the given arrays allow.

    Args:
        similarity: (N, N), text i with item j, any float type.
        sentences: (N, D) sentence vectors, for `threshold 0.95`.
        ids: (N) names of the items, for `batches of 32`.
        dissimilar: places of the items of the published list of unlike ones, for `dissimilar`.

    Raises:
        BadInput: as `both_ways`; a place outside the items.
    """
    s = np.asarray(similarity)
    found = {"all": both_ways(s)}
    if sentences is not None:
        found[f"threshold {THRESHOLD}"] = both_ways(s, alike(sentences))
    if dissimilar is not None:
        chosen = np.asarray(dissimilar, np.int64)
        if ((chosen < 0) | (chosen >= len(s))).any():
            raise BadInput(f"dissimilar names a place outside the {len(s)} items")
        found["dissimilar"] = both_ways(s[np.ix_(chosen, chosen)])
    if ids is not None:
        found[f"batches of {BATCH}"] = in_batches(s, ids)
    return found
