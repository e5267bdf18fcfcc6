import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.annotations.reannotated import read_reannotated
from grounding.errors import AnnotationError

HEADER = "HITId,video_id,description,start,end\n"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def write(folder, text):
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_percent_become_seconds_and_people_of_one_hit_one_query(tmp_path):
    path = write(
        tmp_path,
        HEADER
        + 'H1,AB.mp4,"a man, sitting",0,50\nH1,AB.mp4,"a man, sitting",25,100\n'
        + "H2,CD.mp4,a dog,10,20\n",
    )
    first, second = read_reannotated([path], {"AB": 30.0, "CD": 10.0})
    assert (first.vid, first.text, first.duration, first.line) == ("AB", "a man, sitting", 30, 2)
    assert first.windows == [(0, 15), (7.5, 30)]
    assert second.windows == [(1, 2)] and second.line == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vid,query\n", ":1: the columns are 'vid,query'"),
        ("", ":1: the columns are ''"),
        (HEADER + "H,AB.mp4,a,1\n", ":2: 4 columns instead of 5"),
        (HEADER + "H,AB.mp4,a,x,2\n", r":2: \['x', '2'\] are no two numbers"),
        (HEADER + "H,AB.mp4,a,9,2\n", ":2: 9 to 2 is no part of 0 to 100 percent"),
        (HEADER + "H,AB.mp4,a,nan,2\n", ":2: nan to 2"),
        (HEADER + "H,AB.mp4,a,1,200\n", ":2: 1 to 200"),
        (HEADER + "H,AB.mp4,,1,2\n", ":2: the sentence is empty"),
        (HEADER + "H,ZZ.mp4,a,1,2\n", ":2: no duration is known of video 'ZZ'"),
        (HEADER + 'H,AB.mp4,"a,1,2\n', ":2: unexpected end of data; correct the quotes"),
    ],
)
def test_a_wrong_line_is_named_with_its_remedy(tmp_path, text, told):
    with pytest.raises(AnnotationError, match="people.csv" + told):
        read_reannotated([write(tmp_path, text)], {"AB": 30.0})


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(b"HITId\xff")
    with pytest.raises(AnnotationError, match="people.csv: not UTF-8 at byte 5"):
        read_reannotated([path], {})


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = write(tmp_path_factory.getbasetemp(), HEADER + text.encode("utf-8", "ignore").decode())
    try:
        read_reannotated([path], {})
    except AnnotationError as error:
        assert "\n" not in str(error) and str(path) in str(error)


def test_the_published_files_hold_1000_queries_of_five_people():
    folder = SHARED / "charades-reannotated"
    lines = SHARED / "annotations" / "charades-sta" / "charades_test_release.jsonl"
    if not folder.exists() or not lines.exists():
        pytest.skip("the shared Charades files are not beside this checkout")
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    found = read_reannotated(
        sorted(folder.glob("*.csv")), {row["vid"]: row["duration"] for row in rows}
    )
    assert len(found) == 1000 and {len(query.windows) for query in found} == {5}
    assert all(query.text in {r["query"] for r in rows} for query in found[:5])
