"""A head's output in [0, 1] -> predictions in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from grounding.timeline import Timeline
from grounding.types import Moment, Prediction, Query
from models.records import GroundingOutput


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
    """Spans and scores of Q queries -> one Prediction each.

    Args:
        calibration: of absence; None = absence is not judged.
        durations: seconds of each query's recording, (Q,).
        overlap: a moment that overlaps a better one by more than this IoU is left out.
        top: at most so many moments.
    """
    spans, scores = output.spans.cpu().double().numpy(), output.scores.cpu().double().numpy()
    curve, absent = output.curve.cpu().double().numpy(), output.absent.cpu().double().numpy()
    predictions = []
    for q, (query, duration) in enumerate(zip(queries, durations, strict=True)):
        seconds = Timeline(duration, 1).to_seconds(spans[q])
        moments: list[Moment] = []
        for i in np.argsort(-scores[q], kind="stable"):
            if len(moments) == top or not np.isfinite(scores[q, i]):
                break
            raw = float(scores[q, i])
            score = calibration.score(raw) if calibration else raw
            moment = Moment(float(seconds[i, 0]), float(seconds[i, 1]), score)
            if all(moment.iou(kept) <= overlap for kept in moments):
                moments.append(moment)
        probability = calibration.absent(float(absent[q])) if calibration else None
        predictions.append(Prediction(query, tuple(moments), probability, tuple(curve[q].tolist())))
    return predictions
