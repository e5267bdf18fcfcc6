"""Against the definition, written out slowly."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.highlights import LEVELS, clip_count, clip_scores, highlight_values


def plain_ap(scores, positive):
    """The mean of the interpolated precision over the thresholds at which recall grows."""
    if not any(positive):
        return 0.0
    levels = sorted(set(scores), reverse=True)
    points = []
    for level in levels:
        shown = [p for s, p in zip(scores, positive, strict=True) if s >= level]
        points.append((sum(shown), sum(shown) / len(shown)))
    found, before = [], 0
    for place, (hits, _) in enumerate(points):
        if hits > before:
            found.append(max(p for _, p in points[place:]))
            before = hits
    return sum(found) / len(found)


@st.composite
def queries(draw):
    clips = draw(st.integers(1, 9))
    level = st.integers(0, 4)
    saliency = draw(st.lists(st.integers(-3, 3).map(float), max_size=clips + 3))
    judged = draw(st.lists(st.tuples(level, level, level), min_size=clips, max_size=clips))
    return saliency, np.array(judged, float)


@given(st.lists(queries(), min_size=1, max_size=4))
def test_it_is_the_definition(found):
    values = highlight_values([s for s, _ in found], [t for _, t in found])
    for q, (saliency, judged) in enumerate(found):
        cut = saliency[: len(judged)]
        padded = cut + [0.0] * (len(judged) - len(cut))
        best = int(np.argmax(cut)) if cut else 0
        for level, least in LEVELS.items():
            ap = np.mean([plain_ap(padded, judged[:, a] >= least) for a in range(3)])
            assert values[f"HL-{level}-mAP"][q] == pytest.approx(ap)
            assert values[f"HL-{level}-Hit1"][q] == float((judged[best] >= least).any())


def test_a_tail_of_extra_values_changes_nothing():
    judged = np.array([[4, 4, 4], [0, 0, 0], [0, 0, 0]], float)
    plain = highlight_values([[3, 2, 1]], [judged])
    tail = highlight_values([[3, 2, 1, 99, 99, 99]], [judged])
    assert {k: v.tolist() for k, v in plain.items()} == {k: v.tolist() for k, v in tail.items()}
    assert plain["HL-VeryGood-Hit1"] == 1 and plain["HL-VeryGood-mAP"] == 1


def test_a_short_list_of_negative_scores_keeps_its_best_clip():
    """The zeros that AP appends would be the best; Hit1 looks at what is there."""
    judged = np.array([[4, 4, 4], [0, 0, 0], [0, 0, 0]], float)
    assert highlight_values([[-1, -2]], [judged])["HL-Fair-Hit1"] == 1


def test_every_query_counts_the_people_it_has():
    judged = np.array([[4, 4], [0, 0], [0, 0]], float)
    both = highlight_values([[3, 2, 1]] * 2, [judged, judged[:, :1].repeat(3, 1)])
    assert both["HL-Good-mAP"].tolist() == [1, 1] and both["HL-Good-Hit1"].tolist() == [1, 1]


def test_scores_that_are_no_numbers_are_the_worst():
    judged = np.array([[4, 4, 4], [0, 0, 0]], float)
    assert highlight_values([[1.0, np.nan]], [judged])["HL-Fair-Hit1"] == 1
    assert highlight_values([[np.nan, 1.0]], [judged])["HL-Fair-Hit1"] == 0


def test_clips_of_a_recording():
    assert [clip_count(d) for d in (150, 149.9, 148, 1, 0.1)] == [75, 75, 74, 1, 1]
    full = clip_scores(4, [1, 3, 9], [[1, 2, 3], [4, 4, 4], [2, 2, 2]])
    assert full.tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0], [4, 4, 4]]


def test_one_long_recording_does_not_make_all_of_them_long():
    """In one array, the judgements of 5000 clips in 300 queries are 36 MB, nine times over."""
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 5, (5000 if q == 7 else 20, 3)).astype(float) for q in range(300)]
    saliency = [rng.random(len(t)) for t in truth]
    tracemalloc.start()
    found = highlight_values(saliency, truth)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
    for q in (0, 7, 299):
        alone = highlight_values([saliency[q]], [truth[q]])
        assert {k: v[q] for k, v in found.items()} == {k: v.item() for k, v in alone.items()}
