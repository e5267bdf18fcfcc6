"""Two processes train as one does, and either goes on with what the other began."""

import csv
import functools
import signal
import time
from pathlib import Path

import pytest
import torch

from grounding import config
from grounding.processes import together
from grounding.ranks import Ranks
from grounding.training import start_run
from tests import rank_tasks
from tests.test_training import epochs_done, start

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
# each process has its own dropout and noise: without them nothing is left to differ
STILL = ["--video.dropout", "0", "--video.noise", "0", "--text.dropout", "0"]
SMALL = ["--features.clips", "16", "--video.width", "32", "--training.batch", "8", *STILL]
MAP = ["--method.clips", "16", "--method.diagonals", "[15]", "--method.layers", "1"]
RUNS = {"frames": ("sample-frames", SMALL), "glance": ("sample-d3g", SMALL + MAP)}
STEPS = 20


def words(corpus, run, head, *more):
    name, small = RUNS[head]
    return ["train", f"configs/{name}.yaml", "--data", corpus, "--run", run, *small, *more]


def memory(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["head"]


def rows(run):
    with (run / "metrics.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("head", sorted(RUNS))
def test_the_first_twenty_losses_and_the_memory_are_those_of_one_process(corpus, tmp_path, head):
    name, small = RUNS[head]
    found = {}
    for count in (1, 2):
        overrides = ["--dataset", str(corpus), *small, "--training.epochs", "3"]
        start_run(tmp_path / str(count), config.load(ROOT / f"configs/{name}.yaml", overrides))
        work = functools.partial(rank_tasks.losses, run=tmp_path / str(count), most=STEPS)
        found[count] = work(Ranks()) if count == 1 else together(count, "cpu", work, {})
    assert len(found[1]) == STEPS and found[2] == pytest.approx(found[1], abs=1e-4)
    assert found[1][-1] < found[1][0] - 0.1  # they did learn
    one, two = memory(tmp_path / "1"), memory(tmp_path / "2")
    assert one.keys() == two.keys()
    for key in one:
        assert torch.allclose(one[key].float(), two[key].float(), atol=1e-3), key
        assert one[key].any()


def test_each_contrasting_alone_is_another_loss_and_still_one_memory(corpus, tmp_path):
    more = ["--training.epochs", "1", "--training.gathered"]
    for name, gathered, devices in (("all", "true", "1"), ("own", "false", "2")):
        line = words(corpus, tmp_path / name, "glance", *more, gathered, "--devices", devices)
        process = start(line)
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    (all_,), (own,) = rows(tmp_path / "all"), rows(tmp_path / "own")
    assert own["loss"] < all_["loss"] - 0.1  # fewer negatives
    visited = memory(tmp_path / "own")["visited"]
    assert torch.equal(visited, memory(tmp_path / "all")["visited"]) and visited.any()


@pytest.mark.parametrize("first,then", [(2, 1), (1, 2)])
def test_a_stopped_run_goes_on_with_another_number_of_processes(corpus, tmp_path, first, then):
    epochs = ["--training.epochs", "6"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert start(words(corpus, whole, "glance", *epochs)).wait(240) == 0
    process = start(words(corpus, run, "glance", *epochs, "--devices", first))
    while epochs_done(run) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    done = epochs_done(run)
    assert process.returncode == 130 and 2 <= done < 6, err
    assert err.count("interrupted") == 1 and f"--run {run} --resume" in err.splitlines()[-1]
    resumed = start(["train", "--run", run, "--resume", "--devices", then])
    _, err = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, err
    assert sum(line.startswith("epoch ") for line in err.splitlines()) <= 6 - done + 1
    assert [row["loss"] for row in rows(run)] == pytest.approx(
        [row["loss"] for row in rows(whole)], rel=1e-3
    )
    assert rows(run)[-1]["mIoU"] == pytest.approx(rows(whole)[-1]["mIoU"], abs=2)


def test_bad_input_is_one_line_for_all_processes(corpus, tmp_path):
    process = start(words(corpus, tmp_path / "run", "frames", "--video.kernel", 4, "--devices", 2))
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "") and err.count("\n") == 1 and "kernel 4" in err
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_fast_dev_run_of_two_keeps_nothing(corpus, tmp_path):
    process = start(words(corpus, tmp_path / "run", "frames", "--fast-dev-run", "--devices", 2))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and "test, " in out and "nothing was kept" in err
    assert not (tmp_path / "run").exists()
