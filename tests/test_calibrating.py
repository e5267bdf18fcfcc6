import numpy as np
import pytest

from grounding.answers import answers_of
from grounding.calibrating import calibrate
from grounding.decode import Calibration, decode
from grounding.metrics.calibration import reliability
from grounding.scoring import score, truth_of
from grounding.types import Moment, Prediction, Query, Sample
from models.records import GroundingOutput

torch = pytest.importorskip("torch")


def world(count, seed):
    """Answers that are right with a probability that grows with their score; a tenth is absent."""
    rng = np.random.default_rng(seed)
    samples, predictions = [], []
    for i in range(count):
        query, there = Query("a door opens", i, f"v{i}"), rng.random() > 0.1
        raw = rng.normal(2, 1.5)
        right = rng.random() < 1 / (1 + np.exp(-(2 * raw - 4)))
        samples.append(Sample(query, 20.0, (Moment(0, 10),) if there else ()))
        moment = Moment(0, 10, raw) if right else Moment(12, 15, raw)
        absent = float(np.clip(rng.normal(0.3 if there else 0.6, 0.1), 0.01, 0.99))
        predictions.append(Prediction(query, (moment, Moment(11, 12, raw - 1)), absent))
    return samples, predictions


def test_scores_of_other_queries_become_probabilities():
    found = calibrate(*reversed(world(2000, 0)))
    assert (found.score_slope, found.score_offset) == pytest.approx((2, -4), rel=0.15)
    samples, predictions = world(2000, 1)
    shown = [
        Prediction(
            p.query,
            tuple(Moment(m.start, m.end, found.score(m.score)) for m in p.moments),
            p.absent,
        )
        for p in predictions
    ]
    scored = score(answers_of(shown), truth_of(samples))
    assert reliability(scored.confidence, scored.right).error < 0.04


def test_one_half_parts_what_is_absent():
    samples, predictions = world(500, 2)
    found = calibrate(predictions, samples)
    said = [found.absent(np.log(p.absent / (1 - p.absent))) >= 0.5 for p in predictions]
    true = [not s.windows for s in samples]
    hits = sum(s and t for s, t in zip(said, true, strict=True))
    assert 2 * hits / (sum(said) + sum(true)) > 0.8


def test_decoding_shows_probabilities_in_the_same_order():
    spans = torch.tensor([[[0.0, 0.2], [0.4, 0.6], [0.7, 0.9]]])
    scores = torch.tensor([[-3.0, 9.0, 2.0]])
    output = GroundingOutput(spans, scores, torch.zeros(1, 4), torch.zeros(1))
    query = [Query("x", 0, "v")]
    (raw,) = decode(output, query, [10.0], None)
    (plain,) = decode(output, query, [10.0], Calibration())
    (shown,) = decode(output, query, [10.0], Calibration(score_slope=0.5, score_offset=-1.0))
    assert [m.score for m in raw.moments] == [m.score for m in plain.moments] == [9.0, 2.0, -3.0]
    assert [(m.start, m.end) for m in shown.moments] == [(m.start, m.end) for m in raw.moments]
    assert [m.score for m in shown.moments] == pytest.approx(
        [1 / (1 + np.exp(-(0.5 * r - 1))) for r in (9, 2, -3)]
    )
