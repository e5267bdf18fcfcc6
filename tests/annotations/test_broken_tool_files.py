"""Whatever a file holds, it is read or refused in one line that names it and the place."""

import json
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.annotations.formats import FORMATS
from grounding.annotations.row import Options
from grounding.errors import AnnotationError
from grounding.types import Moment, Query, Sample
from tests.annotations.samples import NTSC, values
from tests.annotations.test_tool_files import EAF, EDL, SHEET, SRT, VTT, fiftyone_field, timeline

OPTIONS = Options(rate=NTSC)
WHOLE = {
    "fiftyone": json.dumps({"labels": {"v": [{"label": "x", "support": [1, 2]}]}}, indent=1),
    "label-studio": json.dumps(
        [{"data": {"video": "v.mp4"}, "annotations": [{"result": [timeline("A", 1, 2)]}]}], indent=1
    ),
    "elan": EAF, "vtt": VTT, "srt": SRT, "edl": EDL,
    "csv": SHEET,
}  # fmt: skip
OURS = [
    Sample(
        Query("a dog", 1, "v"), 9.0, (Moment(1, 2), Moment(1.5, 3)), 1.5, "sound", ([1],), {"k": 1}
    ),
    Sample(Query("a cat", "1", "v"), 9.0, ()),
]
lenient = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def rows_or_one_line(folder, name, data):
    """Rows, or the error's line number."""
    path = folder / f"x{FORMATS[name].suffixes[0]}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    try:
        return list(FORMATS[name].read(path, OPTIONS))
    except AnnotationError as error:
        match = re.match(rf"{re.escape(str(path))}:(\d+): ", str(error))
        assert match and "\n" not in str(error), str(error)
        return int(match[1])


@pytest.mark.parametrize("name", WHOLE)
@lenient
@given(data=st.data())
def test_a_truncated_or_damaged_file_is_read_or_refused(tmp_path, name, data):
    text = data.draw(st.sampled_from([WHOLE[name], FORMATS[name].write(OURS, OPTIONS)]))
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(at + 20, len(text))) | st.just(len(text)))
    junk = data.draw(
        st.sampled_from(
            ["", "\0", '"', "<", "-1", "1e400", "9" * 401, "9" * 5000, "[" * 200, "-->"]
        )
        | st.text(max_size=5)
    )
    rows_or_one_line(tmp_path, name, text[:at] + junk + text[until:])


@pytest.mark.parametrize("name", WHOLE)
@lenient
@given(junk=st.binary(max_size=60) | st.text(max_size=60))
def test_junk_is_refused_or_empty(tmp_path, name, junk):
    rows_or_one_line(tmp_path, name, junk)


@pytest.mark.parametrize("name", ["fiftyone", "label-studio"])
@lenient
@given(data=st.data())
def test_json_of_another_shape_is_read_or_refused(tmp_path, name, data):
    """One value somewhere in a good file is another one."""
    field = {"samples": [{"filepath": "v.mp4", "ground_truth": fiftyone_field("x")}]}
    good = json.loads(data.draw(st.sampled_from([WHOLE[name], json.dumps(field)])))
    places = []

    def walk(inside):
        for key in range(len(inside)) if isinstance(inside, list) else list(inside):
            places.append((inside, key))
            if isinstance(inside[key], list | dict):
                walk(inside[key])

    walk(good)
    inside, key = data.draw(st.sampled_from(places))
    inside[key] = data.draw(values | st.just(10**400) | st.just(float("inf")))
    rows_or_one_line(tmp_path, name, json.dumps(good))


@pytest.mark.parametrize("name", WHOLE)
def test_a_truncated_file_says_where(tmp_path, name):
    cut = {
        "fiftyone": WHOLE["fiftyone"][:-20], "label-studio": WHOLE["label-studio"][:-30],
        "elan": EAF[:900], "vtt": "WEBVTT\n\n00:01.000 --> 00:0", "csv": SHEET + '1;v;"closed',
        "srt": SRT + "5\n01:00:02,000", "edl": EDL + "005  AX  V  C  00:00:1",
    }[name]  # fmt: skip
    assert rows_or_one_line(tmp_path, name, cut) == {
        "fiftyone": 8, "label-studio": 25, "elan": 16, "vtt": 3, "csv": 7, "srt": 17, "edl": 17,
    }[name]  # fmt: skip


