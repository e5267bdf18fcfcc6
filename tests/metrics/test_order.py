from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.errors import BadInput
from grounding.metrics import order

RNG = np.random.default_rng(5)
LEVELS = st.sampled_from([0.0, 1.0, 2.0])  # few values, so that ties are common


def test_a_tie_is_a_miss_of_car_and_half_a_hit_of_order_accuracy():
    found = order.chronology([3.0, 1.0, 2.0, 5.0], [1.0, 2.0, 2.0, 5.0])
    assert found["CAR"].percent == 25 and found["order-accuracy"].percent == 50
    assert found["CAR"].ties == 2 and found["CAR"].count == 4


def test_a_scorer_blind_to_order_gets_no_car_and_half_the_order_accuracy():
    scores = RNG.standard_normal(50)
    found = order.chronology(scores, scores)
    assert found["CAR"].percent == 0 and found["order-accuracy"].percent == 50
    assert found["CAR"].ties == 50


def test_intervals_are_wilsons_or_over_groups():
    found = order.chronology(np.r_[np.ones(50), np.zeros(50)], np.full(100, 0.5))["CAR"]
    assert (found.low, found.high) == pytest.approx((40.38, 59.62), abs=0.01)
    twice = order.chronology(
        np.r_[np.ones(50), np.zeros(50)], np.full(100, 0.5), np.arange(100) // 10
    )["CAR"]
    assert twice.low < found.low and twice.high > found.high  # items of a group agree
    assert np.isnan(order.chronology([], [])["CAR"].percent)


def test_a_score_that_is_no_number_is_named():
    with pytest.raises(BadInput, match="permuted scores: item 1"):
        order.chronology([1.0, 2.0], [0.0, np.nan])
    with pytest.raises(BadInput, match="permuted scores has shape"):
        order.chronology([1.0, 2.0], [0.0])
    with pytest.raises(BadInput, match="pair: item 0 is twice class 1"):
        order.zste_2(np.zeros((1, 3)), [[1, 1]], [True])
    with pytest.raises(BadInput, match="needs two or more"):
        order.zste_2(np.zeros((0, 1)), np.zeros((0, 2), int), [])
    with pytest.raises(BadInput, match="groups has shape"):
        order.chronology([1.0, 2.0], [0.0, 0.0], ["a"])
    with pytest.raises(BadInput, match="target holds 3"):
        order.zste_1(np.zeros((1, 3)), [3])


def test_negative_retrieval_ranks_the_true_text_among_permuted_ones():
    true = np.eye(3)
    assert order.negative_retrieval(true, np.zeros((3, 2)))["R@1"] == 100
    beaten = order.negative_retrieval(true, np.array([[2.0], [0.0], [1.0]]))
    # ranks 1, 0 and, tied with one, 0.5: a tie halves the place and 0.5 still counts as first
    assert beaten["R@1"] == pytest.approx(200 / 3) and beaten["MedR"] == 1.5


def test_text_audio_and_group_scores_by_hand():
    right = [[2.0, 1.0], [1.0, 2.0]]
    loud = [[2.0, 3.0], [1.0, 4.0]]  # recording 1 always louder: texts are right, text 0 is fooled
    tied = [[2.0, 2.0], [1.0, 2.0]]
    found = order.two_by_two([right, loud, tied])
    assert found["text"].percent == pytest.approx(200 / 3)
    assert found["audio"].percent == pytest.approx(100 / 3)
    assert found["group"].percent == pytest.approx(100 / 3)
    assert found["text"].ties == 1


