"""Each format of the field, read as its authors mean it."""

import json
import math

import pytest

from grounding.annotations import Options, read, read_rows
from grounding.annotations.formats import sniff
from grounding.errors import AnnotationError, BadInput
from tests.annotations.examples import (
    ACTIVITYNET,
    BABEL,
    JSONL,
    RTL_TRAIN,
    TACOS,
    put,
)


def brief(row):
    return row.vid, row.text, row.windows, row.duration


def test_dataset_lines_may_lack_what_only_a_dataset_folder_needs(tmp_path):
    rows = read_rows(put(tmp_path, "jsonl"))
    assert [row.qid for row in rows] == [2579, "37612", "fXx44D1sqUw"]
    assert rows[0].windows == [(82, 86), (90.5, 150)] and rows[0].saliency == ([1, 1, 2], [1, 1, 3])
    assert rows[1].windows == [] and "relevant_windows" not in rows[1].extra
    # no moments given is not the same as none there
    assert rows[2].windows == [] and rows[2].extra["relevant_windows"] is None
    assert rows[2].extra["label"] == JSONL[2]["label"]
    bare = '{"vid": "v", "query": "x"}\n{"vid": 7, "query": "y", "duration": null}\n'
    path = put(tmp_path, "jsonl", bare)
    assert [(r.qid, r.vid, r.duration) for r in read_rows(path)] == [(0, "v", None), (1, "7", None)]


def test_charades_with_and_without_glance(tmp_path):
    rows = read_rows(put(tmp_path, "charades-sta"))
    assert [r.glance for r in rows] == [1.0, None]
    assert brief(rows[0]) == (
        "AO8RW",
        "a person is putting a book on a shelf.",
        [(0, 6.9)],
        None,
    )
    assert rows[1].text == "person begins to play on a phone." and rows[1].line == 2


@pytest.mark.parametrize("key", ["glance", "glances", None])
def test_captions_with_either_key_of_the_glance(tmp_path, key):
    videos = json.loads(json.dumps(ACTIVITYNET))
    if key:
        videos["v_one"][key] = [30.8, 53.06]
    rows = read_rows(put(tmp_path, "activitynet-captions", json.dumps(videos)))
    assert [r.glance for r in rows] == ([30.8, 53.06, None] if key else [None] * 3)
    assert brief(rows[1]) == ("v_one", "  The coach helps.", [(13.79, 54.32)], 55.15)
    assert rows[2].extra == {"subset": "a"} and rows[0].extra == {}


def test_tacos_counts_frames(tmp_path):
    rows = read_rows(put(tmp_path, "tacos"))
    assert rows[0].duration == pytest.approx(100)
    assert rows[0].windows[0] == pytest.approx((10, 20)) and rows[0].glance == pytest.approx(15)
    videos = {"v": {**TACOS["s17-d69.avi"]}}
    del videos["v"]["fps"]
    path = put(tmp_path, "tacos", json.dumps(videos))
    with pytest.raises(AnnotationError, match=":1: 'v': .*--rate"):
        read_rows(path)
    assert read_rows(path, options=Options(rate=25))[1].windows == [(882 / 25, 2940 / 25)]


def test_didemo_takes_what_most_people_chose(tmp_path):
    rows = read_rows(put(tmp_path, "didemo"))
    # both ends of a pair of segments are included, each lasts 5 s
    assert [r.windows for r in rows] == [[(20, 25)], [(5, 15)]]
    assert [(r.qid, r.duration) for r in rows] == [(1, 30), (2, 25)]
    assert rows[0].extra["times"] == [[4, 4], [0, 0], [4, 4], [4, 5]]


def test_motion_texts_by_file_and_by_folder(tmp_path):
    path = put(tmp_path, "humanml3d")
    rows = read_rows(path)
    assert [r.qid for r in rows] == ["000021_0", "000021_1"]
    # 0 and 0 mean all of the motion, whatever its length; a caption may hold the mark
    assert rows[0].windows == [(0, math.inf)] and rows[0].text == "a man kicks # 1 with his leg."
    assert rows[1].windows == [(1.5, 3)]
    assert read_rows(path, options=Options(vid="M1"))[0].vid == "M1"
    (tmp_path / "000022.txt").write_text("he sits#he/PRON sit/VERB#nan#nan\n")
    assert sniff(tmp_path) == "humanml3d"
    rows = read_rows(tmp_path)
    assert [(r.vid, r.line) for r in rows] == [("000021", 1), ("000021", 2), ("000022", 1)]
    samples = read(tmp_path, durations={"000021": 4.0, "000022": 2.5})
    assert [(w.start, w.end) for s in samples for w in s.windows] == [(0, 4), (1.5, 3), (0, 2.5)]
    (tmp_path / "000023.txt").write_text("fine#x/X#0.0#0.0\nhe sits#he/PRON#0.0\n")
    with pytest.raises(AnnotationError, match=r"000023\.txt:2: "):
        read_rows(tmp_path)


