"""A run folder describes itself, and a killed training ends as if nothing had happened."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent
EPOCHS = 6
HEADS = {"frames": "sample-frames", "glance": "sample-d3g"}
# all that remembers something of each query or batch, and a map
OPTIONS = {
    "map": 0.5,
    "adjust": "true",
    "width": 8,
    "layers": 1,
    "follow": "text",
    "average": "true",
    "refine": "true",
}
OPTIONS |= {"queue": 48, "doubt": 0.5, "reverse": 0.5, "hardness": 0.5, "duplicates": 0.95}


def words(corpus, run, head):
    small = ["--training.epochs", EPOCHS, "--training.batch", 16, "--video.width", 32]
    small += ["--training.threads", 1]
    if head == "glance":
        small += [word for key, value in OPTIONS.items() for word in (f"--method.{key}", value)]
    config = ROOT / "configs" / f"{HEADS[head]}.yaml"
    return list(map(str, ["train", config, "--data", corpus, "--run", run, *small]))


def start(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "apps", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def epochs_done(run):
    file = run / "metrics.csv"
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0


@pytest.fixture(scope="session", params=sorted(HEADS))
def head(request):
    return request.param


@pytest.fixture(scope="session")
def whole(corpus, head, tmp_path_factory):
    """An uninterrupted run."""
    run = tmp_path_factory.mktemp("runs") / head
    process = start(words(corpus, run, head))
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return run, out


def test_a_run_folder_holds_what_the_contract_says(whole, corpus, head):
    run, out = whole
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["dataset"] == str(corpus) and config["head"] == head
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [int(r["epoch"]) for r in rows] == list(range(1, EPOCHS + 1))
    assert "torch==" in (run / "environment.txt").read_text()
    memory = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["head"]
    remembered = {"counter", "clips.moments", "cells.moments", "clips.losses", "cells.losses"}
    assert remembered <= set(memory) if head == "glance" else not memory
    assert load_file(run / "model.safetensors")
    for split in ("val", "test", "test-synonyms"):
        lines = (run / "predictions" / f"{split}.jsonl").read_text().splitlines()
        report = json.loads((run / "report" / f"{split}.json").read_text())
        assert report["n"] == len(lines) > 0
        assert set(report) >= {"metrics", "interval95", "baselines", "ceiling", "warnings"}
        assert set(report["baselines"]) == {
            "random", "centre-prior", "whole-file", "best-fixed-span", "text-prior"
        }  # fmt: skip
        assert 0 <= report["metrics"]["ECE"] <= 100  # scores are probabilities
    assert "test, " in out


def test_the_numbers_in_the_file_are_the_numbers_of_the_report(whole, corpus, command):
    run, _ = whole
    code, out, _ = command(
        "evaluate",
        "--predictions", run / "predictions" / "test.jsonl",
        "--annotations", corpus / "annotations" / "test.jsonl",
        "--json", "-",
    )  # fmt: skip
    again = json.loads(out)
    report = json.loads((run / "report" / "test.json").read_text())
    assert code == 0
    assert again["metrics"] == report["metrics"]
    assert again["baselines"] == report["baselines"]


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_resumes_to_the_same_end(whole, corpus, head, tmp_path, stop):
    run = tmp_path / "run"
    process = start(words(corpus, run, head))
    while epochs_done(run) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(stop)
    _, err = process.communicate(timeout=60)
    done = epochs_done(run)
    assert done < EPOCHS, "it was over before it could be stopped"
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert err.splitlines()[-1].endswith(f"go on with: grounding train --run {run} --resume")
    resumed = start(["train", "--run", run, "--resume"])
    _, err = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, err
    assert sum(line.startswith("epoch ") for line in err.splitlines()) <= EPOCHS - done + 1
    for name in ("metrics.csv", "predictions/test.jsonl", "report/test.json"):
        assert (run / name).read_text() == (whole[0] / name).read_text(), name
    first, second = (load_file(r / "model.safetensors") for r in (run, whole[0]))
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_a_fast_dev_run_goes_through_and_keeps_nothing(corpus, tmp_path, command):
    config = ROOT / "configs" / "sample-frames.yaml"
    run = tmp_path / "run"
    code, out, err = command("train", config, "--data", corpus, "--run", run, "--fast-dev-run")
    assert code == 0 and "test, " in out and "nothing was kept" in err
    assert not run.exists()


def test_a_run_is_never_overwritten(whole, corpus, command, head):
    run, _ = whole
    before = (run / "metrics.csv").read_text()
    code, out, err = command(*words(corpus, run, head))
    assert code == 2 and out == "" and err.count("\n") == 1
    assert str(run) in err and "--resume" in err
    assert (run / "metrics.csv").read_text() == before


def test_print_config_prints_all_of_it(command):
    config = ROOT / "configs" / "sample-frames.yaml"
    code, out, _ = command("train", config, "--training.epochs", "3", "--print-config")
    printed = yaml.safe_load(out)
    assert code == 0 and printed["training"]["epochs"] == 3
    assert set(printed) == {
        "dataset", "features", "text", "video", "head", "method", "training"
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["train"], "names no config"),
        (["train", "nowhere.yaml"], "nowhere.yaml: no such config"),
        (["train", "CONFIG", "--training.epoch", "3"], "did you mean 'training.epochs'?"),
        (["train", "CONFIG", "--data", "nowhere"], "nowhere"),
        (["train", "CONFIG"], "--data"),
        (["train", "--run", "nowhere", "--resume"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, monkeypatch, arguments, says):
    config = str(ROOT / "configs" / "sample-frames.yaml")
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*[config if a == "CONFIG" else a for a in arguments])
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and says in err
    assert not list(tmp_path.rglob("config.yaml"))


@pytest.mark.parametrize(
    "key,value,says",
    [
        ("--method.clips", 32, "make them equal"),
        ("--video.kernel", 4, "kernel 4 is even"),
        ("--video.grid", 7, "no layout of 7 x 7"),
        ("--training.choose", "R1", "it must be"),
        ("--training.supervision", "all", "it must be"),
        ("--training.supervision", "saliency", "no line has saliency_scores"),
        ("--method.overlap_low", 1, "overlap_low 1.0 must be less"),
        ("--method.follow", "sentence", "it must be"),
        ("--method.evidence", 0, "map and evidence are both 0"),
    ],
)
def test_parts_that_do_not_fit_are_one_line_and_leave_no_run(
    corpus, command, tmp_path, key, value, says
):
    config = ROOT / "configs" / "sample-d3g.yaml"
    run = tmp_path / "run"
    code, out, err = command("train", config, "--data", corpus, "--run", run, key, value)
    assert (code, out) == (2, "") and err.count("\n") == 1 and says in err
    assert not (run / "config.yaml").exists()


def copied(whole, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(whole[0], run)
    return run


def test_a_damaged_checkpoint_is_one_line(whole, command, tmp_path):
    run = copied(whole, tmp_path)
    checkpoint = run / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    code, out, err = command("train", "--run", run, "--resume", "--quiet")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert str(checkpoint) in err and "damaged" in err


def test_a_checkpoint_of_another_version_is_one_line(whole, command, tmp_path):
    run = copied(whole, tmp_path)
    checkpoint = run / "checkpoints" / "last.ckpt"
    saved = torch.load(checkpoint, weights_only=True)
    name, weight = next((n, w) for n, w in saved["state_dict"].items() if w.ndim > 1)
    saved["state_dict"][name] = weight[:, :1]
    torch.save(saved, checkpoint)
    code, out, err = command("train", "--run", run, "--resume", "--quiet")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert str(checkpoint) in err and "another version" in err


def test_a_run_never_goes_on_with_other_queries(whole, corpus, command, tmp_path):
    run = copied(whole, tmp_path)
    data = tmp_path / "data"
    shutil.copytree(corpus, data, ignore=shutil.ignore_patterns("motion"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(corpus), str(data)))
    train = data / "annotations" / "train.jsonl"
    lines = train.read_text().splitlines(keepends=True)
    train.write_text("".join(reversed(lines)))  # as many queries and words as before
    code, out, err = command("train", "--run", run, "--resume", "--quiet")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "have changed" in err


def test_a_resumed_run_keeps_its_config_and_data(whole, corpus, command, head):
    run, _ = whole
    for more in (["--training.epochs", EPOCHS + 1], ["--data", corpus.parent]):
        code, _, err = command(*words(corpus, run, head), *more, "--resume")
        assert code == 2 and err.count("\n") == 1 and "another config or dataset" in err
    code, _, err = command("train", "--run", run, "--resume", "--data", corpus)
    assert code == 2 and "keeps its dataset" in err
