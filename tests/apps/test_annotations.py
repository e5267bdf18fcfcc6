"""`grounding annotations` as a new user meets it."""

import json
import subprocess
import sys

import pytest

from grounding.annotations import read_samples
from tests.annotations.examples import put
from tests.media.recordings import render


def test_text_becomes_a_dataset_file(command, tmp_path):
    source = put(tmp_path, "charades-sta")
    (tmp_path / "d.csv").write_text("vid,duration\nAO8RW,33.67\nY6R7T,29.42\n")
    words = ["annotations", "convert", source, tmp_path / "out" / "train.jsonl"]
    code, out, err = command(*words)
    assert (code, out) == (2, "") and "--durations" in err and err.count("\n") == 1
    code, _, err = command(*words, "--durations", tmp_path / "d.csv")
    assert code == 2 and "a.txt:2: 'Y6R7T': end 30.0 s is after" in err and "--clamp" in err
    assert not (tmp_path / "out").exists()
    code, out, err = command(*words, "--durations", tmp_path / "d.csv", "--clamp")
    assert (code, out) == (0, "")
    assert "past the end: 1" in err and "20.8 to 30 s -> 20.8 to 29.42 s" in err
    assert "(charades-sta) ->" in err and "2 queries of 2 recordings" in err
    samples = read_samples(tmp_path / "out" / "train.jsonl")
    assert [s.windows[0].end for s in samples] == [6.9, 29.42] and samples[0].glance == 1.0


def test_check_lists_by_kind_and_line(command, tmp_path):
    path = put(tmp_path, "charades-sta", "v 3 2##b\nv 1 9##9.5##c\n")
    (tmp_path / "d.csv").write_text("v,8\n")
    code, out, err = command("annotations", "check", path, "--durations", tmp_path / "d.csv")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{path}: charades-sta, 2 queries of 1 recordings",
        "start >= end: 1",
        f"  {path}:1: v: 3 to 2 s (b)",
        "past the end: 1",
        f"  {path}:2: v: 1 to 9 s; the recording ends at 8 s (c)",
        "glance outside the recording: 1",
        f"  {path}:2: v: 9.5 s; the recording ends at 8 s (c)",
    ]
    code, out, _ = command(
        "annotations", "check", path, "--durations", tmp_path / "d.csv", "--json", "-"
    )
    report = json.loads(out)
    assert report["counts"] == {
        "start >= end": 1,
        "past the end": 1,
        "glance outside the recording": 1,
    }
    assert report["problems"][0] == {
        "kind": "start >= end",
        "line": 1,
        "vid": "v",
        "query": "b",
        "value": "3 to 2 s",
    }
    assert (report["format"], report["queries"], report["recordings"]) == ("charades-sta", 2, 1)


def test_check_measures_recordings(command, tmp_path):
    (tmp_path / "media").mkdir()
    render(tmp_path / "media" / "v.mp4", frames=50, rate=25)
    path = tmp_path / "a.jsonl"
    line = {"vid": "v", "query": "x", "duration": 3.0, "relevant_windows": [[0, 2.5]]}
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "vid": "w"}) + "\n")
    code, out, _ = command("annotations", "check", path, "--media", tmp_path / "media")
    assert code == 0
    assert "no recording: 1" in out and f"{path}:2: w" in out
    assert "3 s; the recording has 2 s" in out
    words = ["annotations", "convert", path, tmp_path / "b.jsonl", "--clamp"]
    assert command(*words, "--media", tmp_path / "media")[0] == 0
    sample = read_samples(tmp_path / "b.jsonl")[0]
    assert sample.duration == pytest.approx(2.0) and sample.windows[0].end == sample.duration


def test_many_problems_are_counted_and_all_are_in_the_json(command, tmp_path):
    path = put(tmp_path, "charades-sta", "v 2 1##x\n" * 30)
    code, out, _ = command("annotations", "check", path, "--json", tmp_path / "p.json")
    assert code == 0 and "start >= end: 30" in out and "and 20 more" in out
    report = json.loads((tmp_path / "p.json").read_text())
    assert sum(p["kind"] == "start >= end" for p in report["problems"]) == 30


@pytest.mark.parametrize(
    "words,says",
    [
        (["convert", "IN"], "needs OUT"),
        (["check", "IN", "x.jsonl"], "OUT: check takes none"),
        (["check", "IN", "--clamp"], "--clamp: check takes none"),
        (["convert", "IN", "x.jsonl", "--json", "-"], "--json: convert takes none"),
        (["convert", "IN", "x.unheard"], "say --to"),
        (["convert", "IN", "x", "--to", "tacos"], "tacos can be read but not written"),
        (["check", "IN", "--from", "taco"], "did you mean 'tacos'"),
        (["check", "IN", "--rate", "fast"], "frames per second"),
        (["check", "none.txt"], "none.txt: no such file"),
        (["check", "IN", "--media", "none"], "no such folder"),
        (["check", "IN", "--durations", "none.csv"], "none.csv: no such file"),
        (["check", "IN", "--form", "x"], "--form"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    source = put(tmp_path, "charades-sta")
    code, out, err = command("annotations", *[source if w == "IN" else w for w in words])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and says in err and err.startswith("grounding: ")
    assert list(tmp_path.iterdir()) == [source]


def test_the_command_needs_no_torch(tmp_path):
    source = put(tmp_path, "jsonl")
    code = (
        "import sys; from apps.cli import main; "
        f"main(['annotations', 'check', {str(source)!r}]); "
        "sys.exit(bool({'torch', 'streamlit', 'av'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("content", "name", "words", "says"),
    [
        ("no event here\n", "x.txt", ["--from", "edl"], "holds no query as edl"),
        ("WEBVTT\n", "x.vtt", [], "holds no query as vtt"),
        ("AB1CD 0.0 1.0 a door\n", "x.txt", ["--from", "charades-sta"], "vid start end##sentence"),
        (
            '{"qid": 1, "vid": "v", "pred_relevant_windows": []}\n',
            "x.jsonl",
            [],
            "holds predictions",
        ),
        ('{"qid": 1, "video": "v", "query": "a"}\n', "x.jsonl", [], "key 'vid' is missing"),
        ("AB1CD 0 1##a\n", "x.txt", ["--rate", "1e9999"], "no number of frames per second"),
        ("AB1CD 0 1##a\n", "x.txt", ["--rate", "1000000"], "no number of frames per second"),
    ],
)
def test_what_is_something_else_is_said_in_one_line(command, tmp_path, content, name, words, says):
    (tmp_path / name).write_text(content)
    code, out, err = command("annotations", "check", tmp_path / name, *words)
    assert code == 2 and out == "" and err.count("\n") == 1 and says in err


def test_answers_that_left_as_a_table_are_read(command, tmp_path):
    table = "vid,query,qid,rank,start,end,score,absent\nv,a door,7,1,0.5,2.0,0.9,0.050508\n"
    (tmp_path / "own.csv").write_text(table)
    out = tmp_path / "back.jsonl"
    code, _, err = command(
        "annotations", "convert", tmp_path / "own.csv", out, "--durations", durations(tmp_path)
    )
    assert code == 0, err
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["relevant_windows"] == [[0.5, 2.0]] and row["absent"] == 0.050508


def durations(tmp_path):
    file = tmp_path / "durations.csv"
    file.write_text("vid,duration\nv,10\n")
    return file
