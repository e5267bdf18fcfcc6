"""What a head says -> probabilities, learned on the validation split."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grounding.answers import answers_of
from grounding.decode import Calibration
from grounding.metrics.calibration import fit_logistic
from grounding.metrics.retrieval import best_threshold
from grounding.scoring import score, truth_of
from grounding.types import Prediction, Sample


def calibrate(predictions: Sequence[Prediction], samples: Sequence[Sample]) -> Calibration:
    """Fit both probabilities on `val`.

    Absence: its logit is shifted so that one half is the threshold with the best F1. Scores:
    Platt's scaling, so that a score is the probability that a first answer with this score is
    right (IoU 0.5); the order of a query's moments stays.

    Args:
        predictions: one per sample, not calibrated: `absent` is the sigmoid of the logit, scores
            are as the head gives them.
    """
    chances = [p.absent or 0.0 for p in predictions]
    logits = [math.log(max(p, 1e-12) / max(1 - p, 1e-12)) for p in chances]
    truth = truth_of(samples)
    told = [i for i, known in enumerate(truth.told) if known]
    threshold = best_threshold([logits[i] for i in told], truth.absent[told].tolist())
    scored = score(answers_of(predictions), truth)
    asked = [bool(s.windows) for s in samples]
    slope, offset = fit_logistic(scored.predicted[asked, 0, 2], scored.right[asked])
    return Calibration(1.0, -threshold, score_slope=slope, score_offset=offset)