@pytest.mark.parametrize(
    "name,old,new,line,says",
    [
        ("fiftyone", "[1, 2]", "[1, %s]" % ("9" * 400), 1, "many frames"),
        ("fiftyone", "[1, 2]", "[1, 2.5]", 1, "two frame numbers"),
        ("fiftyone", '"support": [1, 2]', '"timestamps": [0, 1e400]', 1, "end is inf"),
        ("fiftyone", '"support": [1, 2]', '"timestamps": [0, "soon"]', 1, "'soon' is no time"),
        ("fiftyone", '"support": [1, 2]', '"timestamps": "x"', 1, "list of two numbers"),
        ("fiftyone", '"label": "x"', '"line": "{}"', 1, "has no 'vid'"),
        ("label-studio", '"end": 2', '"end": 1e400', 1, "must be a frame's number"),
        ("label-studio", '"end": 2', '"end": "2"', 1, "must be a frame's number"),
        ("label-studio", '"v.mp4"', "7", 1, "names no video or audio"),
        ("elan", 'TIME_VALUE="780"', 'TIME_VALUE="1e400"', 13, "must be a whole number"),
        ("elan", 'TIME_VALUE="780"', "", 20, "'a1' has no times"),
        ("elan", 'ANNOTATION_REF="a4"', 'ANNOTATION_REF="a5"', 45, "refers to 'a5'"),
        ("elan", ' TIER_ID="note"', "", 36, "TIER_ID is missing"),
        ("elan", "milliseconds", "fortnights", 5, "TIME_UNITS 'fortnights'"),
        ("vtt", "WEBVTT", "WEBVTTX", 1, "begins with no WEBVTT"),
        ("vtt", "01:00:00.250", "01:00:99.250", 15, "is no time"),
        ("vtt", "01:00:00.250 --> 01:00:01.000\n", "", 15, "is no cue"),
        ("srt", "00:00:01,000", "00:00:61,000", 2, "is no time"),
        ("srt", "00:00:03,000 -->", "soon -->", 6, "begins a cue without times"),
        ("srt", "1\n00:00:01,000", "x\n00:00:01,000", 1, "'x' is no cue"),
        ("edl", "00:00:10:00", "00:00:10:25", 4, "frame 25, but a second has 25"),
        ("edl", "00:00:10:00", "00:00:10;00", 4, "which 25 frames/s do not"),
        ("edl", "00:00:10:00", "10:00", 4, "four timecodes"),
        ("csv", "1,5", "1e400", 2, "start is 1e400"),
        ("csv", "1,5", "-1:05", 2, "is negative"),
        ("csv", "0:03", "", 2, "it has no end"),
        ("csv", "1;kitchen;\"a dog; barks\";4", "1;kitchen;a cat;4", 3, "line 2 of the same query"),
        ("csv", ";x y;", ";x y;;surplus", 5, "'surplus' stands under no heading"),
        ("csv", "File name", "Nothing", 1, "no column video"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_line(tmp_path, name, old, new, line, says):
    compact = {n: json.dumps(json.loads(WHOLE[n])) for n in ("fiftyone", "label-studio")}
    text = {**WHOLE, **compact}[name]
    assert old in text
    path = tmp_path / f"x{FORMATS[name].suffixes[0]}"
    path.write_text(text.replace(old, new, 1))
    rate = Options(rate=25) if name == "edl" else OPTIONS
    with pytest.raises(AnnotationError) as error:
        list(FORMATS[name].read(path, rate))
    assert str(error.value).startswith(f"{path}:{line}: ") and says in str(error.value)


@pytest.mark.parametrize("name", ["fiftyone", "label-studio"])
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"labels":' * 50_000, '{"a": %s}' % ("[" * 100_000), "[%s]" % ("9" * 10_000)],
)
def test_deep_nesting_and_long_numbers_are_refused(tmp_path, name, text):
    assert rows_or_one_line(tmp_path, name, text) == 1


def test_pretty_json_says_the_line_of_the_moment(tmp_path):
    detections = [{"label": "x", "support": [1, 2]}, {"label": "y", "support": [1]}]
    text = json.dumps({"labels": {"v": detections}}, indent=1)
    assert rows_or_one_line(tmp_path, "fiftyone", text) == 11


BOMB = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>
"""


@pytest.mark.parametrize(
    "text,line,says",
    [
        (BOMB, 2, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">\n<x/>', 1, "document type"),
        ('<?xml version="1.0" encoding="nonsense"?>\n<x/>', 1, "encoding"),
        ("<a>" * 100_000, 1, "not XML"),
        ("<x>&undefined;</x>", 1, "not XML"),
        ("", 1, "not XML"),
    ],
)
def test_xml_that_could_harm_is_refused(tmp_path, text, line, says):
    path = tmp_path / "x.eaf"
    path.write_text(text)
    with pytest.raises(AnnotationError) as error:
        FORMATS["elan"].read(path, OPTIONS)
    assert str(error.value).startswith(f"{path}:{line}: ") and says in str(error.value)


@pytest.mark.parametrize("name", WHOLE)
def test_no_file_and_no_unicode(tmp_path, name):
    with pytest.raises(AnnotationError, match="no such file"):
        FORMATS[name].read(tmp_path / "none", OPTIONS)
    assert rows_or_one_line(tmp_path, name, b"WEBVTT\n\n\xff") in (1, 3)


@pytest.mark.parametrize("name", WHOLE)
def test_reading_and_writing_are_linear(tmp_path, name):
    def seconds(count):
        some = [
            Sample(Query(f"dog {n}", n, "v"), 1e6, (Moment(n % 100, n % 100 + 5.0),))
            for n in range(count)
        ]
        path = tmp_path / f"v{FORMATS[name].suffixes[0]}"
        began = time.process_time()
        path.write_text(FORMATS[name].write(some, OPTIONS))
        assert len(list(FORMATS[name].read(path, OPTIONS))) == count
        return time.process_time() - began

    few = min(seconds(500) for _ in range(3))
    assert seconds(5000) < 40 * few + 0.2
