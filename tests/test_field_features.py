"""Public feature files: trained on without any recording, asked again, and explained when wrong."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from grounding import model_file
from tests.field_files import dataset

ROOT = Path(__file__).parent.parent
FILE = "features/vgg_rgb_features.hdf5"
SMALL = ["--features.clips", 32, "--training.threads", 1, "--training.batch", 8]
SMALL += ["--video.grid", 0, "--video.kind", "linear", "--video.width", 32]
HEADS = {
    "frames": ["--method.width", 32],
    "glance": ["--method.clips", 16, "--method.diagonals", "[15]", "--method.width", 16],
}


def train(command, folder, run, *more, config="sample-frames"):
    path = ROOT / "configs" / f"{config}.yaml"
    where = ["--data", folder, "--run", run, "--features.file", FILE]
    return command("train", path, *where, *SMALL, *more)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A dataset folder whose rows have 24 numbers."""
    from apps.cli import main

    def run(*words):
        return main([str(word) for word in words]), "", "see above"

    return dataset(tmp_path_factory.mktemp("narrow"), run, width=24, videos=12)


@pytest.fixture
def copy(narrow, tmp_path):
    """The same, to be spoilt."""
    return Path(shutil.copytree(narrow, tmp_path / "data"))


@pytest.mark.parametrize("head", sorted(HEADS))
def test_what_is_planted_is_learned_without_recordings_and_asked_again(
    narrow, command, tmp_path, head
):
    config = {"frames": "sample-frames", "glance": "sample-d3g"}[head]
    pool = ["--video.kind", "pooled", "--video.pool", 2] if head == "glance" else []
    run = tmp_path / "run"
    more = [*HEADS[head], *pool, "--training.epochs", 8]
    code, out, err = train(command, narrow, run, *more, config=config)
    assert code == 0, err
    report = json.loads((run / "report" / "val.json").read_text())
    assert report["metrics"]["mIoU"] > report["baselines"]["best-fixed-span"]["mIoU"] + 15

    line = json.loads((narrow / "annotations" / "val.jsonl").read_text().splitlines()[0])
    source = f"{narrow / FILE}#{line['vid']}"
    ask = ["ground", "--model", run, "--features", source, line["query"], "--format", "jsonl"]
    code, out, err = command(*ask, "--duration", line["duration"])
    assert code == 0, err
    asked = json.loads(out)["pred_relevant_windows"]
    rows = map(json.loads, (run / "predictions" / "val.jsonl").read_text().splitlines())
    reported = next(row for row in rows if row["qid"] == line["qid"])["pred_relevant_windows"]
    np.testing.assert_allclose(asked[0], reported[0], atol=2e-3)

    code, out, err = command(*ask)
    assert (code, out) == (2, "") and "--duration" in err


def test_a_recording_is_refused_in_one_line(narrow, corpus, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, narrow, run, "--training.epochs", 1)[0] == 0
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command("ground", media, "the dog runs", "--model", run)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "vgg_rgb_features.hdf5" in err and "--features" in err


def test_features_of_another_recipe_are_refused(narrow, corpus, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, narrow, run, "--training.epochs", 1)[0] == 0
    media = corpus / "media" / "sample-0000.mp4"
    _, out, _ = command("features", media, "--encoder", "pixel-grid", "--out", tmp_path / "f")
    stored = out.split("\t")[1].strip()
    code, out, err = command("ground", "--features", stored, "a dog", "--model", run)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "pixel-grid" in err and "rows of vgg_rgb_features.hdf5" in err


def test_halved_clips_take_half_the_memory_and_stand_close(narrow):
    from grounding.dataset import DatasetFolder
    from grounding.settings import FeatureSettings
    from grounding.sources import read_clips

    folder = DatasetFolder(narrow)
    samples = folder.samples("train")
    whole, half = (
        read_clips(folder, samples, FeatureSettings(file=FILE, clips=16, precision=p))[0].x
        for p in ("fp32", "fp16")
    )
    assert half.nbytes * 2 == whole.nbytes == 12 * 16 * 24 * 4
    np.testing.assert_allclose(half.float(), whole, atol=2e-3)


def test_a_folder_of_arrays_is_the_same_as_the_file(narrow, copy):
    from grounding.dataset import DatasetFolder
    from grounding.settings import FeatureSettings
    from grounding.sources import read_clips

    (copy / "rows").mkdir()
    with h5py.File(copy / FILE) as file:
        for vid, rows in file.items():
            np.save(copy / "rows" / f"{vid}.npy", rows[:])
    folder = DatasetFolder(copy)
    samples = folder.samples("train")
    tables = [
        read_clips(folder, samples, FeatureSettings(file=file, clips=16))[0]
        for file in (FILE, "rows", str(narrow / FILE))
    ]
    assert all((table.x == tables[0].x).all() for table in tables)


def spoil(change):
    def apply(folder):
        with h5py.File(folder / FILE, "a") as file:
            change(file)

    return apply


def replace(file, vid, value):
    del file[vid]
    file[vid] = value


