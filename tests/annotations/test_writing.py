"""Files and folders of every format."""

import html
import itertools
import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.annotations.formats import FORMATS
from grounding.annotations.row import Format, Options
from grounding.annotations.writing import write_files
from grounding.cues import sentence
from grounding.errors import AnnotationError
from grounding.naming import file_stem, name_of
from grounding.types import Moment, Query, Sample
from tests.annotations.samples import HOSTILE, sample_of

OPTIONS = Options(rate=Fraction(25))
TOOLS = ["fiftyone", "label-studio", "elan", "vtt", "srt", "edl", "csv"]
PER_RECORDING = [name for name in FORMATS if FORMATS[name].per_recording]
VIDS = [
    "kitchen", "../up", "/etc/passwd", "a/b/c", "..", ".hidden", "con", "NUL.x", "x\ny\0z", "50%",
    "%2F", "back\\slash", "Dog", "dog", "DOG", "caf\u00e9", "cafe\u0301", "狗", "end.",
    " space ", "a:b*?",
]  # fmt: skip


def dataset(vids):
    return [
        Sample(Query(f"a dog in {vid!r}", n, vid), 60.0, (Moment(1.0, 2.0), Moment(3.0, 4.0)))
        for n, vid in enumerate(vids)
    ]


def test_which_formats_are_about_one_recording():
    assert PER_RECORDING == ["elan", "vtt", "srt", "edl"]


@pytest.mark.parametrize("name", PER_RECORDING)
def test_a_folder_gets_a_file_for_each_recording_and_none_leaves_it(tmp_path, name):
    out = tmp_path / "deep" / "out"
    some = dataset(VIDS)
    paths = write_files(out, some, FORMATS[name], OPTIONS)
    assert sorted(paths) == sorted(p for p in tmp_path.rglob("*") if p.is_file())
    assert len({str(path).casefold() for path in paths}) == len(VIDS)
    assert all(path.parent == out and not path.name.startswith(".") for path in paths)
    rows = list(FORMATS[name].read(out, OPTIONS))
    assert {(r.vid, r.text, *r.windows) for r in rows} == {
        (s.vid, s.query.text if name != "srt" else " ".join(s.query.text.split()),
         (1.0, 2.0), (3.0, 4.0))
        for s in some
    }  # fmt: skip
    assert {row.source for row in rows} == set(paths)
    if name != "srt":
        assert sorted(map(repr, map(sample_of, rows))) == sorted(map(repr, some))


@pytest.mark.parametrize("name", TOOLS)
def test_one_file_where_one_holds_all(tmp_path, name):
    out = tmp_path / f"new{FORMATS[name].suffixes[0]}"
    some = dataset(["kitchen"] if FORMATS[name].per_recording else VIDS)
    assert write_files(out, some, FORMATS[name], OPTIONS) == [out]
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    assert len(list(FORMATS[name].read(out, OPTIONS))) == len(some)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
    | st.sampled_from(VIDS)
)
def test_a_name_comes_back_and_is_one_safe_part_of_a_path(vid):
    for is_twin in (False, True):
        try:
            stem = file_stem(vid, is_twin)
        except ValueError:
            assert len(vid.encode()) > 200 / 3
            continue
        assert name_of(stem) == vid
        assert Path(f"{stem}.vtt").name == f"{stem}.vtt" and Path("x", f"{stem}.vtt").stem == stem
        assert not set(stem) & set('<>:"/\\|?*\0\n') and stem.strip(". ") == stem


@pytest.mark.parametrize("vid", ["", "x" * 201, "\ud800"])
def test_what_cannot_name_a_file_is_said(tmp_path, vid):
    with pytest.raises(AnnotationError, match="cannot name a file"):
        write_files(tmp_path / "out", dataset([vid]), FORMATS["srt"], OPTIONS)


def test_nothing_is_written_when_one_recording_cannot_be(tmp_path):
    bad = Sample(Query("half \ud83d", 2, "b"), 9.0, (Moment(1, 2),))
    for name in ("srt", "vtt", "fiftyone"):
        out = tmp_path / "out" if FORMATS[name].per_recording else tmp_path / "out.json"
        with pytest.raises(AnnotationError, match=r"half \\ud83d' is no Unicode"):
            write_files(out, [*dataset(["a"]), bad], FORMATS[name], OPTIONS)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_says_so(tmp_path):
    some = dataset(["a", "b"])
    with pytest.raises(AnnotationError, match="holds one recording, and the samples are of 2"):
        write_files(tmp_path / "x.vtt", some, FORMATS["vtt"], OPTIONS)
    with pytest.raises(AnnotationError, match="frame rate is not known"):
        write_files(tmp_path / "x", some, FORMATS["edl"], Options())
    (tmp_path / "file").touch()
    with pytest.raises(AnnotationError, match="is a file; name a folder"):
        write_files(tmp_path / "file", some, FORMATS["vtt"], OPTIONS)
    only = Format(FORMATS["vtt"].read, FORMATS["vtt"].looks, (".x",), "tables of others")
    with pytest.raises(AnnotationError, match="tables of others is read alone"):
        write_files(tmp_path / "x", some, only, OPTIONS)


