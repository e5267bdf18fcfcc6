import csv
import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grounding.intake
from grounding.annotations import read_samples
from grounding.errors import BadInput, UnreadableMedia
from grounding.intake import BadSheet, find_recordings, intake, parse_time, read_sheet
from grounding.types import Moment

LENGTHS = {"dog": 6.0, "cat": 8.0, "bird": 61.2, "fish": 5.0}


@pytest.fixture(autouse=True)
def probe(monkeypatch):
    def fake(path):
        if Path(path).stem not in LENGTHS:
            raise UnreadableMedia(path, "is not a media file")
        return SimpleNamespace(duration=LENGTHS[Path(path).stem])

    monkeypatch.setattr("grounding.media.video.probe", fake)


@pytest.fixture
def rec(tmp_path):
    folder = tmp_path / "rec"
    (folder / "sub").mkdir(parents=True)
    for name in ("dog.mp4", "sub/cat.MKV", "bird.avi", "fish.mov"):
        (folder / name).write_bytes(name.encode())
    (folder / "notes.txt").write_text("no recording")
    (folder / "._dog.mp4").write_bytes(b"what a Mac leaves behind")
    return folder


def sheet(folder, text, encoding="utf-8"):
    path = folder / "queries.csv"
    path.write_bytes(text.encode(encoding))
    return path


def make(rec, text, **options):
    """Run the intake -> what it says, and every sample as split -> list."""
    out = rec.parent / options.pop("out", "out")
    made = intake(rec, sheet(rec.parent, text), out, **options)
    files = sorted((out / "annotations").glob("*"))
    return made, {path.stem: read_samples(path) for path in files}


def spoken(milliseconds, style, mark):
    whole, rest = divmod(milliseconds, 1000)
    tail = f"{mark}{rest:03d}" if rest else ""
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return {
        "s": f"{whole}{tail}",
        "m": f"{hours * 60 + minutes}:{seconds:02d}{tail}",
        "h": f"{hours}:{minutes:02d}:{seconds:02d}{tail}",
    }[style]


@given(st.integers(0, 99 * 3_600_000), st.sampled_from("smh"), st.sampled_from(".,"))
def test_a_time_comes_back_however_it_is_written(milliseconds, style, mark):
    text = spoken(milliseconds, style, mark)
    two_ways = style == "s" and mark in text and 1000 <= milliseconds < 1_000_000
    if mark == "," and two_ways:
        with pytest.raises(ValueError, match="two ways"):
            parse_time(text)
    else:
        assert parse_time(text) == milliseconds / 1000
        assert parse_time(f"{text} s") == milliseconds / 1000


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_a_value_error(text):
    try:
        assert 0 <= parse_time(text) < 1e10
    except ValueError as error:
        assert ";" in str(error)


