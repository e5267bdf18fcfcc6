"""`grounding batch` as it is called: exit codes, one line, what it says on stderr."""

import shutil
import subprocess
import sys

import pytest
import torch

from tests.library.making import SENTENCES, lines, render, save_model


@pytest.fixture(autouse=True)
def one_thread():
    """The cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder, a sheet of queries and two recordings, one of them broken."""
    folder = tmp_path_factory.mktemp("made")
    save_model(folder / "run")
    (folder / "q.txt").write_text(f"{SENTENCES[0]}\n")
    render(folder / "in" / "good.mp4", 1)
    (folder / "in" / "bad.mp4").write_text("no video")
    (folder / "empty").mkdir()
    (folder / "empty.txt").touch()
    return folder


@pytest.fixture
def batch(made, tmp_path, command, monkeypatch):
    """Run the command in the folder of what was made -> (exit code, lines on stderr)."""
    monkeypatch.chdir(made)

    def run(*options, source=("in",), queries="q.txt", model="run"):
        words = [*source, "--queries", queries, "--model", model, "--out", tmp_path / "out"]
        code, out, err = command("batch", *words, "--device", "cpu", *options)
        assert out == ""
        return code, err.splitlines()

    return run


def test_failures_are_told_and_cost_nothing_unless_strict(batch, tmp_path):
    code, err = batch()
    assert code == 0 and len(lines(tmp_path / "out" / "predictions.jsonl")) == 1
    assert err == [
        f"{tmp_path / 'out'}: recordings: 2, predictions: 1",
        f"warning: failures: 1 unreadable; see {tmp_path / 'out' / 'failures.jsonl'}",
    ]
    code, err = batch("--strict", "--quiet")
    assert code == 1 and len(err) == 1
    assert batch("--strict", source=["in/good.mp4"]) == (
        0, [f"{tmp_path / 'out'}: recordings: 1 (1 finished before), predictions: 1"]
    )  # fmt: skip


def test_options_reach_the_batch(batch, tmp_path):
    assert batch("--top-k", 1, "--workers", 1)[0] == 0
    code, err = batch("--top-k", 2)
    assert code == 2 and len(err) == 1 and "other top" in err[0] and "--fresh" in err[0]
    assert batch("--top-k", 2, "--fresh")[0] == 0
    (line,) = lines(tmp_path / "out" / "predictions.jsonl")
    assert len(line["pred_relevant_windows"]) == 2


def test_queries_for_nobody_are_counted(batch, tmp_path):
    queries = tmp_path / "q.csv"
    queries.write_text("query,vid\na,good\nb,cat\nc,dog\n")
    code, err = batch(queries=queries)
    assert code == 0
    assert "warning: queries whose vid is no recording: 2 (as 'cat')" in err
    assert "recordings that no query asks about: 1" in err


def test_several_sources(batch, made, tmp_path):
    shutil.copyfile(made / "in" / "good.mp4", tmp_path / "-a b.mp4")
    code, _ = batch(source=["in", tmp_path / "-a b.mp4"])
    assert code == 0
    found = [line["vid"] for line in lines(tmp_path / "out" / "predictions.jsonl")]
    assert found == ["-a b", "good"]


@pytest.mark.parametrize(
    "change,says",
    [
        ({"source": ["in", "nowhere"]}, "nowhere: no such file or folder"),
        ({"source": ["empty"]}, "empty: no recording in it"),
        ({"queries": "nowhere.txt"}, "nowhere.txt: no such file"),
        ({"queries": "empty.txt"}, "empty.txt: holds no query"),
        ({"model": "nowhere"}, "nowhere: no such model"),
        ({"model": "q.txt"}, "q.txt: not a safetensors file"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(batch, tmp_path, change, says):
    code, err = batch(**change)
    assert code == 2 and len(err) == 1 and says in err[0]
    assert not (tmp_path / "out").exists()


def test_help_needs_no_torch():
    code = "import sys, apps.commands.batch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
