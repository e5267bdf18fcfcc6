"""Processes that torchrun started train as one does, and speak with one voice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.cli import main
from grounding import config
from grounding.errors import BadInput
from grounding.launched import _place, repeats, started
from grounding.ranks import Ranks
from grounding.training import start_run
from tests import rank_tasks
from tests.test_ranks import RUNS, memory, rows, words
from tests.test_training import epochs_done

ROOT = Path(__file__).parent.parent
# as torchrun's script starts it; `--` since torchrun takes --run for a beginning of its --run-path
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launch(arguments):
    return subprocess.Popen(
        [*TORCHRUN, "-m", "apps", "--", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(err):
    """What the command said, without what torchrun reports."""
    return [line for line in err.splitlines() if line.startswith("grounding: ")]


def children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def wait_for(run, process):
    while epochs_done(run) < 1 and process.poll() is None:
        time.sleep(0.05)


def environment(monkeypatch, **values):
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"MASTER_ADDR": "localhost", "MASTER_PORT": 1, **values}.items():
        monkeypatch.setenv(name, str(value))


def test_the_place_among_processes_of_several_machines(monkeypatch):
    environment(monkeypatch, RANK=5, LOCAL_RANK=1, LOCAL_WORLD_SIZE=2, WORLD_SIZE=6)
    ranks = _place()
    assert ranks == Ranks(5, 6, 3) and (ranks.here, ranks.local, ranks.is_first) == (2, 1, False)
    assert started() and repeats()
    environment(monkeypatch, RANK=4, LOCAL_RANK=0, LOCAL_WORLD_SIZE=2, WORLD_SIZE=6)
    assert not repeats()
    environment(monkeypatch)
    assert not started() and not repeats()


@pytest.mark.parametrize(
    "values,says",
    [
        ({"WORLD_SIZE": 2}, "RANK is not set; start the processes with torchrun"),
        (
            {"WORLD_SIZE": 3, "RANK": 0, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2},
            "2 of 3 processes are on this machine",
        ),
    ],
)
def test_places_that_do_not_fit_are_one_line(monkeypatch, values, says):
    environment(monkeypatch, **values)
    with pytest.raises(BadInput, match=says):
        _place()


def test_words_that_nobody_understands_are_said_by_the_first_alone(monkeypatch, capsys):
    for local, lines in ((0, 1), (1, 0)):
        environment(monkeypatch, RANK=local, LOCAL_RANK=local, LOCAL_WORLD_SIZE=2, WORLD_SIZE=2)
        assert main(["train", "--devices", "many"]) == 2
        assert capsys.readouterr().err.count("\n") == lines


@pytest.mark.slow
def test_two_that_torchrun_started_train_as_one_and_resume(corpus, tmp_path, command):
    name, small = RUNS["glance"]
    overrides = ["--dataset", str(corpus), *small, "--training.epochs", "5"]
    start_run(tmp_path / "one", config.load(ROOT / f"configs/{name}.yaml", overrides))
    rank_tasks.trainings(Ranks(), [tmp_path / "one"])
    run = tmp_path / "two"
    process = launch(words(corpus, run, "glance"))
    wait_for(run, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert 1 <= epochs_done(run) < 5, err
    assert len(said(err)) == 1 and "interrupted" in said(err)[0]
    assert said(err)[0].endswith(f"go on with: torchrun ... -m apps -- train --run {run} --resume")
    process = launch(["train", "--run", run, "--resume"])
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert err.count(f"run: {run}") == 1
    assert command("train", "--run", run, "--resume")[1] == out  # once, and as one process has it
    one, two = rows(tmp_path / "one"), rows(run)
    assert [r["loss"] for r in two] == pytest.approx([r["loss"] for r in one], abs=1e-4)
    assert one[0]["loss"] - one[-1]["loss"] > 0.5
    assert memory(run).keys() == memory(tmp_path / "one").keys()


@pytest.mark.slow
def test_bad_input_is_one_line_and_all_end_with_two(corpus, tmp_path):
    process = launch(words(corpus, tmp_path / "run", "frames", "--video.kernel", 4))
    out, err = process.communicate(timeout=120)
    assert out == "" and len(said(err)) == 1 and "kernel 4" in said(err)[0], err
    assert err.count("exitcode  : 2") == 2  # torchrun's own report
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.slow
def test_one_that_is_killed_ends_all_in_one_line(corpus, tmp_path):
    run = tmp_path / "run"
    process = launch(words(corpus, run, "frames", "--training.epochs", 500))
    wait_for(run, process)
    first, second = children(process.pid)
    os.kill(second, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert len(said(err)) <= 1 and all("another process is gone" in line for line in said(err))
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
