import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.annotations import (
    read_predictions,
    read_samples,
    write_predictions,
    write_samples,
)
from grounding.annotations.jsonl import sample_from_row, sample_to_row
from grounding.errors import AnnotationError
from grounding.types import Moment, Prediction, Query

LINE = {
    "qid": 1,
    "vid": "v",
    "query": "a dog barks",
    "duration": 20.0,
    "relevant_windows": [[1, 2.5]],
}

text = st.text(min_size=1).filter(str.strip)
rows = st.fixed_dictionaries(
    {
        "qid": st.integers() | st.text(min_size=1),
        "vid": text,
        "query": text,
        "duration": st.floats(10, 1000),
        "relevant_windows": st.lists(
            st.tuples(st.floats(0, 5), st.floats(5, 10)).map(list), max_size=3
        ),
    },
    optional={
        "glance": st.floats(0, 10),
        "needs": st.sampled_from(["sight", "sound", "both", "motion"]),
        "saliency_scores": st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3)),
        "relevant_clip_ids": st.lists(st.integers(0, 75)),
        "anything": st.dictionaries(st.text(), st.integers() | st.none()),
    },
)


@given(rows)
def test_there_and_back_keeps_every_key(row):
    assert sample_to_row(sample_from_row(row)) == row


def test_a_sentence_may_hold_any_character(tmp_path):
    row = {**LINE, "query": "a\u2028b\u0085c\x0bd\r"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", newline="")
    samples = read_samples(tmp_path / "a.jsonl")
    assert samples[0].query.text == row["query"]


def test_files_there_and_back(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(LINE) + "\n\n" + json.dumps({**LINE, "qid": "1"}) + "\n")
    samples = read_samples(path)
    assert [s.qid for s in samples] == [1, "1"]
    write_samples(tmp_path / "b.jsonl", samples)
    assert read_samples(tmp_path / "b.jsonl") == samples


@pytest.mark.parametrize(
    "change,says",
    [
        ({"duration": "long"}, "duration is 'long'"),
        ({"duration": -1}, "duration -1.0 s"),
        ({"duration": None}, "duration is None"),
        ({"relevant_windows": [[3, 1]]}, "end 1 s is before start 3 s"),
        ({"relevant_windows": [[1, 2, 3]]}, "list of 2 numbers"),
        ({"relevant_windows": [[1, 1e400]]}, "finite"),
        ({"relevant_windows": [[1, 25]]}, "after the recording"),
        ({"query": "  "}, "no text"),
        ({"qid": True}, "qid is True"),
        ({"glance": float("nan")}, "glance is nan"),
        ({"needs": "smell"}, "smell"),
    ],
)
def test_a_wrong_value_names_file_line_and_value(tmp_path, change, says):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(LINE) + "\n" + json.dumps({**LINE, "qid": 2, **change}) + "\n")
    with pytest.raises(AnnotationError) as error:
        read_samples(path)
    assert str(error.value).startswith(f"{path}:2: ") and says in str(error.value)


def test_what_nobody_said_is_not_what_is_not_there(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**LINE, "relevant_windows": None}) + "\n")
    (sample,) = read_samples(path)
    assert sample.windows == () and sample.extra["relevant_windows"] is None
    write_samples(tmp_path / "b.jsonl", [sample])
    assert '"relevant_windows": null' in (tmp_path / "b.jsonl").read_text()


@pytest.mark.parametrize(
    "line", ['{"qid": 1', "[1, 2]", '{"qid": 1}', "[" * 100_000, "nonsense", "\x00"]
)
def test_a_broken_line_is_a_typed_error(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**LINE, "qid": 7}) + "\n" + line + "\n")
    with pytest.raises(AnnotationError, match=":2: "):
        read_samples(path)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(AnnotationError, match="no such file"):
        read_samples(tmp_path / "none.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match="UTF-8"):
        read_samples(tmp_path / "b.jsonl")


def test_the_same_qid_twice_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text((json.dumps(LINE) + "\n") * 2)
    with pytest.raises(AnnotationError, match="line 1"):
        read_samples(path)


def test_predictions_are_sorted_on_reading_and_counted(tmp_path):
    path = tmp_path / "p.jsonl"
    row = {"qid": 1, "vid": "v", "query": "x", "pred_relevant_windows": [[0, 1, 0.1], [2, 3, 0.9]]}
    path.write_text(json.dumps(row) + "\n")
    predictions, unsorted = read_predictions(path)
    assert unsorted == 1
    assert predictions[0].moments[0] == Moment(2, 3, 0.9)
    write_predictions(path, predictions)
    again, unsorted = read_predictions(path)
    assert (again, unsorted) == (predictions, 0)


def test_a_prediction_keeps_absence_and_saliency(tmp_path):
    path = tmp_path / "p.jsonl"
    prediction = Prediction(Query("x", "q", "v"), (Moment(1.0, 2.0, 0.5),), 0.25, (0.5, -1.0))
    write_predictions(path, [prediction])
    assert read_predictions(path)[0] == [prediction]
