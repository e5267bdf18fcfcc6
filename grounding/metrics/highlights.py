"""Highlight detection: which clips are worth seeing, judged by three people (QVHighlights).

Truth is binary at a person's score of 2 (Fair), 3 (Good) or 4 (VeryGood) and more, each person
alone; AP is the mean over people (evaluation.md, HL 7 and 8).

Q queries, L clips, A people, B levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from grounding.metrics.retrieval import Floats

Bools = npt.NDArray[np.bool_]

CLIP = 2.0  # seconds
LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}  # name -> least score of a highlight
_CHUNK = 4_000_000  # numbers in the largest array at a time


def clip_count(duration: float) -> int:
    """Clips of two seconds in a recording; the last one may be shorter."""
    return max(int(np.ceil(duration / CLIP - 1e-6)), 1)


def clip_scores(clips: int, ids: Sequence[int], scores: npt.ArrayLike) -> Floats:
    """(L, A) the people's scores of all clips, 0 where nobody gave one.

    Args:
        ids: the clips that have scores; those outside the recording are left out.
        scores: (len(ids), A).
    """
    given = np.asarray(scores, np.float64).reshape(len(ids), -1)
    full = np.zeros((clips, given.shape[1]))
    place = np.asarray(ids, np.int64)
    inside = (place >= 0) & (place < clips)
    full[place[inside]] = given[inside]
    return full


def highlight_values(
    saliency: Sequence[npt.ArrayLike], truth: Sequence[Floats]
) -> dict[str, Floats]:
    """`HL-Fair-mAP`, `HL-Fair-Hit1` and so on -> (Q,) per-query values in [0, 1].

    A list that is too long is cut (for Hit1, the reference still sees the tail); for AP, zeros are
    appended to one that is too short, as in the reference, and Hit1 looks at what is there.

    Args:
        saliency: per query, one score per clip; an empty list is all zeros.
        truth: per query, (L, A) the scores of its A people, one at least.
    """
    if len(saliency) != len(truth):
        raise ValueError(f"{len(saliency)} lists of saliency for {len(truth)} queries")
    queries = len(truth)
    values = {
        f"HL-{level}-{kind}": np.full(queries, np.nan)
        for level in LEVELS
        for kind in ("mAP", "Hit1")
    }
    if not queries:
        return values
    people = max(t.shape[1] for t in truth)
    least = np.array(list(LEVELS.values()), np.float64)
    clips = np.array([len(t) for t in truth], np.int64)
    order = np.argsort(clips, kind="stable")  # one long recording must not make all rows long
    start = 0
    while start < queries:
        most = 2 * int(clips[order[start]])
        alike = int(np.searchsorted(clips[order], most, side="right"))
        stop = min(alike, start + max(_CHUNK // (most * people * len(LEVELS)), 1))
        rows = order[start:stop]
        longest = int(clips[rows[-1]])
        scores = np.full((len(rows), longest), -np.inf)
        judged = np.full((len(rows), longest, people), -1.0)
        best = np.zeros(len(rows), np.int64)
        asked = np.array([truth[query].shape[1] for query in rows])[:, None]
        for row, query in enumerate(rows):
            given = np.asarray(saliency[query], np.float64)[: clips[query]]
            given = np.where(np.isfinite(given), given, -np.finfo(float).max)
            best[row] = given.argmax() if len(given) else 0
            scores[row, : clips[query]] = 0.0
            scores[row, : len(given)] = given
            judged[row, : clips[query], : asked[row, 0]] = truth[query]
        positive = np.greater_equal(judged[..., None], least)  # (Q, L, A, B)
        there = np.arange(longest) < clips[rows][:, None]
        # people who were not asked found nothing: their AP is 0 and does not count
        precision = _precision(scores, positive, there).sum(1) / asked  # (Q, B)
        hit = np.asarray(positive[np.arange(len(rows)), best].any(1))  # of any person
        for place, level in enumerate(LEVELS):
            values[f"HL-{level}-mAP"][rows] = precision[:, place]
            values[f"HL-{level}-Hit1"][rows] = hit[:, place]
        start = stop
    return values


def _precision(
    scores: Floats, positive: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_]
) -> Floats:
    """(Q, L) scores and (Q, L, A, B) truth -> (Q, A, B) AP.

    The mean, over the score levels at which recall grows, of the best precision at that level or a
    lower one. No positive gives 0, all positive gives 1.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, 1)
    hits = np.take_along_axis(positive, order[..., None, None], 1).cumsum(1)
    shown = np.take_along_axis(there, order, 1).cumsum(1)
    # equal scores are one level: it ends where the next score is another one
    ends = np.ones(ranked.shape, bool)
    ends[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    ends &= ranked > -np.inf
    level = np.asarray(ends[..., None, None])
    precision = np.where(level, hits / shown.clip(1)[..., None, None], 0.0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    before = np.zeros_like(hits)
    before[:, 1:] = np.maximum.accumulate(np.where(level, hits, 0), axis=1)[:, :-1]
    grows = np.asarray(level & (hits > before))
    count = grows.sum(1)
    return np.where(count > 0, np.where(grows, precision, 0.0).sum(1) / count.clip(1), 0.0)
