import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.calibration import (
    error_interval,
    fit_logistic,
    is_probability,
    reliability,
)


def test_it_finds_the_curve_that_made_the_answers():
    rng = np.random.default_rng(0)
    scores = rng.normal(3, 2, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * scores - 4)))
    assert fit_logistic(scores, right) == pytest.approx((1.5, -4), rel=0.05)


def test_the_mean_probability_is_the_share_of_right_answers():
    """Where the offset is free, the likelihood is largest there; Platt's targets move it little."""
    rng = np.random.default_rng(1)
    scores, right = rng.random(5000), rng.random(5000) < 0.3
    slope, offset = fit_logistic(scores, right)
    assert np.mean(1 / (1 + np.exp(-(slope * scores + offset)))) == pytest.approx(
        right.mean(), abs=2e-3
    )


def test_a_few_right_answers_do_not_make_the_next_one_certain():
    slope, offset = fit_logistic([0.9, 0.8, 0.95], [True, True, True])
    assert 0.6 < 1 / (1 + np.exp(-(slope * 0.9 + offset))) < 0.9


@given(st.lists(st.tuples(st.floats(-50, 50), st.booleans()), max_size=30))
def test_the_order_of_answers_stays(pairs):
    slope, offset = fit_logistic([s for s, _ in pairs], [r for _, r in pairs])
    assert slope > 0 and np.isfinite([slope, offset]).all()


def test_nothing_to_learn_from_changes_nothing():
    assert fit_logistic([], []) == (1.0, 0.0)
    assert fit_logistic([np.nan, np.inf], [True, False]) == (1.0, 0.0)


def plain_ece(confidence, right):
    total = 0.0
    for b in range(10):
        low, high = b / 10, (b + 1) / 10
        rows = [
            (c, r)
            for c, r in zip(confidence, right, strict=True)
            if low <= c < high or (b == 9 and c == 1)
        ]
        if rows:
            gap = sum(c for c, _ in rows) / len(rows) - sum(r for _, r in rows) / len(rows)
            total += len(rows) / len(confidence) * abs(gap)
    return total


def test_the_error_is_that_of_a_plain_loop():
    rng = np.random.default_rng(2)
    confidence = np.round(rng.random(500), 3) * 0.98 + 0.011
    right = rng.random(500) < confidence**2
    found = reliability(confidence, right)
    assert found.error == pytest.approx(plain_ece(confidence, right), abs=1e-12)
    assert found.count.sum() == 500


def test_bins_by_hand():
    found = reliability([0.0, 0.05, 0.95, 1.0, np.nan], [False, True, True, True, True])
    assert found.count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.confidence[[0, 9]] == pytest.approx([0.025, 0.975])
    assert found.accuracy[[0, 9]] == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx(0.5 * 0.475 + 0.5 * 0.025)
    assert np.isnan(reliability([], []).error)


def test_the_interval_holds_the_error_of_many_recordings():
    rng = np.random.default_rng(3)
    confidence = rng.random(4000)
    right = rng.random(4000) < np.clip(confidence - 0.2, 0, 1)
    low, high = error_interval(confidence, right, np.arange(4000) // 4)
    assert low < reliability(confidence, right).error < high < low + 0.06


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_cosines_and_logits_are_no_probabilities(scores):
    assert is_probability(scores) == all(0 <= s <= 1 for s in scores)
