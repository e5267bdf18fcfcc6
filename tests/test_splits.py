"""Where a dataset has no val.jsonl, recordings held out of training choose the epoch."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from grounding.annotations import read_samples
from grounding.splits import hold_out
from tests.field_files import dataset

CONFIG = Path(__file__).parent.parent / "configs" / "sample-frames.yaml"


@pytest.fixture
def without_val(command, tmp_path):
    return dataset(tmp_path / "data", command, width=8, videos=8, splits=("train",))


def train(command, folder, run, *more):
    small = ["--features.file", "features/vgg_rgb_features.hdf5", "--features.clips", 8]
    small += ["--video.grid", 0, "--video.width", 8, "--training.epochs", 2]
    return command("train", CONFIG, "--data", folder, "--run", run, *small, *more)


def vids(path):
    return {sample.vid for sample in read_samples(path)}


def test_nothing_is_held_out_unasked_and_the_error_says_how(without_val, command, tmp_path):
    code, out, err = train(command, without_val, tmp_path / "run")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "no val.jsonl" in err and "--training.hold_out N" in err
    assert not (tmp_path / "run").exists()


def test_held_out_recordings_are_kept_and_reported_on(without_val, command, tmp_path):
    run = tmp_path / "run"
    code, _, err = train(command, without_val, run, "--training.hold_out", 3)
    assert code == 0, err
    val, all_of_them = vids(run / "val.jsonl"), vids(without_val / "annotations" / "train.jsonl")
    assert len(val) == 3 and val < all_of_them and len(all_of_them) == 8
    predicted = (run / "predictions" / "val.jsonl").read_text().splitlines()
    assert {json.loads(line)["vid"] for line in predicted} == val
    assert not (without_val / "annotations" / "val.jsonl").exists()
    code, _, err = command(
        "evaluate", "--predictions", run / "predictions" / "val.jsonl",
        "--annotations", run / "val.jsonl",
    )  # fmt: skip
    assert code == 0, err


def test_a_resumed_run_holds_out_the_same(without_val, command, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    for folder in (whole, run):
        assert train(command, without_val, folder, "--training.hold_out", 3)[0] == 0
    # back to before the last epoch: a run whose second epoch never came
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    before = (run / "val.jsonl").read_text()
    assert command("train", "--run", run, "--resume")[0] == 0
    assert (run / "val.jsonl").read_text() == before
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    first = list(csv.DictReader((whole / "metrics.csv").open()))
    assert rows[:2] == first and len(rows) == 3


def test_a_dataset_with_its_own_val_keeps_it(without_val, command, tmp_path):
    annotations = without_val / "annotations"
    shutil.copy(annotations / "train.jsonl", annotations / "val.jsonl")
    code, _, err = train(command, without_val, tmp_path / "run", "--training.hold_out", 3)
    assert code == 0, err
    assert not (tmp_path / "run" / "val.jsonl").exists()


def test_all_of_them_cannot_be_held_out(without_val, command, tmp_path):
    code, _, err = train(command, without_val, tmp_path / "run", "--training.hold_out", 8)
    assert code == 2 and err.count("\n") == 1 and "has 8 recordings" in err


def test_who_is_held_out_follows_from_the_seed_and_the_names(without_val):
    samples = read_samples(without_val / "annotations" / "train.jsonl")
    chosen = hold_out(samples, 3, 0)
    assert {s.qid for s in hold_out(samples[::-1], 3, 0)} == {s.qid for s in chosen}
    assert any({s.vid for s in hold_out(samples, 3, k)} != {s.vid for s in chosen} for k in (1, 2))
    without = [s for s in samples if s.vid != chosen[0].vid]
    assert len({s.vid for s in hold_out(without, 3, 0)} & {s.vid for s in chosen}) == 2
