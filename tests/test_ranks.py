"""Two processes train as one does, and either goes on with what the other began.

A process that trains needs seconds to start, so all trainings of two are made in one start.
"""

import csv
import functools
import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from apps.cli import main
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
MAP = ["--method.clips", "16", "--method.diagonals", "[15]", "--method.adjust", "true"]
RUNS = {"frames": ("sample-frames", SMALL), "glance": ("sample-d3g", SMALL + MAP)}
STEPS, EPOCHS, STOPPED = 20, 5, 2


def words(corpus, run, head, *more):
    name, small = RUNS[head]
    line = ["train", ROOT / f"configs/{name}.yaml", "--data", corpus, "--run", run, *small]
    return [str(word) for word in (*line, "--training.epochs", EPOCHS, *more)]


def memory(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["head"]


def rows(run):
    with (run / "metrics.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


class Trained(NamedTuple):
    """Run folders and losses by name: what one process made, and what two did."""

    one: Path
    two: Path
    by_one: dict[str, list[float]]
    by_two: dict[str, list[float]]


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """`frames` and `glance` by both; by two also `own`, contrasted by each alone, and `resumed`,
    which one process had begun.
    """
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))

    def begin(run, head, *more):
        name, small = RUNS[head]
        overrides = ["--dataset", str(corpus), *small, "--training.epochs", str(EPOCHS), *more]
        start_run(run, config.load(ROOT / f"configs/{name}.yaml", overrides))
        return run

    def keep(epoch, epochs, row):
        if epoch == STOPPED:
            shutil.copytree(one / "glance", two / "resumed")

    by_one = {}
    for head, done in (("frames", None), ("glance", keep)):
        (by_one[head],) = rank_tasks.trainings(Ranks(), [begin(one / head, head)], done)
    runs = [begin(two / "frames", "frames"), begin(two / "glance", "glance"), two / "resumed"]
    runs.append(begin(two / "own", "glance", "--training.gathered", "false"))
    cut = "--training.strategy", "fsdp"
    runs += [begin(two / f"{head} in pieces", head, *cut) for head in sorted(RUNS)]
    shutil.copytree(two / "resumed", two / "pieces resumed")
    start = two / "pieces resumed" / "config.yaml"
    start.write_text(start.read_text().replace("strategy: ddp", "strategy: fsdp"))
    runs.append(two / "pieces resumed")
    found = together(2, "cpu", functools.partial(rank_tasks.trainings, runs=runs), {})
    return Trained(one, two, by_one, {r.name: f for r, f in zip(runs, found, strict=True)})


@pytest.mark.parametrize("head", sorted(RUNS))
def test_the_first_twenty_losses_and_the_memory_are_those_of_one_process(trained, head):
    whole = trained.by_one[head][:STEPS]
    assert len(whole) == STEPS and trained.by_two[head][:STEPS] == pytest.approx(whole, abs=1e-4)
    assert whole[-1] < whole[0] - 0.1  # they did learn
    one, two = memory(trained.one / head), memory(trained.two / head)
    assert one.keys() == two.keys() and bool(one) == (head == "glance")
    for key in one:
        assert torch.allclose(one[key].float(), two[key].float(), atol=1e-3), key
        assert one[key].any()
    last = [rows(folder / head)[-1]["mIoU"] for folder in (trained.one, trained.two)]
    assert last[1] == pytest.approx(last[0], abs=2)


def test_each_contrasting_alone_is_another_loss_and_still_one_memory(trained):
    together_, own = rows(trained.two / "glance")[0], rows(trained.two / "own")[0]
    assert own["loss"] < together_["loss"] - 0.1  # fewer negatives
    visited = memory(trained.two / "own")["visited"]
    assert torch.equal(visited, memory(trained.two / "glance")["visited"]) and visited.any()


def is_as_if_never_stopped(run, whole):
    mine, its = rows(run), rows(whole)
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in its], rel=1e-3)
    assert mine[-1]["mIoU"] == pytest.approx(its[-1]["mIoU"], abs=2)


def test_what_one_process_began_two_go_on_with(trained):
    steps = len(trained.by_one["glance"]) // EPOCHS
    rest = trained.by_one["glance"][STOPPED * steps :]
    assert trained.by_two["resumed"] == pytest.approx(rest, rel=1e-3)
    is_as_if_never_stopped(trained.two / "resumed", trained.one / "glance")


@pytest.mark.parametrize("head", sorted(RUNS))
def test_weights_in_pieces_learn_what_whole_ones_do(trained, head):
    whole, pieces = trained.by_two[head], trained.by_two[f"{head} in pieces"]
    assert pieces == pytest.approx(whole, abs=1e-4) and whole[-1] < whole[0] - 0.1
    first, second = trained.two / head, trained.two / f"{head} in pieces"
    one, two = (load_file(run / "model.safetensors") for run in (first, second))
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)
    assert one.keys() == two.keys() and rows(first)[-1]["mIoU"] == rows(second)[-1]["mIoU"]


def test_a_checkpoint_of_pieces_is_one_of_whole_weights(trained, tmp_path):
    one, two = (
        torch.load(trained.two / name / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("glance", "glance in pieces")
    )
    assert one.keys() == two.keys()
    for name, weight in one["state_dict"].items():
        assert type(two["state_dict"][name]) is torch.Tensor
        assert torch.allclose(two["state_dict"][name], weight, atol=1e-3), name
    (its,), (others,) = one["optimizer_states"], two["optimizer_states"]
    assert its["param_groups"] == others["param_groups"]
    for number, state in its["state"].items():
        assert torch.allclose(state["exp_avg"], others["state"][number]["exp_avg"], atol=1e-3)
    run = Path(shutil.copytree(trained.two / "glance in pieces", tmp_path / "run"))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace(f"epochs: {EPOCHS}", f"epochs: {EPOCHS + 1}"))
    (more,) = rank_tasks.trainings(Ranks(), [run])  # and one process goes on with it
    assert len(more) == len(trained.by_one["glance"]) // EPOCHS and max(more) < 3


def test_what_one_process_began_two_go_on_with_in_pieces(trained):
    steps = len(trained.by_one["glance"]) // EPOCHS
    rest = trained.by_one["glance"][STOPPED * steps :]
    assert trained.by_two["pieces resumed"] == pytest.approx(rest, rel=1e-3)


def test_what_two_processes_began_and_were_stopped_one_goes_on_with(corpus, trained, tmp_path):
    run = tmp_path / "run"
    process = start(words(corpus, run, "glance", "--devices", 2))
    while epochs_done(run) < 1 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    done = epochs_done(run)
    assert process.returncode == 130 and 1 <= done < EPOCHS, err
    assert err.count("interrupted") == 1 and f"--run {run} --resume" in err.splitlines()[-1]
    assert main(["train", "--run", str(run), "--resume", "--quiet"]) == 0
    is_as_if_never_stopped(run, trained.one / "glance")


def test_bad_input_is_one_line_for_all_processes(corpus, tmp_path, capfd):
    code = main(words(corpus, tmp_path / "run", "frames", "--video.kernel", 4, "--devices", 2))
    out, err = capfd.readouterr()
    assert (code, out) == (2, "") and err.count("\n") == 1 and "kernel 4" in err
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_fast_dev_run_of_two_keeps_nothing(corpus, tmp_path, capfd):
    code = main(words(corpus, tmp_path / "run", "frames", "--fast-dev-run", "--devices", 2))
    out, err = capfd.readouterr()
    assert code == 0 and "test, " in out and "nothing was kept" in err
    assert not (tmp_path / "run").exists()
