import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.metrics.groups import (
    bins,
    bootstrap_means,
    fifths,
    fitting_edges,
    occupied,
    seconds_bins,
    share_bins,
    word_bins,
)
from grounding.metrics.retrieval import bootstrap

LADDER = (1, 2, 5, 10, 30, 60, 120, 300, 600)


def test_bins_are_half_open_and_the_last_holds_its_end():
    assert bins([0, 4.9, 5, 10, 10.1, -1, np.nan], [0, 5, 10]).tolist() == [0, 0, 1, 1, -1, -1, -1]
    assert bins([], [0, 1]).tolist() == []


@given(st.lists(st.floats(0, 5000) | st.just(np.nan), max_size=60))
def test_fitting_edges_leave_no_bin_empty_and_lose_no_value(values):
    edges = fitting_edges(values, LADDER)
    assert edges[0] == 0 and edges[-1] == np.inf and set(edges[1:-1]) <= set(LADDER)
    index = bins(values, edges)
    known = ~np.isnan(np.asarray(values, float))
    assert ((index >= 0) == known).all()
    if known.any():
        assert len(edges) - 1 <= 6 and set(index[known]) == set(range(len(edges) - 1))


def test_labels_are_what_a_person_would_write():
    labels, index = seconds_bins(np.array([3.0, 7, 20, 400, np.nan]))
    assert labels[0].startswith("under ") and labels[-1].endswith(" s and more")
    assert index[-1] == -1 and len(set(index[:4])) == 4
    assert seconds_bins(np.array([np.nan]))[0] == ["all lengths"]
    labels, index = share_bins(np.array([0.05, 0.07, 1.0]))
    assert [labels[i] for i in index] == ["5–10 %", "5–10 %", "70 % and more"]
    labels, index = word_bins(np.array([1.0, 4, 5, 25, np.nan]))
    assert [labels[i] for i in index[:4]] == [
        "1–4 words", "1–4 words", "5–8 words", "25 words and more"
    ]  # fmt: skip
    assert fifths(np.array([0.0, 0.6, 1.0, np.nan]))[1].tolist() == [0, 3, 4, -1]


def test_empty_bins_are_left_out():
    labels, group = occupied(["a", "b", "c"], np.array([2, -1, 0, 2]))
    assert labels == ["a", "c"] and group.tolist() == [1, -1, 0, 1]
    assert occupied([], np.array([-1]))[0] == []


def test_an_interval_is_the_one_of_the_report():
    rng = np.random.default_rng(3)
    values = rng.random((3, 200))
    values[rng.random((3, 200)) < 0.2] = np.nan
    groups = rng.integers(0, 40, 200)
    ours = np.round(100 * bootstrap_means(values, groups), 2)
    report = bootstrap({str(i): v for i, v in enumerate(values)}, np.zeros((200, 3)), groups)
    assert ours == pytest.approx(np.array([report[str(i)] for i in range(3)]), abs=0.011)


@given(arrays(float, (2, 12), elements=st.floats(0, 1) | st.just(np.nan)))
def test_intervals_lie_within_the_values_or_are_unknown(values):
    groups = np.arange(12) // 3
    for row, (low, high) in zip(values, bootstrap_means(values, groups, rounds=50), strict=True):
        if len(set(groups[~np.isnan(row)])) < 2:
            assert np.isnan(low) and np.isnan(high)
        else:
            assert np.nanmin(row) - 1e-9 <= low <= high <= np.nanmax(row) + 1e-9


def test_one_recording_or_none_gives_no_interval():
    assert np.isnan(bootstrap_means(np.ones((1, 4)), [7] * 4)).all()
    assert bootstrap_means(np.ones((0, 4)), [1, 2, 3, 4]).shape == (0, 2)
    assert np.isnan(bootstrap_means(np.ones((2, 0)), [])).all()