def cut_short(folder):
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[: len(data) // 2])


def rename_all(file):
    for vid in list(file):
        file.move(vid, f"v_{vid}")


def regroup(file):
    rows = file["train03"][:]
    del file["train03"]
    file["train03/rgb"] = rows


def spoilt_row(file):
    file["train02"][3, 1] = np.nan


@pytest.mark.parametrize(
    "wrong,says",
    [
        (lambda folder: (folder / FILE).unlink(), ["no such file", "--features.file"]),
        (cut_short, ["cut short", "download it again"]),
        (lambda f: (f / FILE).write_text("<html>"), ["no HDF5 file", "download it again"]),
        (spoil(lambda f: f.pop("train05")), ["1 of 24 recordings ('train05')", "it holds 23"]),
        (
            spoil(rename_all),
            ["24 of 24 recordings ('train00', 'train01', 'train02', ...)",
             "24 are there under another spelling ('train00' as 'v_train00')"],
        ),
        (spoil(lambda f: f.move("train04", "train04.mp4")), ["'train04' as 'train04.mp4'"]),
        (spoil(regroup), ["#train03", "'rgb'", "c3d_features"]),
        (spoil(spoilt_row), ["#train02", "1 of ", "first: row 3"]),
        (
            spoil(lambda f: replace(f, "train01", f["train01"][:1])),
            ["1 of 24 recordings have one row ('train01')"],
        ),
        (
            spoil(lambda f: replace(f, "train06", f["train06"][:].T)),
            ["#train06", "on its side", "(rows, 24)"],
        ),
        (
            spoil(lambda f: [replace(f, vid, f[vid][:].T) for vid in list(f)]),
            ["lie on their sides", "(rows, 24)"],
        ),
        (spoil(lambda f: replace(f, "train06", f["train06"][0])), ["(24,)", "one row"]),
        (
            spoil(lambda f: replace(f, "train06", np.zeros((9, 1024), np.float32))),
            ["1024 numbers a row, looks like I3D", "has 24"],
        ),
        (spoil(lambda f: replace(f, "train06", np.zeros((9, 24), int))), ["int64", "float16"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_in_one_line(copy, command, tmp_path, wrong, says):
    wrong(copy)
    code, out, err = train(command, copy, tmp_path / "run")
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert all(each in err for each in says) and "features" in err
    assert not (tmp_path / "run").exists()


def test_a_layout_tells_which_file_it_is_and_which_width(copy, command, tmp_path):
    code, _, err = train(command, copy, tmp_path / "run", "--features.layout", "charades-vgg")
    assert code == 2 and err.count("\n") == 1
    assert "24 numbers a row" in err and "layout of vgg_rgb_features.hdf5 has 4096" in err
    (copy / FILE).unlink()
    code, _, err = train(command, copy, tmp_path / "run", "--features.layout", "charades-vgg")
    assert code == 2 and "charades-vgg is the public vgg_rgb_features.hdf5: VGG" in err


def test_durations_that_contradict_each_other_are_one_line(copy, command, tmp_path):
    path = copy / "annotations" / "train.jsonl"
    first, *rest = map(json.loads, path.read_text().splitlines())
    first["duration"] += 5
    path.write_text("".join(json.dumps(row) + "\n" for row in [first, *rest]))
    code, _, err = train(command, copy, tmp_path / "run")
    assert code == 2 and err.count("\n") == 1 and "correct the annotations" in err


def test_a_glance_past_the_end_stops_nothing(copy, command, tmp_path):
    path = copy / "annotations" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[:4]:
        row["glance"] = row["duration"] + 0.4
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tmp_path / "run"
    more = [*HEADS["glance"], "--video.kind", "pooled", "--video.pool", 2, "--training.epochs", 1]
    code, _, err = train(command, copy, run, *more, config="sample-d3g")
    assert code == 0, err
    assert np.isfinite(float((run / "metrics.csv").read_text().splitlines()[1].split(",")[1]))


@pytest.mark.parametrize(
    "more,says",
    [
        (["--video.pool", 2], "only pooled averages clips"),
        (["--video.kind", "pooled", "--video.pool", 5], "make them equal"),
        (["--video.kind", "pooled", "--video.pool", 0], "pool is 0"),
        (
            ["--features.layout", "charades"],
            "features.layout is 'charades'; it must be 'charades-vgg', 'activitynet-c3d', "
            "'tacos-c3d' or null",
        ),
        (["--text.frozen", "soon"], "text.frozen is 'soon'; it must be int or null"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(narrow, command, tmp_path, more, says):
    code, _, err = train(command, narrow, tmp_path / "run", *more)
    assert code == 2 and err.count("\n") == 1 and says in err


def test_a_model_file_keeps_what_its_rows_are(narrow, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, narrow, run, "--training.epochs", 1)[0] == 0
    recipe = model_file.load(run).recipe
    assert recipe.is_file and str(recipe) == "rows of vgg_rgb_features.hdf5 (charades-vgg)"


def test_rows_of_another_public_file_are_refused_though_as_wide(narrow, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, narrow, run, "--training.epochs", 1)[0] == 0
    answers = []
    for name in ("mine.hdf5", "tall_c3d_features.hdf5"):
        other = shutil.copy(narrow / FILE, tmp_path / name)
        ask = ["ground", "--features", f"{other}#val00", "--duration", 30, "--model", run]
        answers.append(command(*ask, "the dog runs away"))
    assert answers[0][0] == 0, answers[0]
    code, out, err = answers[1]
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "rows of tall_c3d_features.hdf5" in err and "expects rows of vgg_rgb" in err
