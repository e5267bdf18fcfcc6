import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.metrics import baselines
from grounding.metrics.retrieval import (
    best_threshold,
    blocks,
    bootstrap,
    f1,
    iou,
    pad_windows,
    query_values,
    resampled,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_metrics_agree_with_the_authors():
    """QD-DETR's own figures on QVHighlights val: R1@0.5 60.58, R1@0.7 43.35."""
    truth_file = SHARED / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
    found = sorted((SHARED / "qvhighlights-preds").glob("*val*.jsonl"))
    if not truth_file.exists() or not found:
        pytest.skip("the shared QVHighlights files are not beside this checkout")
    truth = {r["qid"]: r for r in map(json.loads, truth_file.read_text().splitlines())}
    rows = [json.loads(line) for line in found[0].read_text().splitlines()]
    values = query_values(
        pad_windows([r["pred_relevant_windows"] for r in rows]),
        pad_windows([truth[r["qid"]]["relevant_windows"] for r in rows]),
    )
    means = baselines.means(values)
    assert len(rows) == 1550
    assert means["R1@0.5"] == pytest.approx(60.58, abs=0.01)
    assert means["R1@0.7"] == pytest.approx(43.35, abs=0.01)


def test_values_by_hand():
    predicted = pad_windows([[[0, 10], [20, 30]], [[0, 4]], [[1, 2]]])
    truth = pad_windows([[[20, 30], [5, 15]], [[0, 10]], []])
    values = query_values(predicted, truth)
    assert values["mIoU"][:2].tolist() == pytest.approx([1 / 3, 0.4])
    assert values["R1@0.3"][:2].tolist() == [1, 1]
    assert values["R1@0.5"][:2].tolist() == [0, 0]
    assert values["R5@0.5"][:2].tolist() == [1, 0]
    assert np.isnan(values["mIoU"][2])  # nothing to find: does not count


spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 50)), min_size=1, max_size=4)


@given(spans, spans, spans)
def test_a_worse_prediction_below_never_changes_r1(first, below, truth):
    def windows(pairs):
        return [[a, a + b] for a, b in pairs]

    t = pad_windows([windows(truth)])
    one = query_values(pad_windows([windows(first)[:1]]), t)
    more = query_values(pad_windows([windows(first)[:1] + windows(below)]), t)
    assert one["R1@0.5"] == more["R1@0.5"] and one["mIoU"] == more["mIoU"]
    assert more["R5@0.5"] >= one["R5@0.5"]


def test_empty_windows_have_no_overlap():
    assert iou([[3, 3]], [[3, 3]]) == 0
    assert iou([[0, 10]], [[np.nan, np.nan]]) == 0


def test_f1_by_hand():
    assert f1(np.array([3.0, 1.0, 2.0])) == pytest.approx(6 / 9)
    assert f1(np.zeros(3)) == 0


def test_best_threshold_separates_what_can_be_separated():
    cut = best_threshold([0.1, 0.9, 0.2, 0.8], [False, True, False, True])
    assert 0.2 < cut < 0.8
    assert best_threshold([1.0, 2.0], [False, False]) > 2.0
    # equal scores fall on one side
    assert best_threshold([0.5, 0.5, 0.1], [True, False, False]) <= 0.5


def test_bootstrap_draws_recordings_not_queries():
    values = {"mIoU": np.array([1.0] * 50 + [0.0] * 50)}
    together = bootstrap(values, np.zeros((100, 3)), ["a"] * 50 + ["b"] * 50)
    apart = bootstrap(values, np.zeros((100, 3)), list(range(100)))
    assert together["mIoU"] == (0.0, 100.0)
    assert 38 < apart["mIoU"][0] < 45 and 55 < apart["mIoU"][1] < 62


def test_one_recording_has_no_interval():
    values = {"mIoU": np.array([1.0, 0.5]), "R1@0.5": np.array([1.0, np.nan])}
    counts = np.array([[1.0, 0, 0], [0, 0, 1]])
    assert bootstrap(values, counts, ["a", "a"]) == {}
    assert set(bootstrap(values, counts, ["a", "b"])) == {"mIoU", "absent-F1"}


