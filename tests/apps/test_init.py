"""`grounding init` as it is called: exit codes, one line, everything or nothing written."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from grounding.annotations import read_samples
from grounding.errors import UnreadableMedia

HEAD = "video,query,start,end,glance,absent,split,needs,qid\n"
GOOD = "dog.mp4,it barks,1,2,1.5,,train,sound,7\n"


@pytest.fixture
def rec(tmp_path, monkeypatch):
    """Two recordings of 6 s and one that cannot be read; the working folder is theirs."""

    def probe(path):
        if path.stem == "broken":
            raise UnreadableMedia(path, "is not a media file")
        return SimpleNamespace(duration=6.0)

    monkeypatch.setattr("grounding.media.video.probe", probe)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec").mkdir()
    for name in ("dog", "cat", "broken"):
        (tmp_path / "rec" / f"{name}.mp4").write_bytes(name.encode())
    return tmp_path / "rec"


@pytest.fixture
def init(rec, command):
    """Write the sheet, run the command -> (exit code, lines on stderr)."""

    def run(text, *options):
        (rec.parent / "queries.csv").write_text(text)
        code, out, err = command("init", "rec", "--queries", "queries.csv", "--out", "ds", *options)
        assert out == ""
        return code, err.splitlines()

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "row,says",
    [
        ("dgo,it barks,1,2,,,train,,", "there is no recording 'dgo'; did you mean 'dog'?"),
        ("zebra.mp4,it barks,1,2,,,train,,", "there is no recording 'zebra.mp4'"),
        (",it barks,1,2,,,train,,", "it names no recording"),
        ("broken,it barks,1,2,,,train,,", "broken.mp4: is not a media file"),
        ("dog,it barks,soon,2,,,train,,", "start 'soon' is no time"),
        ('dog,it barks,1,"1,234",,,train,,', "end '1,234' can be read in two ways"),
        ("dog,it barks,-1,2,,,train,,", "start -1 is negative"),
        ("dog,it barks,2,2,,,train,,", "start 2 s is not before end 2 s"),
        ("dog,it barks,1,75,,,train,,", "end 75 s is after the recording's end (6 s); correct it"),
        ("dog,it barks,0:01,1:15,,,train,,", "end 75 s is after the recording's end (6 s)"),
        ("dog,it barks,1,2,3,,train,,", "glance 3 s is outside 1 to 2 s"),
        ("dog,it barks,1,,,,train,,", "it has no end"),
        ("dog,it barks,,2,,,train,,", "it has no start"),
        ("dog,it barks,,,,,train,,", "it has no time"),
        ("dog,it barks,,,7,,train,,", "glance 7 s is after the recording's end"),
        ("dog,it barks,,,1,,val,,", "a glance alone cannot be scored in val"),
        ("dog,it barks,1,2,,yes,train,,", "it is marked absent but has a time (start)"),
        ("dog,it barks,1,2,,perhaps,train,,", "absent 'perhaps' is unknown"),
        ("dog, ,1,2,,,train,,", "it has no sentence"),
        ("dog,it barks,1,2,,,practice,,", "split 'practice' is unknown"),
        ("dog,it barks,1,2,,,,,", "split '' is unknown"),
        ("dog,it barks,1,2,,,train,smell,", "needs 'smell' is unknown"),
        ("dog,growls,1,2,,,train,,7", "qid '7' is another query's in row 2"),
        ("dog,it barks,,,,yes,train,,7", "row 2 has the same sentence, but as moment"),
        ("dog,it barks,3,4,,,train,sight,7", "row 2 has the same sentence, but as moment sound"),
        ("dog,it barks,1,2,,,train,,9, and growls", "'and growls' stands under no heading"),
    ],
)
def test_every_problem_names_its_row_and_nothing_is_written(init, rec, row, says):
    code, lines = init(f"{HEAD}{GOOD}{row}\n")
    assert code == 2
    assert len(lines) == 2 and lines[0].startswith("queries.csv:3: ") and says in lines[0]
    assert "; " in lines[0]
    assert lines[1] == "grounding: 1 problem in queries.csv; correct them or pass --skip-bad"
    assert names(rec.parent) == ["queries.csv", "rec"]


def test_all_problems_are_listed_in_the_order_of_rows(init):
    code, lines = init(f"{HEAD}{GOOD}dgo,,2,1,,,train,,\n{GOOD}cat,x,1,9,,,train,,\n", "--quiet")
    assert code == 2
    assert [line.split(":")[1] for line in lines[:-1]] == ["3", "3", "3", "5"]
    assert lines[-1].startswith("grounding: 4 problems in queries.csv; ")


def test_skip_bad_writes_the_good_rows_and_lists_the_others(init, rec):
    code, lines = init(f"{HEAD}{GOOD}dgo,x,1,2,,,train,,\n", "--skip-bad")
    assert code == 0 and lines[0].startswith("queries.csv:3: there is no recording 'dgo'")
    (sample,) = read_samples(rec.parent / "ds" / "annotations" / "train.jsonl")
    assert (sample.vid, sample.qid, sample.glance, sample.needs) == ("dog", 7, 1.5, "sound")
    assert "1 recordings hard-linked, 0 copied" in lines[-1] and "train 1" in lines[-1]


def test_skip_bad_with_no_good_row_is_an_error(init, rec):
    code, lines = init(f"{HEAD}dgo,x,1,2,,,train,,\n", "--skip-bad")
    assert code == 2 and lines[-1] == "grounding: 1 problem in queries.csv; no row is left"
    assert not (rec.parent / "ds").exists()


def test_quiet_says_nothing_when_all_is_well(init):
    assert init(HEAD + GOOD, "--quiet") == (0, [])


def test_a_column_nobody_uses_and_drawn_glances_are_told(init):
    code, lines = init("video,query,start,end,glanse\ndog,a,1,2,1\ncat,b,1,2,1\n")
    assert code == 0
    assert "columns without a use: glanse" in lines
    assert "glances drawn inside their windows for training: 1" in lines


@pytest.mark.parametrize(
    "text", ["", "dog,it barks,1,2\n", 'video,query\ndog,"open\n', "video,query\n"]
)
def test_what_is_no_sheet_is_one_line(init, rec, text):
    code, lines = init(text)
    assert code == 2 and len(lines) == 1 and lines[0].startswith("grounding: queries.csv")
    assert not (rec.parent / "ds").exists()


def test_files_that_are_not_there_are_one_line(rec, command):
    for words in (("none",), ("rec", "--queries", "none.csv"), ("rec", "--queries", "rec")):
        code, _, err = command("init", *words, "--out", "ds")
        assert code == 2 and err.count("\n") == 1 and words[-1] in err
    assert names(rec.parent) == ["rec"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_never_overwritten(init, rec, kind):
    there = rec.parent / "ds"
    if kind == "folder":
        there.mkdir()
        (there / "precious").touch()
    else:
        there.write_text("precious")
    code, lines = init(HEAD + GOOD)
    assert code == 2 and len(lines) == 1 and "ds: it is there already" in lines[0]
    assert names(there) == ["precious"] if kind == "folder" else there.read_text() == "precious"


def test_an_empty_folder_is_taken(init, rec):
    (rec.parent / "ds").mkdir()
    assert init(HEAD + GOOD)[0] == 0
    assert names(rec.parent / "ds") == ["annotations", "media"]


@pytest.mark.parametrize("stop,code", [(KeyboardInterrupt, 130), (OSError(28, "No space"), 2)])
def test_an_interruption_leaves_nothing(init, rec, monkeypatch, stop, code):
    def fail(*names):
        raise stop

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr("shutil.copy2", fail)
    assert init(HEAD + GOOD)[0] == code
    assert names(rec.parent) == ["queries.csv", "rec"]
    assert (rec / "dog.mp4").read_bytes() == b"dog"


def test_the_sheet_never_leads_out_of_the_dataset(init, rec):
    (rec.parent / "secret.mp4").write_bytes(b"secret")
    code, lines = init(
        f"{HEAD}../secret.mp4,x,1,2,,,train,,\n../../rec/dog,x,1,2,,,train,,\n", "--skip-bad"
    )
    assert code == 0 and "queries.csv:2: there is no recording '../secret.mp4'" in lines[0]
    assert names(rec.parent / "ds" / "media") == ["dog.mp4"]


def test_without_a_sheet_the_next_step_is_told(rec, command):
    code, out, err = command("init", "rec", "--out", "ds")
    assert (code, out) == (0, "")
    assert "fill in ds/queries.csv" in err
    assert "grounding init rec --queries ds/queries.csv --out ds-filled" in err
    assert names(rec.parent / "ds") == ["annotations", "media", "queries.csv"]


def test_real_recordings_are_measured(tmp_path, command):
    import av

    (tmp_path / "rec").mkdir()
    with av.open(str(tmp_path / "rec" / "dog.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for shade in range(30):
            picture = np.full((32, 32, 3), 8 * shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    sheet = tmp_path / "q.csv"
    sheet.write_text("recording,query,start,end\ndog,x,1,0:03\n")
    code, _, err = command("init", tmp_path / "rec", "--queries", sheet, "--out", tmp_path / "ds")
    assert code == 0, err
    (sample,) = read_samples(tmp_path / "ds" / "annotations" / "train.jsonl")
    assert sample.duration == pytest.approx(3.0)
