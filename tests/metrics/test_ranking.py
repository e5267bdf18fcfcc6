import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.errors import BadInput
from grounding.metrics import ranking


def test_ranks_and_recalls_by_hand():
    similarity = [[3.0, 2.0, 1.0], [3.0, 2.0, 2.0], [1.0, 1.0, 1.0]]
    places = ranking.ranks(similarity, [0, 1, 2])
    assert places.tolist() == [0, 1.5, 1]
    found = ranking.recalls(places)
    assert found["R@1"] == pytest.approx(100 / 3) and found["R@2"] == 100 and found["MedR"] == 2


@given(arrays(float, (6, 6), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_ranks_equal_sorting_with_ties_averaged(similarity):
    places = ranking.ranks(similarity, np.arange(6))
    for i, row in enumerate(similarity):
        equal = np.flatnonzero(-np.sort(-row) == row[i])
        assert places[i] == equal.mean()


def test_any_item_with_the_same_meaning_counts_and_the_best_does():
    vectors = np.array([[1.0, 0.0], [0.99, 0.05], [0.0, 1.0]])
    same = ranking.alike(vectors)
    assert same.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    similarity = np.array([[0.0, 9.0, 1.0], [0.0, 9.0, 1.0], [5.0, 5.0, 6.0]])
    assert ranking.ranks(similarity, np.arange(3)).tolist() == [2, 0, 0]
    assert ranking.ranks(similarity, relevant=same).tolist() == [0, 0, 0]


def test_the_threshold_is_on_the_scale_of_the_published_score():
    def at(cosine):
        return ranking.alike([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])[0, 1]

    assert not at(0.89) and at(0.91)  # 0.95 of (cosine + 1) / 2 is a cosine of 0.90


def test_batches_are_the_published_ones():
    """Ids sorted, then NumPy's old shuffle with seed 0: its first places are well known."""
    ids = [f"{i:03}" for i in reversed(range(70))]
    cut = ranking.batches(ids)
    assert [len(b) for b in cut] == [32, 32]  # the last 6 are dropped
    old = np.random.RandomState(0).permutation(70)
    assert [int(ids[i]) for i in cut[0]] == old[:32].tolist()


def test_protocols_on_a_perfect_scorer():
    n = 64
    found = ranking.protocols(
        np.eye(n), sentences=np.eye(n), ids=[str(i) for i in range(n)], dissimilar=[3, 5, 9]
    )
    assert list(found) == ["all", "threshold 0.95", "dissimilar", "batches of 32"]
    for ways in found.values():
        assert list(ways) == ["text-to-item", "item-to-text"]
        for metrics in ways.values():
            assert metrics["R@1"] == 100 and metrics["MedR"] == 1


def test_random_scores_meet_chance():
    similarity = np.random.default_rng(0).standard_normal((1600, 1600))
    found = ranking.in_batches(similarity, [str(i) for i in range(1600)])
    for metrics in found.values():
        for k in ranking.KS:
            assert metrics[f"R@{k}"] == pytest.approx(100 * k / 32, abs=3)
        assert metrics["MedR"] == pytest.approx(16.5, abs=1.5)


@given(st.permutations(range(8)))
def test_the_order_of_items_does_not_matter(order):
    similarity = np.random.default_rng(1).standard_normal((8, 8))
    moved = similarity[np.ix_(order, order)]
    assert ranking.both_ways(moved) == ranking.both_ways(similarity)


def test_wrong_input_is_named():
    with pytest.raises(BadInput, match="query 1 has a score that is no number"):
        ranking.ranks([[0.0, 1.0], [np.nan, 1.0]], [0, 1])
    with pytest.raises(BadInput, match="query 0 has no right candidate"):
        ranking.ranks(np.zeros((1, 2)), relevant=[[False, False]])
    with pytest.raises(BadInput, match="square"):
        ranking.both_ways(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="batches of 32 need 32 or more"):
        ranking.in_batches(np.zeros((5, 5)), list("abcde"))
    with pytest.raises(BadInput, match="sentence vector 1 has no direction"):
        ranking.alike([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(BadInput, match="outside the 2 items"):
        ranking.protocols(np.eye(2), dissimilar=[2])


def test_the_size_of_humanml3d_takes_seconds():
    rng = np.random.default_rng(0)
    similarity = rng.standard_normal((4384, 4384), dtype=np.float32)
    began = time.process_time()
    ranking.protocols(
        similarity,
        sentences=rng.standard_normal((4384, 128)),
        ids=[str(i) for i in range(4384)],
    )
    assert time.process_time() - began < 10  # about 1 s on an idle core