def test_draws_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch):
    sums = np.random.default_rng(0).random((5000, 2))  # too many to be kept
    whole = resampled(sums)
    monkeypatch.setattr("grounding.metrics.retrieval._KEPT", 30_000)
    np.testing.assert_allclose(resampled(sums), whole, rtol=1e-12)


@pytest.mark.parametrize("total", [3000, 6000])  # kept, and a block at a time
def test_draws_spread_as_theory_says(total):
    sums = np.random.default_rng(1).random((total, 1))
    drawn = resampled(np.column_stack([sums, np.ones(total)]))
    assert (drawn[:, 1] == total).all()  # as many groups as there are
    assert drawn[:, 0].mean() == pytest.approx(sums.sum(), rel=2e-3)
    assert drawn[:, 0].std() == pytest.approx(sums.std() * np.sqrt(total), rel=0.1)


def test_fitted_spans_by_hand():
    relative = [[0.4, 0.6]] * 3 + [[0.0, 0.5]]
    assert baselines.fit_centre(relative) == pytest.approx((0.4, 0.6), abs=0.06)
    assert baselines.fit_span(relative) == pytest.approx((0.4, 0.6))


def test_ceiling_of_a_grid_that_holds_the_truth_is_full():
    truth = pad_windows([[[2, 4]], [[0, 10]]])
    assert baselines.grid_ceiling(truth, np.array([10.0, 10.0]), 5)["mIoU"] == 100
    coarse = baselines.grid_ceiling(truth, np.array([10.0, 10.0]), 2)
    assert coarse["mIoU"] == pytest.approx((40 + 100) / 2)
    late = baselines.grid_ceiling(pad_windows([[[5, 20]]]), np.array([10.0]), 2)
    assert late["mIoU"] == pytest.approx(33.33)  # no clip lies behind the end


def test_ceiling_of_candidates_is_what_the_best_of_them_reaches():
    truth = pad_windows([[[0, 4]], [[0, 10]]])
    candidates = np.array([[0.0, 0.2], [0.4, 0.8]])
    found = baselines.candidate_ceiling(truth, np.array([10.0, 10.0]), candidates)
    assert found["mIoU"] == pytest.approx((50 + 40) / 2)


def test_random_spans_reach_what_they_reach_elsewhere():
    """Two uniform instants against a fixed moment: compare with a plain simulation."""
    truth = np.tile([[[3.0, 6.0]]], (50, 1, 1))
    ours = baselines.random_spans(truth, np.full(50, 10.0))
    rng = np.random.default_rng(1)
    a, b = np.sort(rng.random((200_000, 2)) * 10, axis=1).T
    inter = np.clip(np.minimum(b, 6) - np.maximum(a, 3), 0, None)
    plain = 100 * np.mean(inter / (np.maximum(b, 6) - np.minimum(a, 3)) >= 0.5)
    assert ours["R1@0.5"] == pytest.approx(plain, abs=1.5)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 400))
def test_blocks_hold_every_query_once_with_all_its_windows(counts, each):
    truth = pad_windows([[[i, i + 1] for i in range(n)] for n in counts])
    seen = []
    for rows, windows in blocks(truth, each):
        seen += rows.tolist()
        for row, its in zip(rows, windows, strict=True):
            assert (~np.isnan(its[:, 0])).sum() == counts[row]
    assert sorted(seen) == list(range(len(counts)))


def test_one_query_with_many_windows_does_not_make_all_of_them_wide():
    """In one array, IoUs of five moments with 200 windows of 5000 queries are 40 MB each."""
    rng = np.random.default_rng(0)
    windows = np.sort(rng.random((5000, 200, 2)), -1)
    windows[1:, 1:] = np.nan
    predicted = np.sort(rng.random((5000, 10, 2)), -1)
    tracemalloc.start()
    found = query_values(predicted, windows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    alone = query_values(predicted[:1], windows[:1])
    rest = query_values(predicted[1:], windows[1:, :1])
    for name, value in found.items():
        assert value.tolist() == [*alone[name], *rest[name]]
