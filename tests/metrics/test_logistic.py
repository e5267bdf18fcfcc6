import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.logistic import fit_logistic


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