def test_motions_of_one_json_file(tmp_path):
    rows = read_rows(put(tmp_path, "tmr"))
    assert brief(rows[1]) == ("00004", "human slowly goes", [(1.0, 3.5)], 5.66)
    assert rows[1].qid == "00004_1" and rows[1].line == 2
    assert rows[1].extra == {"path": "KIT/4/WalkingStraightForward04_poses"}


def test_babel_by_frame_and_by_sequence(tmp_path):
    rows = read_rows(put(tmp_path, "babel"))
    assert [(r.text, r.windows) for r in rows] == [
        ("walk in a circle", [(0, 9)]),
        ("stands", [(0, 1.5)]),
        ("transition", [(1.5, 2)]),
        ("jump", [(0, 4)]),
    ]
    assert [r.extra["level"] for r in rows] == ["seq", "frame", "frame", "seq"]
    assert rows[1].extra["feat_p"] == BABEL["3180"]["feat_p"]


def test_rtl_takes_the_stamps_of_the_answer(tmp_path):
    (row,) = read_rows(put(tmp_path, "activitynet-rtl"))
    assert brief(row) == ("uqiMw7tQ1Cc", "When does she dive?", [(12.5, 20)], 60)
    assert row.extra["answer"].endswith("before.")
    rows = read_rows(put(tmp_path, "activitynet-rtl", json.dumps(RTL_TRAIN)))
    assert rows[0].windows == [(25.5, 30)]  # in whatever order
    assert rows[1].windows == [] and rows[1].extra["relevant_windows"] is None


def test_next_gqa_finds_its_questions_beside_it(tmp_path):
    path = put(tmp_path, "next-gqa")
    rows = read_rows(path)
    assert [brief(r)[1:3] for r in rows] == [
        ("why is he there", [(1.2, 5.8)]),
        ("what does he do, then", [(12.1, 17.1), (20, 23.5)]),
    ]
    assert rows[1].qid == "10001787725_3" and rows[1].extra["answer"] == "bow"
    (tmp_path / "val.csv").unlink()
    with pytest.raises(AnnotationError, match=r":1: .*val\.csv"):
        read_rows(path)


def test_a_name_that_is_no_format_gets_the_nearest(tmp_path):
    with pytest.raises(BadInput, match="did you mean 'charades-sta'"):
        read_rows(put(tmp_path, "charades-sta"), "charades")
    (tmp_path / "a.xyz").write_text("Dear diary\n")
    with pytest.raises(AnnotationError, match="jsonl, charades-sta"):
        read_rows(tmp_path / "a.xyz")
    with pytest.raises(AnnotationError, match="empty"):
        (tmp_path / "b.json").write_text("")
        read_rows(tmp_path / "b.json")


def test_a_member_that_stands_twice_is_read_twice(tmp_path):
    video = json.dumps(ACTIVITYNET["v_two"])
    path = put(tmp_path, "activitynet-captions", f'{{"v": {video}, "v": {video}}}')
    assert len(read_rows(path)) == 2


@pytest.mark.parametrize(
    "name,changed,says",
    [
        ("charades-sta", "A 1 2##x\nB 1##x", ":2: .*vid start end##sentence"),
        ("charades-sta", "A 1 2##x\n\nB 1 two##x", ":3: end is 'two'"),
        ("charades-sta", "A 1 inf##x", ":1: end is 'inf'"),
        ("charades-sta", "A 1 2####x", ":1: no glance"),
        ("activitynet-captions", '{\n"v": {"duration": 9, "timestamps": [[1, 2]],\n'
         '"sentences": []}}', ":2: 'v': there are 0 sentences but 1 timestamps"),
        ("activitynet-captions", '{"v": []}', ":1: 'v': .* a list of 0; it must be an object"),
        ("activitynet-captions", '{"v": {"timestamps": []}}', ":1: 'v': the key 'sentences'"),
        ("activitynet-captions", '{"v": {"timestamps": [[1, true]], "sentences": ["x"]}}',
         "an end in timestamps is True"),
        ("activitynet-captions", '{"v": {"timestamps": [[1, NaN]], "sentences": ["x"]}}', "nan"),
        ("activitynet-captions", '{\n"v": {},\n', ":2: 'v': the key 'sentences'"),
        ("didemo", '[{"times": []', ":1: not JSON"),
        ("didemo", "[1, 2]", ":1: '0': .* 1; it must be an object"),
        ("tmr", '{"m": {"annotations": [{"text": 5, "start": 0, "end": 1}]}}', "text is 5"),
        ("babel", '{"m": {"dur": "9"}}', "dur is '9'"),
        ("humanml3d", "a#b#1", "caption#tokens#start#end"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, name, changed, says):
    path = put(tmp_path, name, changed)
    with pytest.raises(AnnotationError, match=says) as error:
        read_rows(path, name)
    assert str(error.value).startswith(f"{path}:") and "\n" not in str(error.value)
