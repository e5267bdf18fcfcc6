"""What is called wrong, what is repaired, and what durations are believed."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.annotations import Row, check, read, samples_of
from grounding.annotations.checking import KINDS, repaired
from grounding.annotations.durations import Recording, measure, read_durations, timed
from grounding.errors import AnnotationError, BadInput
from tests.media.recordings import render

GOOD = Row(1, "v", "a dog barks", [(1.0, 2.0)], 10.0, 0)


def kinds(*rows, **options):
    return [problem.kind for problem in check(rows, **options)]


def test_nothing_is_wrong_with_a_good_row():
    other = replace(GOOD, text="a cat meows")
    assert kinds(GOOD, other, replace(GOOD, vid="w", glance=1.0)) == []


@pytest.mark.parametrize(
    "changed,expected",
    [
        ({"windows": [(2.0, 1.0)]}, ["start >= end"]),
        ({"windows": [(2.0, 2.0)]}, ["start >= end"]),
        ({"windows": [(2.0, 2.0)], "extra": {"supervision": "glance"}}, []),
        ({"windows": [(1.0, 10.01)]}, ["past the end"]),
        ({"windows": [(1.0, 10.0 + 1e-9)]}, []),
        ({"windows": [(11.0, 12.0)]}, ["past the end"]),
        ({"windows": [(-1.0, 2.0)]}, ["negative time"]),
        ({"windows": [(12.0, -1.0)]}, ["start >= end", "negative time", "past the end"]),
        ({"glance": 2.5}, ["glance outside its moment"]),
        ({"glance": 2.0}, []),
        ({"glance": 10.5}, ["glance outside the recording"]),
        ({"glance": -0.5}, ["glance outside the recording"]),
        ({"glance": 5.0, "windows": []}, []),
        ({"text": " \t"}, ["empty text"]),
        ({"duration": None}, ["missing duration"]),
        ({"duration": None, "windows": [(50.0, 60.0)]}, ["missing duration"]),
        ({"duration": 0.0}, ["missing duration"]),
    ],
)
def test_each_kind_is_told_with_line_and_value(changed, expected):
    row = replace(GOOD, line=7, **changed)
    problems = check([row])
    assert [p.kind for p in problems] == expected
    assert all(p.line == 7 and p.vid == "v" and p.value for p in problems)


def test_repeated_queries_are_held_against_the_first():
    again = replace(GOOD, line=2, text=" A dog  BARKS ")
    away = replace(GOOD, line=3, windows=[(2.0, 3.0), (8.0, 9.0)])
    elsewhere = replace(GOOD, line=4, vid="w")
    problems = check([GOOD, again, away, elsewhere])
    assert [(p.kind, p.line) for p in problems] == [
        ("same query, disjoint moment", 3),
        ("same sentence twice", 2),
    ]
    assert "2 to 3 s" in problems[0].value and "line 1: 1 to 2 s" in problems[0].value


span = st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda w: w[0] != w[1])


@given(st.lists(span, min_size=1, max_size=6), span)
def test_disjoint_means_that_no_time_is_shared(before, window):
    kind = kinds(replace(GOOD, windows=before), replace(GOOD, windows=[window]))[-1]
    shared = any(min(max(window), max(w)) > max(min(window), min(w)) for w in before)
    assert kind == ("same sentence twice" if shared else "same query, disjoint moment")


@pytest.mark.parametrize("at,shared", [(1.5, True), (2.0, True), (3.0, False)])
def test_an_instant_is_shared_where_it_lies_in_a_moment(at, shared):
    for pair in ([GOOD.windows, [(at, at)]], [[(at, at)], GOOD.windows]):
        kind = kinds(*(replace(GOOD, windows=windows) for windows in pair))[-1]
        assert (kind == "same sentence twice") == shared


def test_a_duration_may_be_a_frame_off_but_not_more():
    media = {"v": Recording(10.0, 0.04)}
    assert kinds(replace(GOOD, duration=10.04), media=media) == []
    assert kinds(replace(GOOD, duration=10.05), media=media) == [
        "duration differs from the recording"
    ]
    other = replace(GOOD, vid="w")
    assert kinds(GOOD, other, replace(other, text="x"), media=media) == ["no recording"]


def test_a_hundred_thousand_rows_are_judged_in_linear_time():
    windows = [(i / 10, i / 10 + 0.05) for i in range(2000)]
    rows = [replace(GOOD, windows=windows, duration=1e6), *[GOOD] * 100_000]
    before = time.process_time()
    assert len(check(rows)) == 100_000
    assert time.process_time() - before < 10


@pytest.mark.parametrize(
    "changed,becomes",
    [
        ({"windows": [(2.0, 1.0)]}, {"windows": [(1.0, 2.0)]}),
        ({"windows": [(-1.0, 20.0)]}, {"windows": [(0.0, 10.0)]}),
        ({"windows": [(1.0, 2.0), (11.0, 12.0)]}, {"windows": [(1.0, 2.0)]}),
        ({"windows": [(11.0, 12.0)]}, None),
        ({"windows": [(10.0, 10.0)]}, {}),  # an instant stays one
        ({"glance": 2.5}, {"glance": 2.0}),
        ({"glance": 12.0, "windows": [(8.0, 11.0)]}, {"glance": 10.0, "windows": [(8.0, 10.0)]}),
        ({"glance": 12.0, "windows": []}, {"glance": 10.0}),
        ({"text": ""}, {}),
        ({"duration": None}, {}),
    ],
)
def test_times_are_repaired_and_told(changed, becomes):
    row = replace(GOOD, **changed)
    rows, changes = repaired([row])
    assert rows == ([] if becomes is None else [replace(row, **becomes)])
    assert bool(changes) == (becomes != {})
    assert all("->" in change.value for change in changes)


def test_the_recording_knows_better():
    rows, changes = repaired(
        [replace(GOOD, windows=[(1.0, 9.0)])], media={"v": Recording(8.0, 0.04)}
    )
    assert rows[0].duration == 8.0 and rows[0].windows == [(1.0, 8.0)]
    assert len(changes) == 2


times = st.floats(-20, 40)
rough = st.builds(
    Row,
    line=st.integers(1, 99),
    vid=st.sampled_from(["v", "w"]),
    text=st.sampled_from(["x", "y", ""]),
    windows=st.lists(st.tuples(times, times), max_size=3),
    duration=st.none() | st.floats(1, 30),
    glance=st.none() | times,
)


@given(st.lists(rough, max_size=5))
def test_repairing_leaves_no_wrong_time_and_changes_no_good_row(rows):
    media = {"v": Recording(12.0, 0.04)}
    mended, changes = repaired(rows, media=media)
    left = Counter(kinds(*mended, media=media))
    instants = sum(a == b for row in mended for a, b in row.windows)
    assert left["start >= end"] == instants
    for kind in KINDS[3:4] + KINDS[5:9]:
        assert left[kind] == 0
    assert repaired(mended, media=media) == (mended, [])
    wrong = {(p.line, p.vid, p.text) for p in check(rows, media=media)}
    assert {(p.line, p.vid, p.text) for p in changes} <= wrong


def test_samples_need_good_times_or_a_repair(tmp_path):
    row = replace(GOOD, windows=[(1.0, 12.0)], line=3)
    path = tmp_path / "a.txt"
    with pytest.raises(AnnotationError, match=r"a\.txt:3: 'v': end 12.0 s .*--clamp"):
        samples_of([row], path=path)
    assert samples_of([row], path=path, lenient=True)[0].windows[0].end == 12.0
    assert samples_of([row], path=path, clamp=True)[0].windows[0].end == 10.0
    with pytest.raises(AnnotationError, match="--clamp"):
        samples_of([replace(GOOD, windows=[(-1.0, 1.0)])], path=path, lenient=True)
    with pytest.raises(AnnotationError, match="--durations or --media"):
        samples_of([replace(GOOD, duration=None)], path=path)
    assert (
        samples_of([replace(GOOD, duration=None)], path=path, durations={"v": 9})[0].duration == 9
    )
    with pytest.raises(AnnotationError, match="line 1 too"):
        samples_of([GOOD, replace(GOOD, line=2)], path=path)


def test_a_query_left_out_does_not_rename_the_others(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("v 20 30##gone\nv 1 2##stays\n")
    (sample,) = read(path, durations={"v": 10.0}, clamp=True)
    assert sample.qid == 1


def test_durations_of_a_table(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,10\n\nb , 2.5,more\n")
    assert read_durations(path) == {"a": 10.0, "b": 2.5}
    # as Charades_v1_train.csv has them, among others and in another order
    path.write_text('id,actions,length\nAO8RW,"c1 0 1, c2",33.67\n')
    assert read_durations(path) == {"AO8RW": 33.67}
    for text, says in [
        ("a,10\nb,ten\n", ":2: duration is 'ten'"),
        ("a,10\nb\n", ":2: it has 1 columns"),
        ("a,0\n", ":1: duration 0 s"),
        ("a,1\na,2\n", ":2: 'a' has 1 s further up"),
        ("a,nan\n", ":1: duration is 'nan'"),
        ('a,"1\n', ":1: .*"),
    ]:
        path.write_text(text)
        with pytest.raises(AnnotationError, match=says):
            read_durations(path)


def test_durations_given_go_before_the_files_own_and_those_before_the_recordings():
    rows = [GOOD, replace(GOOD, vid="w", duration=None), replace(GOOD, vid="x", duration=None)]
    media = {vid: Recording(7.0, 0.04) for vid in "vw"}
    assert [r.duration for r in timed(rows, None, media)] == [10.0, 7.0, None]
    assert [r.duration for r in timed(rows, {"v": 5.0, "w": 6.0}, media)] == [5.0, 6.0, None]


def test_recordings_are_measured_by_name_with_or_without_suffix(tmp_path):
    (tmp_path / "deep").mkdir()
    render(tmp_path / "deep" / "v.mp4", frames=50, rate=25)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    found = measure(tmp_path, ["v", "v.mp4", "broken", "lost"])
    assert set(found) == {"v", "v.mp4"}
    assert found["v"].duration == pytest.approx(2.0) and found["v"].frame == pytest.approx(0.04)
    with pytest.raises(BadInput, match="no recording of these annotations, as 'lost'"):
        measure(tmp_path, ["lost"])
    with pytest.raises(BadInput, match="no such folder"):
        measure(tmp_path / "none", ["v"])
    render(tmp_path / "v.mkv", frames=5)
    with pytest.raises(BadInput, match="same name"):
        measure(tmp_path, ["v"])