def test_a_folder_without_such_files_says_so(tmp_path):
    (tmp_path / ".hidden.vtt").write_text("WEBVTT\n")
    with pytest.raises(AnnotationError, match=r"no file called \*\.vtt in it"):
        list(FORMATS["vtt"].read(tmp_path, OPTIONS))
    with pytest.raises(AnnotationError, match="its files name their recordings"):
        list(FORMATS["vtt"].read(tmp_path, Options(vid="v")))


def test_an_error_in_a_folder_names_the_file(tmp_path):
    (tmp_path / "a.vtt").write_text("WEBVTT\n")
    (tmp_path / "b.vtt").write_text("nothing\n")
    with pytest.raises(AnnotationError, match=r"b\.vtt:1: begins with no WEBVTT"):
        list(FORMATS["vtt"].read(tmp_path, OPTIONS))


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_ffmpeg_reads_the_cues_that_we_write(tmp_path, name):
    texts = [text for text in HOSTILE if sentence(text)]
    some = [
        Sample(Query(text, n, "v"), 9999.0, (Moment(10.0 * n, 10.0 * n + 2.125),))
        for n, text in enumerate(texts, 360)
    ]
    path = tmp_path / f"v.{name}"
    write_files(path, some, FORMATS[name], OPTIONS)
    with av.open(path) as container:
        packets = [p for p in container.demux(container.streams.subtitles[0]) if p.size]
    assert [float(p.pts * p.time_base) for p in packets] == [s.windows[0].start for s in some]
    assert {float(p.duration * p.time_base) for p in packets} == {2.125}
    plain = [bytes(p).decode() for p in packets]
    if name == "vtt":
        assert [html.unescape(text) for text in plain] == [sentence(text) for text in texts]
    else:  # but for the joiners that keep tags and arrows apart
        bare = [text.replace("\u2060", "") for text in plain]
        assert bare == [sentence(text).replace("\u2060", "") for text in texts]
        assert not [text for text in plain if re.search(r"</?\w|\{\\|-->", text)]


def test_elan_files_are_as_its_schema_wants_them(tmp_path):
    windows = (Moment(0, 5.0), Moment(1.0, 2.0), Moment(2.0, 2.0), Moment(4.5, 6.0))
    some = [Sample(Query(text, n, "v"), 9.0, windows) for n, text in enumerate(["a", "b & <c>"])]
    (path,) = write_files(tmp_path / "v.eaf", some, FORMATS["elan"], OPTIONS)
    root = ElementTree.parse(path).getroot()
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
    assert [tag for tag, _ in itertools.groupby(child.tag for child in root)] == order
    assert (root.get("FORMAT"), root.find("HEADER").get("TIME_UNITS")) == ("3.0", "milliseconds")
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE")) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values()) and len(slots) == 16
    types = {t.get("LINGUISTIC_TYPE_ID"): t for t in root.iter("LINGUISTIC_TYPE")}
    tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
    names = [a.get("ANNOTATION_ID") for tier in tiers.values() for a in tier.findall("*/*")]
    assert len(set(names)) == len(names) == 16
    last = [p.text for p in root.iter("PROPERTY") if p.get("NAME") == "lastUsedAnnotationId"]
    assert max(int(name[1:]) for name in names) == int(last[0])
    used = []
    for tier in tiers.values():
        assert tier.get("LINGUISTIC_TYPE_REF") in types
        free = 0
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            pair = [annotation.get(f"TIME_SLOT_REF{n}") for n in (1, 2)]
            start, end = (slots[ref] for ref in pair)
            assert free <= start < end
            used, free = used + pair, end
        parent = tiers.get(tier.get("PARENT_REF"))
        own = (
            {a.get("ANNOTATION_ID") for a in parent.findall("*/*")} if parent is not None else set()
        )
        assert {a.get("ANNOTATION_REF") for a in tier.iter("REF_ANNOTATION")} == own
    assert sorted(used) == sorted(slots)
