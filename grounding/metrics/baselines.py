"""What a guess that never looks at the recording reaches, and what the clip grid allows at best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grounding.metrics.average_precision import precisions
from grounding.metrics.retrieval import Floats, iou, query_values

_ANSWERS = 200_000  # guesses that make a mean steady to a tenth of a point
_BLOCK = 10_000  # moments at a time
_STEPS = 20  # fixed spans are sought on twentieths of the duration


def means(values: dict[str, Floats]) -> dict[str, float]:
    """Per-query values -> percent over the queries that count; nothing where none does."""
    return {
        name: round(100 * float(np.nanmean(v)), 2)
        for name, v in values.items()
        if not np.isnan(v).all()
    }


def random_spans(
    truth: Floats, duration: Floats, rounds: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Two instants drawn uniformly, five such spans an answer; the mean of `rounds` draws.

    Without `rounds`, as many as give 200 000 answers, 100 at most: the cost does not grow with the
    number of queries beyond one draw. mAP is that of the first draw.

    Args:
        truth: (Q, M, 2) seconds, NaN = no window; `duration`: (Q,) seconds.
    """
    rng = np.random.default_rng(seed)
    draws = min(max(_ANSWERS // max(len(truth), 1), 1), 100) if rounds is None else rounds
    totals: dict[str, float] = {}
    precision: dict[str, float] = {}
    for draw in range(draws):
        spans = np.sort(rng.random((len(truth), 5, 2)), axis=-1) * duration[:, None, None]
        if draw == 0:
            precision = means(precisions(spans, truth))
        for name, value in means(query_values(spans, truth)).items():
            totals[name] = totals.get(name, 0.0) + value
    return {name: round(total / draws, 2) for name, total in totals.items()} | precision


def fixed(span: tuple[float, float], truth: Floats, duration: Floats) -> dict[str, float]:
    """The same share of every recording, always."""
    spans = np.asarray(span)[None, None, :] * duration[:, None, None]
    return means(query_values(np.broadcast_to(spans, (len(truth), 1, 2)), truth))


def fit_centre(relative: npt.ArrayLike) -> tuple[float, float]:
    """The span around the middle that is right most often: best R1@0.5 on (N, 2) moments in [0, 1].

    Equal ones are told apart by mIoU.
    """
    widths = np.arange(1, _STEPS + 1) / _STEPS
    spans = np.stack([0.5 - widths / 2, 0.5 + widths / 2], -1)
    overlap, right = _fit(spans, relative)
    best = int((right + 1e-6 * overlap).argmax())
    return float(spans[best, 0]), float(spans[best, 1])


def fit_span(relative: npt.ArrayLike) -> tuple[float, float]:
    """The span anywhere with the best mIoU on (N, 2) moments in [0, 1]."""
    first, last = np.triu_indices(_STEPS + 1, 1)
    spans = np.stack([first, last], -1) / _STEPS
    best = int(_fit(spans, relative)[0].argmax())
    return float(spans[best, 0]), float(spans[best, 1])


def _fit(spans: Floats, relative: npt.ArrayLike) -> tuple[Floats, Floats]:
    """(C, 2) spans on (N, 2) moments -> (C,) mean IoU and (C,) share with IoU 0.5 at least."""
    moments = np.asarray(relative, np.float64)
    overlap, right = np.zeros(len(spans)), np.zeros(len(spans))
    for start in range(0, len(moments), _BLOCK):
        found = iou(spans, moments[start : start + _BLOCK])  # (C, B)
        overlap += found.sum(1)
        right += (found >= 0.5).sum(1)
    return overlap / max(len(moments), 1), right / max(len(moments), 1)


def grid_ceiling(truth: Floats, duration: Floats, clips: int) -> dict[str, float]:
    """What the best moment made of whole clips reaches: rounding a true window's ends to the
    grid.
    """
    step = (duration / clips)[:, None]
    answers = []
    for window in range(truth.shape[1]):
        start, end = truth[:, window, 0][:, None] / step, truth[:, window, 1][:, None] / step
        low, high = np.concatenate([np.floor(start), np.ceil(start)], 1), None
        high = np.concatenate([np.floor(end), np.ceil(end)], 1)
        for i in range(2):
            for j in range(2):
                answers.append(np.stack([low[:, i], high[:, j]], -1) * step)
    spans = np.stack(answers, 1)  # (Q, 4 M, 2)
    best = iou(spans, truth).max(-1).argmax(1)
    return means(query_values(spans[np.arange(len(spans)), best][:, None], truth))


def candidate_ceiling(truth: Floats, duration: Floats, candidates: Floats) -> dict[str, float]:
    """What the best of a model's candidates reaches; `candidates` (P, 2) in [0, 1]."""
    best = np.empty((len(truth), 1, 2))
    for q, (windows, seconds) in enumerate(zip(truth, duration, strict=True)):
        spans = candidates * seconds
        best[q, 0] = spans[iou(spans, windows).max(-1).argmax()]
    return means(query_values(best, truth))
