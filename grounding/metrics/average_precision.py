"""Average precision of lists of moments, as the QVHighlights evaluator has it.

AP is computed for each query and then averaged over queries (evaluation.md, MR 3 and 4): greedy
matching by score, interpolated precision, ten predictions at most, as many true windows as there
are. All queries and thresholds go at once.

Q queries, P predictions, M true windows, T thresholds.
"""

from __future__ import annotations

import numpy as np

from grounding.metrics.retrieval import Floats, blocks, iou

KEPT = 10  # predictions of a query that count
THRESHOLDS: tuple[float, ...] = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
# name -> (above, up to and including) seconds of a true window; the last edge is QVHighlights' own,
# other code has 1500 or infinity there
LENGTHS: dict[str, tuple[float, float]] = {
    "short": (0.0, 10.0),
    "middle": (10.0, 30.0),
    "long": (30.0, 150.0),
}


def average_precision(
    predicted: Floats, truth: Floats, thresholds: tuple[float, ...] = THRESHOLDS
) -> Floats:
    """(Q, T) AP of every query in [0, 1]; NaN where there is no true window, 0 without predictions.

    Args:
        predicted: (Q, P, 2 or more) seconds, best first, NaN = no prediction; the first ten count.
        truth: (Q, M, 2) seconds, NaN = no window.
    """
    spans = predicted[:, :KEPT, :2]
    found = np.full((len(spans), len(thresholds)), np.nan)
    for rows, windows in blocks(truth, spans.shape[1] + len(thresholds)):
        found[rows] = _precision(spans[rows], windows, np.asarray(thresholds))
    return found


def precisions(predicted: Floats, truth: Floats) -> dict[str, Floats]:
    """`mAP`, `mAP@0.5`, `mAP@0.75` and, where there are such windows, `mAP-short` and so on ->
    (Q,) per-query values; arguments as above.
    """
    found = average_precision(predicted, truth)
    named = {f"mAP@{t}": found[:, THRESHOLDS.index(t)] for t in (0.5, 0.75)}
    for name, edges in LENGTHS.items():
        bound = of_length(truth, *edges)
        if not np.isnan(bound).all():
            named[f"mAP-{name}"] = average_precision(predicted, bound).mean(1)
    return {"mAP": found.mean(1), **named}


def of_length(truth: Floats, above: float, up_to: float) -> Floats:
    """(Q, M, 2) with the windows of other lengths left out (NaN); predictions are never left out.

    So the truth fed back as prediction does not reach 100: right windows of other lengths count as
    false positives.
    """
    length = truth[..., 1] - truth[..., 0]
    with np.errstate(invalid="ignore"):
        kept = (length > above) & (length <= up_to)
    return np.where(kept[..., None], truth, np.nan)


def _precision(spans: Floats, truth: Floats, thresholds: Floats) -> Floats:
    queries, places, moments = len(spans), spans.shape[1], truth.shape[1]
    windows = (~np.isnan(truth[..., 0])).sum(1)
    given = ~np.isnan(spans[..., 0])
    overlap = iou(spans, truth)  # (Q, P, M); 0 where either is missing
    hits = np.zeros((queries, places, len(thresholds)), bool)
    free = np.ones((queries, len(thresholds), moments), bool)
    rows, columns = np.arange(queries)[:, None], np.arange(len(thresholds))
    for place in range(places):
        left = np.where(free, overlap[:, place, None], -1.0)  # (Q, T, M)
        best = left.argmax(-1)
        hit = left[rows, columns, best] >= thresholds
        hits[:, place] = hit
        free[rows, columns, best] &= ~hit
    found = hits.cumsum(1)
    precision = found / given.cumsum(1).clip(1)[..., None]
    # the best precision at this recall or a higher one
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = np.where(hits, precision, 0.0).sum(1) / windows.clip(1)[:, None]
    return np.where(windows[:, None] > 0, area, np.nan)
