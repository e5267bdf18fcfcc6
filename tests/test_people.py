import json
from pathlib import Path

import numpy as np
import pytest

from apps.tables import people_table
from grounding.annotations import read_samples
from grounding.annotations.reannotated import COLUMNS
from grounding.answers import answers_of
from grounding.people import CHARADES_STA, NobodyAgrees, is_charades, judge, people_of
from grounding.types import Moment, Prediction, Query, Sample

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def charades():
    folder = SHARED / "charades-reannotated"
    truth = SHARED / "annotations" / "charades-sta" / "charades_test_release.jsonl"
    files = sorted(folder.glob("reannotated_test_*.csv"))
    if not files or not truth.exists():
        pytest.skip("the shared Charades-STA files are not beside this checkout")
    return files, read_samples(truth)


def test_people_agree_as_far_as_was_measured_elsewhere(charades):
    """The files' README: 1000 queries, five annotators, mean IoU of two of them 0.521."""
    files, samples = charades
    found = judge(files, answers_of([]), samples)
    assert (found["queries"], found["people"], found["unknown"]) == (1000, 5, 0)
    assert found["agreement"]["mIoU"][0] == pytest.approx(52.1, abs=0.05)


def test_the_reference_beside_charades_scores_is_what_the_files_say(charades):
    files, samples = charades
    ceiling = people_of(files, samples).ceiling(samples)
    assert {k: round(v[0], 1) for k, v in ceiling.items()} == CHARADES_STA
    assert is_charades(samples)
    assert not is_charades([Sample(Query("x", 0, "00001"), 1.0)])  # KIT
    assert not is_charades([]) and not is_charades([Sample(Query("x", 0, "video1"), 1.0)])


def sheet(tmp_path, *rows):
    file = tmp_path / "people.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows]))
    return file


SAMPLES = [
    Sample(Query("a door opens", 0, "a"), 10.0, (Moment(0, 5),)),
    Sample(Query("a dog barks", 1, "b"), 20.0, (Moment(10, 20),)),
]


def test_by_hand(tmp_path):
    file = sheet(
        tmp_path,
        "1,a.mp4,a  door opens,0,50",
        "1,a.mp4,a  door opens,0,100",
        "2,zzz.mp4,something else,0,50",
    )
    people = people_of([file, tmp_path / "." / file.name], SAMPLES)  # the same file
    assert people.rows.tolist() == [0] and people.unknown == 1
    assert people.windows.tolist() == [[[0, 5], [0, 10]]]
    np.testing.assert_array_equal(people.agreement(2), [0.5, np.nan])
    assert people.ceiling(SAMPLES)["mIoU"][0] == 75
    answer = Prediction(Query("x", 0, "a"), (Moment(0, 5),))
    model = judge([file], answers_of([answer]), SAMPLES)["model"]
    assert model["mIoU best"][0] == 100 and model["mIoU mean"][0] == 75


def test_what_cannot_be_told_is_left_out_of_the_report(tmp_path):
    """One recording has no interval; a query without a window of its own has no ceiling."""
    rows = ["1,a.mp4,a door opens,0,50", "1,a.mp4,a door opens,0,100"]
    file = sheet(tmp_path, *rows)
    found = judge([file], answers_of([]), SAMPLES)
    assert found["agreement"]["mIoU"] == [50] and found["ceiling"]["mIoU"] == [75]
    absent = [Sample(Query("a door opens", 0, "a"), 10.0)]
    found = judge([file], answers_of([]), absent)
    assert found["ceiling"] == {} and found["agreement"]["mIoU"] == [50]
    json.dumps(found, allow_nan=False)
    assert "overlap by IoU 50.0 on average\n" in people_table(found)


def test_people_of_other_queries_say_nothing(tmp_path):
    file = sheet(tmp_path, "1,zzz.mp4,a door opens,0,50", "1,zzz.mp4,a door opens,0,60")
    with pytest.raises(NobodyAgrees, match=r"people\.csv: times none of the queries twice"):
        people_of([file], SAMPLES)
