"""A head's output in [0, 1] -> predictions in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from grounding.timeline import Floats, Ints, Timeline
from grounding.types import Moment, Prediction, Query
from models.records import GroundingOutput

CACHED = 1 << 17  # candidates looked at together: their numbers should stay in the cache


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logits -> probabilities, fitted on the validation split.

    Attributes:
        slope, offset: probability of absence = sigmoid(slope * logit + offset).
        threshold: at this probability and above, the answer is "there is no such moment".
        score_slope, score_offset: the same for the score of a moment, which becomes the probability
            that it is right; a slope of 0 leaves scores as the head gives them.
    """

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    score_slope: float = 0.0
    score_offset: float = 0.0

    def absent(self, logit: float) -> float:
        """Probability in [0, 1] that there is no such moment."""
        return _sigmoid(self.slope * logit + self.offset)

    def score(self, raw: float) -> float:
        """What a moment's score is shown as; the order of moments stays."""
        if self.score_slope == 0:
            return raw
        return _sigmoid(self.score_slope * raw + self.score_offset)

    def as_dict(self) -> dict[str, float]:
        """Plain numbers, for a file."""
        return asdict(self)


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def decode(
    output: GroundingOutput,
    queries: Sequence[Query],
    durations: Sequence[float],
    calibration: Calibration | None,
    *,
    overlap: float = 0.5,
    top: int = 5,
) -> list[Prediction]:
    """Spans and scores of Q queries -> one Prediction each; heads give them best first, and what is
    not is sorted here.

    Args:
        calibration: of absence; None = absence is not judged.
        durations: seconds of each query's recording, (Q,).
        overlap: a moment that overlaps a better one by more than this IoU is left out.
        top: at most so many moments.
    """
    spans, scores = output.spans.cpu().double().numpy(), output.scores.cpu().double().numpy()
    curve, absent = output.curve.cpu().double().numpy(), output.absent.cpu().double().numpy()
    if (scores[:, 1:] > scores[:, :-1]).any():
        order = np.argsort(-scores, axis=1, kind="stable")
        scores = np.take_along_axis(scores, order, 1)
        spans = np.take_along_axis(spans, order[..., None], 1)
    lines = [Timeline(duration, 1) for duration in durations]
    times = [line.to_seconds(s) for line, s in zip(lines, spans, strict=True)]
    seconds = np.array(times).reshape(spans.shape)  # also of no query at all
    kept = keep_best(seconds, scores, overlap, top)
    predictions = []
    for q, query in enumerate(queries):
        moments = tuple(
            Moment(
                float(seconds[q, i, 0]),
                float(seconds[q, i, 1]),
                calibration.score(float(scores[q, i])) if calibration else float(scores[q, i]),
            )
            for i in kept[q]
            if i >= 0
        )
        probability = calibration.absent(float(absent[q])) if calibration else None
        predictions.append(Prediction(query, moments, probability, tuple(curve[q].tolist())))
    return predictions


def keep_best(spans: Floats, scores: Floats, overlap: float, top: int) -> Ints:
    """Greedy suppression of what overlaps a better candidate, for many queries at once.

    Args:
        spans: (Q, N, 2) candidates of each query, best first.
        scores: (Q, N), falling; candidates whose score is not finite are none.
        overlap: a candidate is dropped where its IoU with a kept one is larger.
        top: keep so many.

    Returns:
        (Q, top) places of the kept, best first; -1 where fewer remain.
    """
    kept = np.full((len(scores), top), -1)
    step = max(CACHED // max(scores.shape[1], 1), 1)
    for first in range(0, len(scores), step):
        part = slice(first, first + step)
        _keep_best(spans[part], scores[part], overlap, kept[part])
    return kept


def _keep_best(spans: Floats, scores: Floats, overlap: float, kept: Ints) -> None:
    start, end = np.ascontiguousarray(spans[..., 0]), np.ascontiguousarray(spans[..., 1])
    length, rows = end - start, np.arange(len(scores))
    alive = np.isfinite(scores)
    for turn in range(kept.shape[1]):
        if not alive.any():
            return
        best = alive.argmax(1)
        found = alive[rows, best]
        kept[found, turn] = best[found]
        # as Moment.iou, number for number; of a query without a candidate left nothing is alive
        low, high = start[rows, best, None], end[rows, best, None]
        inter = np.maximum(np.minimum(end, high) - np.maximum(start, low), 0.0)
        union = length + (high - low) - inter
        iou = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
        alive &= iou <= overlap
        alive[rows, best] = False  # also where it is empty and overlaps not even itself