@pytest.mark.parametrize(
    "text,seconds",
    [("75", 75), ("1:15", 75), ("12,5", 12.5), ("0:01:15.5", 75.5), ("90:00", 5400), ("1:5s", 65)],
)
def test_times_people_write(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text,says",
    [
        *[(t, "no time") for t in ("", "soon", "1:60", "1:60:00", "1:2:3:4", "1e3", "nan", "٣")],
        *[("-5", "negative"), ("-1:05", "negative"), ("1,234", "two ways")],
    ],
)
def test_what_is_no_time_is_named(text, says):
    with pytest.raises(ValueError, match=says):
        parse_time(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_sheet_is_read_as_programs_save_it(tmp_path, encoding, mark, newline):
    rows = [
        ["", "", "", "", ""],
        ["Begin", "Remarks", "End [s]", "Sentence", "File name"],
        ["1,5", "x", "0:03", f"die Tür{mark} die {mark}zufällt", "dog.mp4"],
        ["", "", "", "", ""],
        ["4", "", "5", 'says "hello"\nand goes', "dog"],
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=mark, lineterminator=newline).writerows(rows)
    found, unused = read_sheet(sheet(tmp_path, text.getvalue(), encoding))
    assert unused == ["Remarks"]
    assert [row.number for row in found] == [3, 5]
    assert [row.video for row in found] == ["dog.mp4", "dog"]
    assert found[0].query == " ".join(rows[2][3].split())
    assert found[1].query == 'says "hello" and goes'
    assert parse_time(found[0].start) == 1.5


def test_the_separator_line_of_excel_is_no_heading(tmp_path):
    rows, _ = read_sheet(sheet(tmp_path, "sep=;\r\nvideo;query;start\r\ndog;a, b;1,250\r\n"))
    assert (rows[0].number, rows[0].query, parse_time(rows[0].start)) == (3, "a, b", 1.25)


@pytest.mark.parametrize(
    "content,says",
    [
        (b"", "is empty; its first line names the columns"),
        (b"dog,it barks,1,2\n", "no column video"),
        (b"video,start,end\ndog,1,2\n", "no column query"),
        (b"video,query,file\ndog,x,dog\n", "'video' and 'file' both mean video"),
        (b"video,query\n\n", "no row"),
        (b"video,query\ndog,\xe4\n", "byte 16 is not UTF-8"),
        (b"\xff\xfev", "not UTF-8"),
        (b'video,query\ndog,x\ndog,"never closed\ndog,y\n', ":3: "),
        (b"x" * 300_000, "no column video"),
        (b"video,query\ndog," + b"x" * 300_000, ":2: "),
    ],
)
def test_what_is_no_sheet_is_one_line(tmp_path, content, says):
    path = tmp_path / "q.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_sheet(path)
    assert says in str(error.value) and str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_no_sheet_and_no_folder(tmp_path, rec):
    with pytest.raises(BadInput, match="no such file"):
        read_sheet(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="no such folder"):
        find_recordings(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no recording in it"):
        find_recordings(tmp_path / "empty")


def test_recordings_are_found_below_and_hidden_ones_are_not(rec):
    assert {vid: path.name for vid, path in find_recordings(rec).items()} == {
        "dog": "dog.mp4",
        "cat": "cat.MKV",
        "bird": "bird.avi",
        "fish": "fish.mov",
    }


@pytest.mark.parametrize("twin", ["sub/dog.mkv", "sub/DOG.mp4"])
def test_two_recordings_with_one_name_are_both_named(rec, twin):
    (rec / twin).touch()
    with pytest.raises(BadInput) as error:
        find_recordings(rec)
    assert str(rec / twin) in str(error.value) and str(rec / "dog.mp4") in str(error.value)


def test_a_name_that_is_no_unicode_is_refused(rec):
    try:
        Path(os.fsdecode(os.fsencode(rec) + b"/\xff.mp4")).touch()
    except OSError:
        pytest.skip("this file system takes Unicode alone")
    with pytest.raises(BadInput, match="no Unicode"):
        find_recordings(rec)


@pytest.mark.parametrize(
    "cell", ["cat", "CAT.mkv", "cat.mp4", "sub/cat.MKV", r"C:\films\Cat.mkv", " cat "]
)
def test_a_video_is_named_with_or_without_folder_and_extension(rec, cell):
    _, samples = make(rec, f"video,query,start,end\n{cell},it jumps,1,2\n")
    assert samples["train"][0].vid == "cat"


COLUMNS = {
    "video": ["dog.mp4", "cat", "cat", "bird", "bird", "fish"],
    "query": ["it barks", "it jumps", "it jumps", "it sings", "an elephant", "it swims"],
    "start": ["1", "0:00", "4", "0:30.5", "none", ""],
    "end": ["3", "2", "5", "40", "", ""],
    "glance": ["", "0.5", "", "", "", "2"],
    "needs": ["sound", "", "sight", "", "", ""],
}


def table_of(order):
    text = io.StringIO()
    rows = zip(*(COLUMNS[name] for name in order), strict=True)
    csv.writer(text).writerows([order, *rows])
    return text.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(order=st.permutations(list(COLUMNS)))
def test_the_order_of_columns_changes_nothing(rec, tmp_path_factory, order):
    found = []
    for columns in (list(COLUMNS), order):
        out = tmp_path_factory.mktemp("order")
        intake(rec, sheet(out, table_of(columns)), out / "out")
        files = (out / "out" / "annotations").iterdir()
        found.append({path.name: path.read_bytes() for path in files})
    assert found[0] == found[1] and len(found[0]) == 3


def test_rows_of_one_sentence_are_windows_of_one_query(rec):
    text = "video,query,start,end,glance,split,needs\n"
    text += (
        "cat,it jumps,4,5,,train,\ncat, it  jumps,0,2,1.5,training,sight\ncat,it jumps,4,5,,train,"
    )
    text += "\ncat,it jumps,6,7,,dev,\n"
    made, samples = make(rec, text)
    (query,) = samples["train"]
    assert query.windows == (Moment(0, 2), Moment(4, 5))
    assert (query.glance, query.needs, query.duration) == (1.5, "sight", 8.0)
    assert samples["val"][0].windows == (Moment(6, 7),)
    assert any("more than one split" in note and "cat" in note for note in made.notes)


def test_a_glance_alone_is_a_training_line(rec):
    text = "video,query,start,end,time\ndog,it barks,,,0:02\ndog,it barks,,,4\ncat,it jumps,1,2,\n"
    _, samples = make(rec, text)
    (query,) = samples["train"]
    assert (query.glance, query.windows) == (2.0, (Moment(2, 2), Moment(4, 4)))
    assert query.extra == {"supervision": "glance"}
    assert [s.vid for s in samples["val"]] == ["cat"] and samples["val"][0].glance is None


def test_glances_alone_everywhere_leave_nothing_to_validate_with(rec):
    made, samples = make(rec, "video,query,glance\ndog,a,1\ncat,b,1\nbird,c,1\n")
    assert set(samples) == {"train"}
    assert any("training needs val" in note and "start and end" in note for note in made.notes)


def test_training_queries_get_a_glance_inside_a_window(rec):
    rows = [f"bird,short {i},{i}.001,{i}.004\nbird,long {i},{i},{i + 1.5}" for i in range(1, 30)]
    text = "\n".join(["video,query,start,end", *rows])
    made, samples = make(rec, text)
    for query in samples["train"]:
        assert query.windows[0].start <= query.glance < query.windows[0].end
        assert "short" in query.query.text or query.glance == round(query.glance, 2)
    assert f"glances drawn inside their windows for training: {2 * len(rows)}" in made.notes
    _, again = make(rec, text, out="again")
    assert again == samples
    _, other = make(rec, text, out="other", seed=1)
    assert other != samples


@pytest.mark.parametrize(
    "row", ["dog,x,,,yes", "dog,x,,,TRUE", "dog,x,none,,", "dog,x,-,-,", "dog,x,absent,,1"]
)
def test_what_is_not_there_has_no_window(rec, row):
    _, samples = make(rec, f"video,query,start,end,absent\n{row}\n")
    assert samples["train"][0].windows == () and samples["train"][0].glance is None


def test_a_frame_after_the_end_is_the_end(rec):
    text = "video,query,start,end,glance\nbird,x,60,61.24,61.22\n"
    _, samples = make(rec, text)
    assert samples["train"][0].windows == (Moment(60, 61.2),)
    assert samples["train"][0].glance == 61.2


def test_qids_are_kept_and_the_missing_ones_are_new(rec):
    rows = [f"dog,query {i},1,2,{qid}\n" for i, qid in enumerate(["", "1", "007", "", "0"])]
    _, samples = make(rec, "video,query,start,end,qid\n" + "".join(rows))
    assert [s.qid for s in samples["train"]] == [2, 1, "007", 3, 0]


@pytest.mark.parametrize("count,sizes", [(1, {"train": 1}), (2, {"train": 1, "val": 1})])
def test_few_recordings_are_split_as_far_as_they_go(rec, count, sizes):
    rows = "".join(f"{vid},x,1,2\n" for vid in list(LENGTHS)[:count])
    made, samples = make(rec, "video,query,start,end\n" + rows)
    assert {split: len(some) for split, some in samples.items()} == sizes
    warned = [note for note in made.notes if note.startswith("warning: training needs val")]
    assert len(warned) == (count == 1)


@given(st.integers(3, 40), st.integers(0, 3))
def test_splits_are_by_recording_and_none_is_empty(count, seed):
    rows = grounding.intake.Row(1, query="x")
    asked = [grounding.intake._Asked(rows, f"v{i % count}", "absent") for i in range(2 * count)]
    samples, _ = grounding.intake._samples(asked, {f"v{i}": 1.0 for i in range(count)}, seed)
    vids = {split: {s.vid for s in some} for split, some in samples.items()}
    assert sum(map(len, vids.values())) == count and set(vids) == {"train", "val", "test"}
    assert len(vids["train"]) >= count / 3 and abs(len(vids["val"]) - 0.15 * count) < 1


def test_recordings_are_hard_links_and_only_those_asked_for(rec):
    made, _ = make(rec, "video,query,start,end\ndog,it barks,1,2\n")
    assert (made.linked, made.copied) == (1, 0)
    assert [p.name for p in (rec.parent / "out" / "media").iterdir()] == ["dog.mp4"]
    assert (rec.parent / "out" / "media" / "dog.mp4").samefile(rec / "dog.mp4")
    assert any("left out: 3 (as bird, cat, fish)" in note for note in made.notes)


def test_recordings_are_copied_where_they_cannot_be_linked(rec, monkeypatch):
    def refuse(*names):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    told = []
    made, _ = make(
        rec, "video,query,start,end\ndog,it barks,1,2\n", progress=lambda *news: told.append(news)
    )
    assert (made.linked, made.copied) == (0, 1)
    assert (rec.parent / "out" / "media" / "dog.mp4").read_bytes() == b"dog.mp4"
    assert told == [(1, 1, "dog"), (1, 1, "dog.mp4")]


def test_a_linked_recording_is_linked_to_its_file(rec):
    (rec / "seal.mp4").symlink_to(rec / "dog.mp4")
    (rec / "lost.mp4").symlink_to(rec / "nowhere.mp4")
    made = intake(rec, None, rec.parent / "out")
    assert made.linked == 5
    assert not (rec.parent / "out" / "media" / "seal.mp4").is_symlink()


def test_without_a_sheet_there_is_one_to_fill_in(rec):
    (rec / 'a "b", c.mp4').touch()
    out = rec.parent / "out"
    intake(rec, None, out)
    assert list((out / "annotations").iterdir()) == [] and len(list((out / "media").iterdir())) == 5
    rows, unused = read_sheet(out / "queries.csv")
    assert [row.video for row in rows][:2] == ['a "b", c.mp4', "bird.avi"] and unused == []


def test_bad_rows_can_be_skipped(rec):
    text = "video,query,start,end\ndog,a,1,99\ncat,b,1,2\n"
    with pytest.raises(BadSheet) as error:
        make(rec, text)
    assert len(error.value.problems) == 1 and not (rec.parent / "out").exists()
    made, samples = make(rec, text, skip_bad=True)
    assert made.problems == list(error.value.problems)
    assert [s.vid for some in samples.values() for s in some] == ["cat"]


def test_a_sheet_for_another_folder_takes_no_minutes(rec):
    rows = "".join(f"recording {i},x,1,2\n" for i in range(5000))
    with pytest.raises(BadSheet) as error:
        make(rec, "video,query,start,end\n" + rows)
    assert len(error.value.problems) == 5000


def test_a_broken_recording_is_one_problem(rec):
    (rec / "broken.mp4").touch()
    with pytest.raises(BadSheet) as error:
        make(rec, "video,query,start,end\ndog,x,1,2\n" + "broken,x,1,2\nbroken,y,1,2\n" * 3)
    assert len(error.value.problems) == 1
    assert "queries.csv:3: " in error.value.problems[0] and "broken.mp4" in error.value.problems[0]
