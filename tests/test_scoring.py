"""Every metric's value for every query, and what is odd about either file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.answers import answers_of
from grounding.scoring import score, truth_of
from grounding.types import Moment, Prediction, Query, Sample


def sample(qid, *windows, seconds=30.0, **more):
    moments = tuple(Moment(*w) for w in windows)
    return Sample(Query("a door opens", qid, f"v{qid}"), seconds, moments, **more)


def answer(qid, *moments, **more):
    return Prediction(Query("x", qid, f"v{qid}"), tuple(Moment(*m) for m in moments), **more)


def judged(ids, scores, **more):
    return sample(0, (0, 10), saliency=tuple(scores), extra={"relevant_clip_ids": ids}, **more)


def kinds(findings):
    return {f.kind.partition(":")[0]: (f.count, f.example) for f in findings}


def test_what_a_file_says_of_moments():
    silent = sample(0, extra={"relevant_windows": None})
    truth = truth_of([silent, sample(1), sample(2, (0, 10))])
    assert truth.told.tolist() == [False, True, True]
    assert truth.absent.tolist() == [False, True, False]


def test_odd_windows_of_the_truth_are_counted():
    truth = truth_of([sample(0, (5, 5)), sample(1, (0, 30.04)), sample(2, (0, 31)), sample(3)])
    assert kinds(truth.findings) == {
        "true window without length": (1, 0),
        "true window ends after the recording": (1, 2),  # a rounded end is none
    }


@pytest.mark.parametrize(
    ("ids", "scores"),
    [
        ([0], [[4, 4], [1, 1]]),
        ([0, 1], [[4, 4], [1]]),
        ([0], [4]),
        ([0], [[]]),
        ([0], [[[4]]]),
        ([0], [["4"]]),
        ([0], [[True]]),
        ([0], [[float("nan")]]),
        ([0], [[1e300]]),
        ([0], [{"a": 4}]),
        (["0"], [[4]]),
        ([0.5], [[4]]),
        ([None], [[4]]),
        ([[0]], [[4]]),
        ([10**30], [[4]]),
        ("0", [[4]]),
    ],
)
def test_highlights_that_cannot_be_used_are_counted_not_guessed(ids, scores):
    truth = truth_of([judged(ids, scores)])
    assert truth.judged == (None,)
    assert kinds(truth.findings) == {"saliency of the truth does not fit its clips": (1, 0)}


def test_a_recording_of_years_has_no_highlights():
    assert truth_of([judged([0], [[4]], seconds=1e12)]).judged == (None,)
    (scores,) = truth_of([judged([1, 99], [[4, 3], [2, 2]], seconds=5.0)]).judged
    assert scores.tolist() == [[0, 0], [4, 3], [0, 0]]  # a clip behind the end is left out


def test_confidence_and_right_by_hand():
    samples = [sample(0, (0, 10)), sample(1, (0, 10)), sample(2), sample(3, (0, 10))]
    given_ = [
        answer(0, (0, 5, 0.9), (0, 10, 0.1)),
        answer(1, (6, 10, 0.6)),
        answer(2, (0, 10, 0.5)),
    ]
    scored = score(answers_of(given_), truth_of(samples))
    # nothing is to be found for the third, nothing was answered for the last
    np.testing.assert_array_equal(scored.confidence, [0.9, 0.6, np.nan, np.nan])
    assert scored.right.tolist() == [True, False, False, False]
    assert kinds(scored.findings) == {"no prediction for a query": (1, 3)}


def test_one_list_without_scores_does_not_cost_the_others_their_calibration():
    answers = answers_of([answer(0, (0, 10, 0.9)), answer(1, (0, 10, -np.inf))])
    scored = score(answers, truth_of([sample(0, (0, 10)), sample(1, (0, 10))]))
    np.testing.assert_array_equal(scored.confidence, [0.9, np.nan])
    assert scored.findings == ()


def test_a_prediction_may_end_a_rounding_after_its_recording():
    answers = answers_of([answer(0, (0, 30.04, 0.9)), answer(1, (0, 30.06, 0.9))])
    scored = score(answers, truth_of([sample(0, (0, 10)), sample(1, (0, 10))]))
    assert kinds(scored.findings) == {"prediction ends past the end of the recording": (1, 1)}


times = st.integers(0, 240).map(lambda n: n / 8)
moments = st.lists(st.tuples(times, times, st.sampled_from((0.2, 0.5, 0.9))), max_size=12)


@given(moments, st.lists(st.tuples(times, times), max_size=3))
def test_values_are_shares_and_a_worse_prediction_below_never_raises_r1(predicted, windows):
    ordered = sorted(((min(a, b), max(a, b), s) for a, b, s in predicted), key=lambda m: -m[2])
    truth = truth_of([sample(0, *(sorted(w) for w in windows))])
    whole = score(answers_of([answer(0, *ordered)]), truth).values
    for value in whole.values():
        assert np.isnan(value).all() if not windows else ((value >= 0) & (value <= 1)).all()
    first = score(answers_of([answer(0, *ordered[:1])]), truth).values
    for name in ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU"):
        np.testing.assert_array_equal(whole[name], first[name])
