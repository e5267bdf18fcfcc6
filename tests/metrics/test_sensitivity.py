import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.retrieval import pad_windows
from grounding.metrics.sensitivity import properties, sensitivity

SENTENCES = [
    "a person opens the door",
    "someone opened a window",
    "a man runs, then stops",
    "a dog",
]
TRUTH = pad_windows([[[0, 4]], [[80, 84], [10, 11]], [[40, 100]], []])
DURATION = np.full(4, 100.0)


def by_name(bins):
    return {(b.property, b.label): b for b in bins}


def test_bins_by_hand():
    found = by_name(
        sensitivity(
            np.array([1.0, 0.0, 1.0, np.nan]),
            properties(SENTENCES, TRUTH, DURATION, verbs=1),
            ["a", "b", "c", "d"],
        )
    )
    assert found["position", "first fifth"].percent == 100
    assert found["position", "last fifth"].percent == 0
    assert found["true windows", "2 windows"].count == 1
    assert found["verb", "open"].count == 2 and found["verb", "open"].percent == 50
    assert found["verb", "other verbs"].count == 1  # "a dog" has no verb
    assert found["events", "2 events"].count == 1
    assert np.isnan(found["events", "2 events"].low)  # one recording has no interval
    low, high = found["verb", "open"].low, found["verb", "open"].high
    assert (low, high) == (0, 100)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=4, max_size=4))
def test_every_query_that_counts_is_in_one_bin_of_each_property(values):
    groupings = properties(SENTENCES[:3], TRUTH[:3], DURATION[:3])
    bins = sensitivity(np.array(values[:3]), groupings, ["a", "b", "c"])
    counted = int((~np.isnan(values[:3])).sum())
    for name in groupings:
        own = [b for b in bins if b.property == name]
        assert sum(b.count for b in own) == counted
        if counted:
            total = sum(b.percent * b.count for b in own if b.count)
            assert total / counted == pytest.approx(100 * np.nanmean(values[:3]))


def test_rare_verbs_are_put_together():
    labels, group = properties(SENTENCES[:3], TRUTH[:3], DURATION[:3], verbs=5)["verb"]
    assert labels == ["open", "run"] and group.tolist() == [0, 0, 1]
