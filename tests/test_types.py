import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.types import Moment, Prediction, Query, Sample

instants = st.floats(0, 1e6, allow_nan=False)
moments = st.tuples(instants, instants).map(lambda p: Moment(min(p), max(p)))


@given(moments, moments)
def test_iou_is_symmetric_and_a_share(a, b):
    assert a.iou(b) == b.iou(a)
    assert 0 <= a.iou(b) <= 1


@given(moments)
def test_a_moment_is_itself(m):
    assert m.iou(m) == (1.0 if m.length > 0 else 0.0)


@pytest.mark.parametrize(
    "start,end", [(-1, 2), (3, 2), (math.nan, 1), (0, math.inf), (math.inf, math.inf)]
)
def test_a_wrong_moment_is_refused(start, end):
    with pytest.raises(ValueError):
        Moment(start, end)


def test_predictions_are_best_first():
    query = Query("a dog barks", 1, "v")
    with pytest.raises(ValueError, match="not sorted"):
        Prediction(query, (Moment(0, 1, 0.2), Moment(1, 2, 0.9)))
    with pytest.raises(ValueError, match="probability"):
        Prediction(query, (), absent=1.5)


@pytest.mark.parametrize(
    "change",
    [
        {"duration": 0},
        {"duration": math.nan},
        {"needs": "smell"},
        {"query": Query("x", 1)},
        {"glance": math.inf},
    ],
)
def test_a_wrong_sample_is_refused(change):
    good = {"query": Query("x", 1, "v"), "duration": 10.0}
    Sample(**good)
    with pytest.raises(ValueError):
        Sample(**{**good, **change})


def test_a_query_has_text():
    with pytest.raises(ValueError):
        Query("  ", 1)
