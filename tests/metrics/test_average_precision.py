"""Against the definition, written out slowly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics.average_precision import THRESHOLDS, average_precision, of_length
from grounding.metrics.retrieval import iou, pad_windows


def plain_iou(a, b):
    common = max(min(a[1], b[1]) - max(a[0], b[0]), 0)
    union = (a[1] - a[0]) + (b[1] - b[0]) - common
    return common / union if union > 0 else 0.0


def plain_ap(predicted, truth, threshold):
    """One query: greedy matching in the given order, interpolated precision."""
    free, hits = list(truth), []
    for answer in predicted[:10]:
        good = [w for w in free if plain_iou(answer, w) >= threshold]
        if good:
            free.remove(max(good, key=lambda w: plain_iou(answer, w)))
        hits.append(bool(good))
    points = []  # recall, precision
    for n in range(1, len(hits) + 1):
        points.append((sum(hits[:n]) / len(truth), sum(hits[:n]) / n))
    area, recall = 0.0, 0.0
    for place, (r, _) in enumerate(points):
        if r > recall:
            area += (r - recall) * max(p for _, p in points[place:])
            recall = r
    return area


# eighths, so that both ways of computing an IoU give the same number
times = st.integers(0, 160).map(lambda n: n / 8)
span = st.tuples(times, times).map(sorted)
query = st.tuples(st.lists(span, max_size=13), st.lists(span, min_size=1, max_size=5))


@given(st.lists(query, min_size=1, max_size=4))
def test_it_is_the_definition(queries):
    predicted = pad_windows([p for p, _ in queries])
    truth = pad_windows([t for _, t in queries])
    found = average_precision(predicted, truth)
    for q, (answers, windows) in enumerate(queries):
        for t, threshold in enumerate(THRESHOLDS):
            assert found[q, t] == pytest.approx(plain_ap(answers, windows, threshold), abs=1e-9)


def test_by_hand():
    truth = pad_windows([[[0, 10], [20, 30]], [[0, 4]], []])
    predicted = pad_windows([[[0, 10], [0, 9], [20, 30]], [], [[0, 1]]])
    found = average_precision(predicted, truth, (0.5,))[:, 0]
    # first: right, a duplicate, right: precision 1 up to recall 1/2, then 2/3
    assert found[0] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert found[1] == 0 and np.isnan(found[2])


def test_the_eleventh_answer_does_not_count():
    truth, wrong, right = pad_windows([[[0, 10]]]), [20, 30], [0, 10]
    tenth = average_precision(pad_windows([[wrong] * 9 + [right]]), truth)
    assert tenth == pytest.approx(0.1)
    assert (average_precision(pad_windows([[wrong] * 10 + [right]]), truth) == 0).all()


@given(st.lists(query, min_size=2, max_size=5), st.randoms())
def test_queries_do_not_touch_each_other(queries, random):
    order = list(range(len(queries)))
    random.shuffle(order)
    predicted, truth = (pad_windows([q[i] for q in queries]) for i in (0, 1))
    found = average_precision(predicted, truth)
    assert average_precision(predicted[order], truth[order]).tolist() == found[order].tolist()


def test_many_queries_go_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    spans = np.sort(rng.random((50, 12, 2)) * 30, -1)
    truth = np.sort(rng.random((50, 3, 2)) * 30, -1)
    whole = average_precision(spans, truth)
    monkeypatch.setattr("grounding.metrics.retrieval._CHUNK", 700)
    assert average_precision(spans, truth).tolist() == whole.tolist()


def test_lengths_are_open_below_and_closed_above():
    truth = pad_windows([[[0, 10], [0, 10.01], [0, 0], [5, 35]]])
    kept = ~np.isnan(of_length(truth, 0, 10)[0, :, 0])
    assert kept.tolist() == [True, False, False, False]
    assert (~np.isnan(of_length(truth, 10, 30)[0, :, 0])).tolist() == [False, True, False, True]


@given(span, span)
def test_iou_is_symmetric_and_a_share(a, b):
    there, back = iou([a], [b]).item(), iou([b], [a]).item()
    assert there == back and 0 <= there <= 1
    assert there == pytest.approx(plain_iou(a, b))