def test_random_scores_meet_every_chance_level():
    many = 20_000
    pair = np.array([[0, 3]] * many)
    flat = RNG.standard_normal((many, 6))
    found = {
        **order.chronology(flat[:, 0], flat[:, 1]),
        **order.two_by_two(RNG.standard_normal((many, 2, 2))),
        "1": order.zste_1(flat, RNG.integers(0, 6, many)),
        **order.zste_2(flat, pair, RNG.random(many) < 0.5),
        "3": order.zste_3(flat[:, :3], RNG.integers(0, 3, many)),
        "4": order.zste_4(flat, np.zeros(many, int)),
        **order.zste_5(RNG.standard_normal((many, 2, 6)), pair),
    }
    for name, rate in found.items():
        spread = 4 * np.sqrt(rate.chance * (100 - rate.chance) / rate.count)
        assert rate.percent == pytest.approx(rate.chance, abs=spread), name
    assert found["group"].chance == pytest.approx(16.67, abs=0.01)
    assert found["2 overlay, both"].chance == pytest.approx(100 / 15)


def test_equal_scores_meet_every_chance_level_too():
    pair = [[0, 3]]
    same = np.zeros((1, 6))
    assert order.zste_1(same, [2]).percent == pytest.approx(100 / 6)
    for rate in order.zste_2(same, pair, [True]).values():
        assert rate.count == 0 or rate.percent == pytest.approx(rate.chance)
    for rate in order.zste_5(np.zeros((1, 2, 6)), pair).values():
        assert rate.percent == pytest.approx(rate.chance)


@given(arrays(float, (1, 5), elements=LEVELS))
def test_ties_count_as_random_breaking_would(similarity):
    """Against counting every way to pick two of the five that respects the scores."""
    row = similarity[0]
    picks = [
        set(two)
        for two in combinations(range(5), 2)
        if all(row[i] >= row[j] for i in two for j in set(range(5)) - set(two))
    ]
    found = order.zste_2(similarity, [[1, 4]], [True])
    assert found["2 overlay, both"].percent == pytest.approx(
        100 * np.mean([two == {1, 4} for two in picks])
    )
    assert found["2 overlay, at least one"].percent == pytest.approx(
        100 * np.mean([bool(two & {1, 4}) for two in picks])
    )


def test_the_second_slot_can_score():
    similarity = np.zeros((1, 2, 4))
    similarity[0, 0, 2] = similarity[0, 1, 1] = 1
    found = order.zste_5(similarity, [[2, 1]])
    assert found["5"].percent == 100 and found["5 each slot"].percent == 100
    both_first = np.zeros((1, 2, 4))
    both_first[0, 0, 2] = both_first[0, 0, 1] = 1  # what the published target asked for
    assert order.zste_5(both_first, [[2, 1]])["5"].percent == 0


def test_task_2_tells_overlay_from_concatenation():
    similarity = [[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]]
    found = order.zste_2(similarity, [[0, 1], [0, 1]], [True, False], groups=["a", "b"])
    assert found["2 overlay, both"].percent == 100
    assert found["2 concatenated, both"].percent == 0
    assert found["2 concatenated, at least one"].percent == 100


def test_phrases_of_task_4_are_the_same_for_every_item_of_a_pair():
    first = order.phrases(50, 3, 7)
    assert first == order.phrases(50, 3, 7)
    assert first[:2] == [("before", 3, 7), ("while", 3, 7)] and len(set(first)) == 50
    assert ("while", 7, 3) not in first
    other = order.phrases(50, 7, 3)
    assert {c for _, *pair in first for c in pair} == {c for _, *pair in other for c in pair}
    assert first != order.phrases(50, 3, 7, seed=1)
    with pytest.raises(BadInput, match="lower `others`"):
        order.phrases(4, 0, 1)
    with pytest.raises(BadInput, match="pick two different"):
        order.phrases(10, 2, 2)


def test_a_line_says_what_the_number_means():
    rates = order.chronology([1.0], [0.0])
    line = order.summary(rates)[0]
    assert line.startswith("CAR: 100.0 [") and "chance 50.0" in line and "a tie is a miss" in line
    assert "never 'while'" in order.zste_3(np.eye(3)[:2], [0, 1]).definition
    assert "never 'while'" not in order.zste_3(np.eye(3), [0, 1, 2]).definition
