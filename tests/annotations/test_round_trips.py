"""There and back again, through every format of a tool."""

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grounding.annotations.formats import FORMATS
from grounding.annotations.row import Options
from grounding.cues import sentence
from grounding.timecode import RATES
from grounding.types import Moment, Query, Sample
from tests.annotations.samples import HOSTILE, NTSC, sample_of, samples

EXACT = ["fiftyone", "label-studio", "elan", "vtt", "edl", "csv"]
OPTIONS = Options(rate=NTSC)
patient = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def there_and_back(folder, name, some, options=OPTIONS):
    path = folder / f"kitchen{FORMATS[name].suffixes[0]}"
    text = FORMATS[name].write(some, options)
    assert FORMATS[name].looks(text[: 1 << 16]) or not text
    path.write_text(text, encoding="utf-8", newline="")
    return list(FORMATS[name].read(path, options))


def grouped(some):
    """Tools keep a recording's queries together; the order inside is ours."""
    recordings = {}
    for sample in some:
        recordings.setdefault(sample.vid, []).append(sample)
    return [sample for group in recordings.values() for sample in group]


@pytest.mark.parametrize("name", EXACT)
@patient
@given(some=samples(vids=st.just("kitchen")))
def test_every_key_comes_back_exactly(tmp_path, name, some):
    rows = there_and_back(tmp_path, name, some)
    key = repr if name == "fiftyone" else None  # it has no place among the others for the absent
    back = [sample_of(row) for row in rows]
    assert sorted(back, key=repr) == sorted(some, key=repr) if key else back == some


@pytest.mark.parametrize("name", ["fiftyone", "label-studio", "csv"])
@patient
@given(some=samples())
def test_a_file_of_many_recordings_comes_back_exactly(tmp_path, name, some):
    back = [sample_of(row) for row in there_and_back(tmp_path, name, some)]
    assert sorted(back, key=repr) == sorted(some, key=repr)


@patient
@given(some=samples(vids=st.just("kitchen")))
def test_label_studio_regions_in_seconds_come_back_exactly(tmp_path, some):
    rows = there_and_back(tmp_path, "label-studio", some, Options())
    assert [sample_of(row) for row in rows] == some


def without_records(name, text):
    """The file after a program that keeps no comments and no fields of ours."""
    marks = {"vtt": ("NOTE grounding",), "edl": ("* GROUNDING", "* COMMENT", "* FRAME RATE")}
    lines = [line for line in text.split("\n") if not line.startswith(marks.get(name, "\0"))]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [t for t in HOSTILE if sentence(t)])
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_without_our_notes_keep_the_sentence_on_sentence(tmp_path, name, text):
    sample = Sample(Query(text, 1, "v"), 9.0, (Moment(1, 2), Moment(3, 4.0005)))
    path = tmp_path / f"v.{name}"
    path.write_text(
        without_records(name, FORMATS[name].write([sample], OPTIONS)),
        encoding="utf-8",
        newline="",
    )
    (row,) = FORMATS[name].read(path, Options())
    assert row.text == sentence(text)
    assert row.windows == [(1.0, 2.0), (3.0, pytest.approx(4.0005, abs=0.001))]
    assert (row.vid, row.qid, row.duration, row.extra) == ("v", None, None, {})


@patient
@given(some=samples(vids=st.just("kitchen")))
def test_subrip_keeps_times_to_a_millisecond(tmp_path, some):
    wanted = {}
    for sample in some:
        for window in sample.windows:
            wanted.setdefault(sentence(sample.query.text), []).append((window.start, window.end))
    rows = there_and_back(tmp_path, "srt", some)
    assert {row.text for row in rows} == set(wanted)
    for row in rows:
        for start, end in wanted[row.text]:
            near = [w for w in row.windows if math.dist(w, (start, end)) < 0.0021]
            assert any(abs(a - start) <= 0.00051 and abs(b - end) <= 0.0015 for a, b in near)


@patient
@given(
    frame=st.integers(0, 40 * 3600 * 60),
    length=st.integers(1, 10**6),
    rate=st.sampled_from(RATES),
)
@example(frame=10 * 3600 * 30, length=1, rate=NTSC)
def test_an_edit_list_alone_keeps_every_frame_without_drift(tmp_path, frame, length, rate):
    start, end = float(frame / rate), float((frame + length) / rate)
    sample = Sample(Query("a dog", 1, "v"), 1e6, (Moment(start, end),))
    path = tmp_path / "v.edl"
    path.write_text(without_records("edl", FORMATS["edl"].write([sample], Options(rate=rate))))
    (row,) = FORMATS["edl"].read(path, Options(rate=rate))
    assert (row.vid, row.text, row.windows) == ("v", "a dog", [(start, end)])


