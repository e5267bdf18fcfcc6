"""The numbers behind a picture, checked by hand on a tiny map."""

import json

import numpy as np
import pytest

from grounding.dataset import DatasetFolder
from grounding.errors import BadInput
from grounding.explaining import words
from grounding.explaining.finding import find_query
from grounding.explaining.maps import close_up, grid, limits
from grounding.explaining.seeing import nearest_cells
from grounding.explaining.tracks import lanes
from grounding.timeline import Timeline
from grounding.types import Moment, Prediction, Query, Sample
from tests.explaining.making import CELLS, maps, seen


def test_a_moments_cell_is_the_one_that_overlaps_it_most():
    spans = Timeline(8.0, 4).cells_to_seconds(CELLS.numpy())
    moments = (Moment(2, 6), Moment(0.1, 7.9), Moment(3.9, 4.3), Moment(7.99, 8.0))
    found = CELLS.numpy()[nearest_cells(spans, moments)]
    assert found.tolist() == [[1, 2], [0, 3], [2, 2], [3, 3]]
    assert len(nearest_cells(np.zeros((0, 2)), moments)) == 0


def test_the_map_has_its_start_across_and_its_end_upwards():
    values = grid(maps()[0], 4)
    assert CELLS[5].tolist() == [1, 2] and values[2, 1] == 5
    assert np.isnan(values[np.triu_indices(4, 1)]).all()  # nothing ends before it starts
    assert np.isfinite(values).sum() == len(CELLS)


def test_colours_tell_the_best_cells_apart():
    low, high = limits(maps()[0])
    assert (low, high) == (6.75, 9)  # a quarter of the values 0 to 9 lies above


def test_a_close_up_holds_what_matters_and_is_left_out_where_that_is_everything():
    small = seen()
    assert close_up(small, small.explained.maps[0]) is None  # four clips need none
    wide = seen(line=Timeline(64.0, 32))
    assert close_up(wide, wide.explained.maps[0]) == (0, 4)  # cells 1 to 2 and two clips around


def test_iou_is_with_the_true_moment_that_overlaps_most():
    sample = Sample(Query("x", 1, "v"), 8.0, (Moment(0, 1), Moment(4, 8)))
    assert seen(sample=sample).iou(Moment(6, 8)) == pytest.approx(0.5)
    assert seen(sample=Sample(Query("x", 1, "v"), 8.0)).iou(Moment(6, 8)) is None


def test_overlapping_windows_lie_in_lanes_of_their_own():
    assert lanes([Moment(0, 5), Moment(4, 9), Moment(5, 8), Moment(4.5, 6)]) == [0, 1, 0, 2]


def test_the_words_say_what_was_asked_and_what_came_back():
    first, second = words.facts(seen())
    assert first == (
        "query 7 of train · recording dog · 8.0 s · needs sight · truth: 2.0–6.0 s "
        "· glance at 3.0 s"
    )
    assert second == (
        "run d3g · head glance, weights of epoch 3, prior of epoch 2 · best answer: 2.0–4.0 s, "
        "score 0.80 · IoU 0.50 · says: there (probability of absence 0.12)"
    )


def test_the_words_say_that_nothing_is_there():
    sample = Sample(Query("x", 1, "v"), 8.0)
    first, second = words.facts(
        seen(sample=sample, prediction=Prediction(sample.query, (), absent=0.9))
    )
    assert "truth: the moment is not there" in first and "glance" not in first
    assert "probably not there" in second and "IoU" not in second


@pytest.fixture
def folder(tmp_path):
    lines = {
        "train": ["1", "walk-12", "both"],
        "test": ["walk-13", "both", "ä-1"],
    }
    (tmp_path / "annotations").mkdir()
    for split, qids in lines.items():
        rows = [
            {"qid": q, "vid": "v", "query": f"{split} {q}", "duration": 9, "relevant_windows": []}
            for q in qids
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "annotations" / f"{split}.jsonl").write_text(text)
    return DatasetFolder(tmp_path)


def test_a_query_is_found_in_whatever_split_it_stands(folder):
    found = find_query(folder, "ä-1")
    assert (found.split, found.place, found.sample.query.text) == ("test", 2, "test ä-1")
    assert find_query(folder, "both", "train").place == 2


@pytest.mark.parametrize(
    "qid,split,says",
    [
        ("both", None, "--qid both: stands in test and train; say which with --split"),
        ("walk-1", None, "has no such query; near ones: walk-1"),
        ("walk-13", "train", "train.jsonl has no such query; near ones: walk-12"),
        ("1", "tset", "--split tset: "),
        ("1", "tset", "has only test, train"),
    ],
)
def test_a_wrong_qid_is_one_line_that_names_near_ones(folder, qid, split, says):
    with pytest.raises(BadInput) as error:
        find_query(folder, qid, split)
    assert says in str(error.value) and "\n" not in str(error.value)
