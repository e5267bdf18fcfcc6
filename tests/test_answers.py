"""Prediction files as they are: what is wrong is counted; what is no prediction is one line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.answers import answers_of, read_answers
from grounding.errors import AnnotationError
from grounding.types import Moment, Prediction, Query


def write(tmp_path, *lines):
    file = tmp_path / "p.jsonl"
    rows = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(rows))
    return file


def row(qid, *windows, **more):
    return {"qid": qid, "vid": "v", "pred_relevant_windows": [list(w) for w in windows], **more}


def told(answers):
    return {f.kind: (f.count, f.example) for f in answers.warnings}


def test_lists_are_sorted_and_equal_scores_stay(tmp_path):
    file = write(tmp_path, row(1, (0, 1, 0.5), (2, 3, 0.9), (4, 5, 0.5)), row("b", (0, 1, 1)))
    found = read_answers(file)
    assert found.qids == (1, "b") and found.windows.shape == (2, 3, 3)
    assert found.windows[0, :, 0].tolist() == [2, 0, 4]
    assert told(found) == {"list was not sorted by score": (1, 1)}


def test_every_fault_is_counted_and_scored_as_said(tmp_path):
    nan, inf = float("nan"), float("inf")
    file = write(
        tmp_path,
        row(0, (nan, 5, 0.9), (1, 2, 0.8)),
        row(1, (0, inf, 0.9)),
        row(2, (1, 2, nan), (5, 6, inf), (3, 4, -5.0)),
        row(3, (-2, 5, 0.9)),
        row(4, (9, 5, 0.9)),
        row(5, (5, 5, 0.9)),
        row(6, pred_absent=7),
        row(7, pred_saliency_scores=[1, nan]),
        row(8, *[(i, i + 1, 1 - i / 20) for i in range(12)]),
    )
    found = read_answers(file)
    kinds = told(found)
    assert kinds["a time or score is no number"] == (3, 0)
    assert kinds["predicted moment starts before 0"] == (1, 3)
    assert kinds["predicted moment ends before it starts"] == (1, 4)
    assert kinds["predicted moment has no length"] == (1, 5)
    assert kinds["pred_absent is no probability"] == (1, 6)
    assert kinds["a saliency score is no number"] == (1, 7)
    assert kinds["list has more than 10 moments; the best 10 count"] == (1, 8)
    assert found.windows[0, 0].tolist() == [0, 0, 0.9]  # keeps its place, overlaps with nothing
    assert found.windows[2, :3, 0].tolist() == [3, 1, 5]  # a score that is not finite is the worst
    assert found.windows.shape[1] == 10 and np.isnan(found.absent[6])


@pytest.mark.parametrize(
    "line",
    [
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, 1, 0.5]',
        "[1, 2]",
        '{"qid": 1, "vid": "v"}',
        '{"vid": "v", "pred_relevant_windows": []}',
        '{"qid": 1.5, "vid": "v", "pred_relevant_windows": []}',
        '{"qid": true, "vid": "v", "pred_relevant_windows": []}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": {"a": 1}}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, 1]]}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, 1, "0.5"]]}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, true, 0.5]]}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, null, 0.5]]}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [[0, 1' + "0" * 400 + ", 0.5]]}",
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [], "pred_absent": "no"}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": [], "pred_saliency_scores": [[1]]}',
        '{"qid": 1, "vid": "v", "pred_relevant_windows": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"qid": 1' + "0" * 5000 + "}",
        '{"qid": "\\ud800", "vid": "v", "pred_relevant_windows": []}',
        "\x00",
        "{'qid': 1}",
    ],
)
def test_what_is_no_prediction_is_one_line_with_its_number(tmp_path, line):
    file = write(tmp_path, row(0, (0, 1, 0.5)), "", line)
    with pytest.raises(AnnotationError, match=r"p\.jsonl:3: ") as error:
        read_answers(file)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"qid": json_values, "vid": json_values, "pred_relevant_windows": json_values},
        optional={"pred_absent": json_values, "pred_saliency_scores": json_values},
    )
)
def test_anything_is_read_or_refused(tmp_path_factory, value):
    file = write(tmp_path_factory.mktemp("any"), value)
    try:
        found = read_answers(file)
    except AnnotationError as error:
        assert "p.jsonl:1: " in str(error)
    else:
        assert len(found.qids) == 1


def test_the_example_of_a_fault_is_the_first_by_qid_in_any_order_of_lines(tmp_path):
    rows = [row(qid, (5, 5, 1)) for qid in (10, 9, "b", 100)]
    for lines in (rows, rows[::-1]):
        assert told(read_answers(write(tmp_path, *lines))) == {
            "predicted moment has no length": (4, 9)
        }


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_bytes(b'{"qid": 1}\n\xff\xfe\xfa')
    with pytest.raises(AnnotationError, match="p.jsonl:"):
        read_answers(file)
    with pytest.raises(AnnotationError, match="no such file"):
        read_answers(tmp_path / "nowhere.jsonl")


def test_a_mark_at_the_beginning_is_no_fault(tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_text("\ufeff" + json.dumps(row(1, (0, 1, 0.5))), encoding="utf-8")
    assert read_answers(file).qids == (1,)


def test_predictions_and_their_file_are_the_same(tmp_path):
    moments = (Moment(0, 1, 0.9), Moment(2, 3, 0.1))
    predictions = [
        Prediction(Query("a", 1, "v"), moments, 0.25, (0.5, 0.75)),
        Prediction(Query("b", 2, "v")),
    ]
    file = write(
        tmp_path,
        row(1, (0, 1, 0.9), (2, 3, 0.1), pred_absent=0.25, pred_saliency_scores=[0.5, 0.75]),
        row(2),
    )
    one, two = answers_of(predictions), read_answers(file)
    assert one.qids == two.qids and one.warnings == two.warnings == ()
    np.testing.assert_array_equal(one.windows, two.windows)
    np.testing.assert_array_equal(one.absent, two.absent)
    assert [s.tolist() for s in one.saliency] == [s.tolist() for s in two.saliency]


def test_a_hundred_thousand_lines_are_read_in_order(tmp_path):
    file = tmp_path / "p.jsonl"
    line = '{{"qid": {0}, "vid": "v", "pred_relevant_windows": [[{0}, {0}.5, 0.5]]}}\n'
    file.write_text("".join(line.format(i) for i in range(100_000)))
    found = read_answers(file)
    assert found.windows[:, 0, 0].tolist() == list(range(100_000))