def test_an_edit_list_of_ours_knows_its_rate(tmp_path):
    sample = Sample(Query("a dog", 1, "v"), 40_000.0, (Moment(36_000.0, 36_001.5),))
    path = tmp_path / "v.edl"
    path.write_text(FORMATS["edl"].write([sample], OPTIONS))
    assert [sample_of(row) for row in FORMATS["edl"].read(path, Options())] == [sample]


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.parametrize(
    "name,moved,renamed",
    [
        ("vtt", ("00:00:05.000", "00:00:05.500"), ("\na dog", "\na cat")),
        ("elan", ('"5000"', '"5500"'), (">a dog", ">a cat")),
        ("edl", ("00:00:05:00 00:00:06", "00:00:05:05 00:00:06"), ("E: a dog", "E: a cat")),
        ("label-studio", ('"start": 51', '"start": 56'), ('[\n        "a dog', '["a cat')),
        ("fiftyone", ("[\n     5.0", "[\n     5.5"), ('"label": "a dog', '"label": "a cat')),
    ],
)  # fmt: skip
def test_what_was_edited_in_the_tool_counts_and_the_rest_is_exact(tmp_path, name, moved, renamed):
    options = Options(rate=Fraction(10))
    exact = 1.00004
    sample = Sample(
        Query("a dog barks", "7", "v"),
        9.123456,
        (Moment(exact, 2.0), Moment(5.0, 6.0)),
        1.5,
        "sound",
        extra={"fg_dB": -3},
    )
    path = tmp_path / f"v{FORMATS[name].suffixes[0]}"
    path.write_text(FORMATS[name].write([sample], options))
    edit(path, moved)
    (row,) = FORMATS[name].read(path, options)
    assert row.windows == [(exact, 2.0), (5.5, 6.0)]
    edit(path, renamed)
    (row,) = FORMATS[name].read(path, options)
    assert (row.text, row.windows) == ("a cat barks", [(exact, 2.0), (5.5, 6.0)])
    assert (row.qid, row.duration, row.glance, row.needs) == ("7", 9.123456, 1.5, "sound")
    assert row.extra == {"fg_dB": -3}


def test_a_query_whose_cues_were_deleted_is_gone_and_a_new_cue_is_a_query(tmp_path):
    some = [
        Sample(Query("a dog barks", 1, "v"), 9.0, (Moment(1, 2),)),
        Sample(Query("a cat purrs", 2, "v"), 9.0, ()),
        Sample(Query("a door opens", 3, "v"), 9.0, (Moment(3, 4),)),
    ]
    path = tmp_path / "v.vtt"
    path.write_text(FORMATS["vtt"].write(some, Options()))
    edit(path, ("1-1\n00:00:01.000 --> 00:00:02.000\na dog barks\n\n", ""))
    path.write_text(path.read_text() + "\n00:05.000 --> 00:06.000\na bell\n")
    rows = list(FORMATS["vtt"].read(path, Options()))
    assert [(row.qid, row.text, row.windows) for row in rows] == [
        (2, "a cat purrs", []),
        (3, "a door opens", [(3.0, 4.0)]),
        ("v#1", "a bell", [(5.0, 6.0)]),
    ]


def test_one_cue_of_two_renamed_makes_two_queries(tmp_path):
    sample = Sample(Query("a dog", 1, "v"), 9.0, (Moment(1, 2), Moment(3, 4)))
    path = tmp_path / "v.vtt"
    path.write_text(FORMATS["vtt"].write([sample], Options()))
    edit(path, ("04.000\na dog", "04.000\na wolf"))
    rows = list(FORMATS["vtt"].read(path, Options()))
    assert [(row.text, row.windows) for row in rows] == [
        ("a dog", [(1.0, 2.0)]),
        ("a wolf", [(3.0, 4.0)]),
    ]


@pytest.mark.parametrize("name", EXACT)
def test_a_qid_twice_cannot_be_written(name):
    some = [Sample(Query(text, 1, "v"), 9.0, (Moment(1, 2),)) for text in ("a", "b")]
    with pytest.raises(ValueError, match="qid 1 stands twice"):
        FORMATS[name].write(some, OPTIONS)


@pytest.mark.parametrize("name", EXACT)
def test_a_query_whose_moments_nobody_gave_stays_one(tmp_path, name):
    some = [
        Sample(Query("a dog", 1, "v"), 9.0, (), extra={"relevant_windows": None}),
        Sample(Query("a cat", 2, "v"), 9.0, ()),
    ]
    assert [sample_of(row) for row in there_and_back(tmp_path, name, some)] == some


def test_moments_that_a_table_gives_count_whatever_stood_there_before(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("qid,vid,query,start,end,relevant_windows\n1,v,a dog,1,2,null\n")
    (row,) = FORMATS["csv"].read(path, Options())
    assert (row.windows, row.extra) == ([(1.0, 2.0)], {})
