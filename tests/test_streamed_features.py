"""Features in object storage and in shards: trained on as those in a folder, kept nowhere."""

import importlib
import io
import json
import os
import shutil
import sys
import tarfile
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save

from apps.cli import main
from grounding import model_file
from grounding.dataset import DatasetFolder
from grounding.errors import BadInput
from grounding.feature_files import Features, Recipe, features_in, write_features
from grounding.ranks import Ranks
from grounding.settings import FeatureSettings
from grounding.sources import read_clips, read_for_all
from tests.field_files import dataset
from tests.test_field_features import FILE, HEADS, SMALL

ROOT = Path(__file__).parent.parent
BUCKET, VIDEOS = "grounding-features", 8
RECIPE = Recipe("pixel-grid", None, 4.0, "8x8", "1")


def encoded(rows, suffix):
    """The bytes of a file of features."""
    out = io.BytesIO()
    if suffix == ".npy":
        np.save(out, rows)
    elif suffix == ".npz":
        np.savez(out, features=rows)
    elif suffix == ".safetensors":
        return save({"features": rows})
    else:
        torch.save(torch.from_numpy(rows), out)
    return out.getvalue()


def write_shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dataset folder; its rows also in `rows/`, a file each, and in three shards, out of order
    and each in one of the formats.
    """

    def run(*words):
        return main([str(word) for word in words]), "", "see above"

    folder = dataset(tmp_path_factory.mktemp("streamed"), run, width=24, videos=VIDEOS)
    with h5py.File(folder / FILE) as file:
        rows = {vid: x[:] for vid, x in file.items()}
    (folder / "rows").mkdir()
    for vid, x in rows.items():
        np.save(folder / "rows" / f"{vid}.npy", x)
    suffixes = (".npy", ".npz", ".safetensors", ".pth")
    drawn = np.random.default_rng(3).permutation(sorted(rows))
    for number, vids in enumerate(np.array_split(drawn, 3)):
        members = {
            f"part/{vid}{suffixes[i % 4]}": encoded(rows[vid], suffixes[i % 4])
            for i, vid in enumerate(vids)
        }
        members = {"part/readme.json": b"{}", **members, "part/unasked.npy": b"no array"}
        write_shard(folder / f"shards-00{number}.tar", members)
    return folder


@pytest.fixture(scope="module")
def store(place):
    """An S3 server with all that."""
    s3fs = pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem()
        system.mkdir(BUCKET)
        system.put(str(place / "rows"), f"{BUCKET}/rows", recursive=True)
        for shard in place.glob("*.tar"):
            system.put(str(shard), f"{BUCKET}/{shard.name}")
        yield f"s3://{BUCKET}"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def table(place, file, **more):
    folder = DatasetFolder(place)
    samples = [*folder.samples("train"), *folder.samples("val")]
    return read_clips(folder, samples, FeatureSettings(file=file, clips=16, **more))


SHARDS = "shards-{000..002}.tar"


def train(command, place, run, file, *more):
    config = ROOT / "configs" / "sample-frames.yaml"
    where = ["--data", place, "--run", run, "--features.file", file]
    return command("train", config, *where, *SMALL, *HEADS["frames"], *more)


def test_the_same_training_from_a_folder_from_shards_and_from_a_store(
    place, store, command, tmp_path
):
    said = []
    for name, file in (
        ("folder", "rows"),
        ("shards", SHARDS),
        ("store", f"{store}/rows/"),
        ("both", f"{store}/{SHARDS}"),
    ):
        run = tmp_path / name
        code, out, err = train(command, place, run, file, "--training.epochs", 2)
        assert code == 0, err
        said.append(((run / "metrics.csv").read_bytes(), out))
    assert said[0][0].count(b"\n") == 3 and said.count(said[0]) == len(said)
    assert not (place / "features" / "content.json").exists()  # nothing was kept


def test_clips_of_shards_stand_where_those_of_a_folder_do(place):
    whole, streamed = table(place, "rows")[0], table(place, SHARDS)[0]
    assert whole.row == streamed.row and whole.duration == streamed.duration
    assert torch.equal(whole.x, streamed.x) and whole.x.std() > 0


def test_memory_holds_the_clips_alone(tmp_path):
    """Shards of 60 MB become a table of 50 kB: one recording of 2 MB at a time is in memory."""
    vids, rows = [f"v{i:02d}" for i in range(30)], np.ones((4096, 128), np.float32)
    (tmp_path / "annotations").mkdir()
    lines = [
        {"qid": vid, "vid": vid, "query": "a dog", "duration": 9, "relevant_windows": [[1, 2]]}
        for vid in vids
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    for split in ("train", "val"):
        (tmp_path / "annotations" / f"{split}.jsonl").write_text(text)
    for n in range(3):
        some = vids[n * 10 : n * 10 + 10]
        write_shard(tmp_path / f"s-{n}.tar", {f"{v}.npy": encoded(rows, ".npy") for v in some})
    size = sum(file.stat().st_size for file in tmp_path.glob("*.tar"))
    table(tmp_path, "s-{0..2}.tar")  # what is imported and kept once
    tracemalloc.start()
    try:
        found, _ = table(tmp_path, "s-{0..2}.tar")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.x) == 30 and size > 60e6
    assert most < 12 * rows.nbytes < size / 2  # a recording as bytes, as numbers, and as sums


def shard_without(change):
    def apply(folder):
        shard = folder / "shards-001.tar"
        with tarfile.open(shard) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar}
        change(members)
        write_shard(shard, members)

    return apply


def arrays(members):
    return [name for name in members if Path(name).stem.startswith(("train", "val"))]


def rename_first(members):
    name = arrays(members)[0]
    members[name.replace("part/", "part/v_")] = members.pop(name)


def narrow(name):
    return encoded(np.ones((9, 7), "f4"), Path(name).suffix)


def double_first(members):
    members[f"again/{Path(arrays(members)[0]).stem}.npy"] = encoded(np.ones((9, 24), "f4"), ".npy")


@pytest.mark.parametrize(
    "wrong,says",
    [
        (lambda f: (f / "shards-002.tar").unlink(), ["shards-002.tar", "no such file"]),
        (
            shard_without(lambda m: [m.pop(name) for name in arrays(m)[:2]]),
            ["shards-{000..002}.tar", "has no features of 2 of 16 recordings", "it holds"],
        ),
        (shard_without(rename_first), ["1 of 16", "another spelling", "'v_"]),
        (shard_without(double_first), ["shards-001.tar#again/", "is also", "keep one"]),
        (
            shard_without(lambda m: m.update({arrays(m)[1]: b"\x93NUMPY"})),
            ["shards-001.tar#part/", "not readable as features"],
        ),
        (
            shard_without(lambda m: m.update({arrays(m)[0]: narrow(arrays(m)[0])})),
            ["shards-001.tar#part/", "7 numbers a row", "has 24"],
        ),
        (
            lambda f: os.truncate(f / "shards-001.tar", 9000),
            ["shards-001.tar", "cannot be read", "whole"],
        ),
        (lambda f: (f / "shards-001.tar").write_text("<html>" * 300), ["shards-001.tar", "cannot"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_shards_is_one_line(place, command, tmp_path, wrong, says):
    folder = Path(shutil.copytree(place, tmp_path / "data"))
    wrong(folder)
    code, out, err = train(command, folder, tmp_path / "run", SHARDS)
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert all(each in err for each in says), err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "file,says",
    [
        ("{}/nowhere/", ["s3://", "/nowhere/: no such file or folder"]),
        ("s3://no-such-bucket/x/", ["s3://no-such-bucket/x/"]),
        ("{}/shards-{{003..004}}.tar", ["shards-003.tar: no such file"]),
        ("{}/", ["holds no .npy"]),
        ("gopher://host/x/", ["gopher://host/x/", "Protocol not known"]),
    ],
)
def test_what_is_wrong_with_an_address_is_one_line(place, store, command, tmp_path, file, says):
    code, _, err = train(command, place, tmp_path / "run", file.format(store))
    assert code == 2 and err.count("\n") == 1, err
    assert all(each in err for each in says), err


def test_a_recording_that_the_store_lacks_is_named(place, store, command, tmp_path):
    import s3fs

    system = s3fs.S3FileSystem()
    system.copy(f"{BUCKET}/rows/val00.npy", f"{BUCKET}/some/val00.npy")
    code, _, err = train(command, place, tmp_path / "run", f"{store}/some/")
    assert code == 2 and err.count("\n") == 1
    assert f"{store}/some/: has no features of 15 of 16 recordings ('train00'" in err


@pytest.mark.parametrize(
    "package,file,extra",
    [("s3fs", "s3://bucket/rows/", "[remote]"), ("webdataset", SHARDS, "[shards]")],
)
def test_a_missing_package_names_its_extra(place, monkeypatch, package, file, extra):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    known = importlib.import_module("fsspec.registry")
    monkeypatch.delitem(known._registry, "s3", raising=False)
    with pytest.raises(BadInput, match=r"\[(remote|shards)\]") as said:
        table(place, file)
    assert package in str(said.value) and extra in str(said.value)


def test_features_with_a_recipe_keep_their_times_and_their_recipe(place, tmp_path):
    folder = Path(shutil.copytree(place, tmp_path / "data"))
    samples = DatasetFolder(folder).samples("train")
    (folder / "ours").mkdir()
    members = {}
    for sample in samples:
        late = np.linspace(0.5, 1, 12, endpoint=False) * sample.duration
        x = np.random.default_rng(0).normal(size=(12, 4)).astype("f4")
        path = folder / "ours" / f"{sample.vid}.safetensors"
        write_features(path, Features(x, late, sample.duration, RECIPE))
        members[path.name] = path.read_bytes()
    write_shard(folder / "ours.tar", members)
    for file in ("ours", "ours.tar"):
        settings = FeatureSettings(file=file, clips=8)
        found, recipe = read_clips(DatasetFolder(folder), samples, settings)
        assert recipe == RECIPE
        # nothing was seen in the first half: it shows the first row, the second half does not
        assert torch.equal(found.x[:, :4], found.x[:, :1].expand(-1, 4, -1))
        assert not torch.equal(found.x[:, 4], found.x[:, 5])


def test_features_of_two_recipes_are_not_mixed(place, tmp_path):
    folder = Path(shutil.copytree(place, tmp_path / "data"))
    x = np.load(folder / "rows" / "val03.npy")
    (folder / "rows" / "val03.npy").unlink()
    write_features(folder / "rows" / "val03.safetensors", Features(x, recipe=RECIPE))
    with pytest.raises(BadInput, match=r"not of one recipe .*'val03' by pixel-grid"):
        table(folder, "rows")


def test_bytes_are_read_as_the_file_is(tmp_path):
    features = Features(np.ones((3, 2), np.float32), np.arange(3.0), 3.0, RECIPE, ("a gap",))
    write_features(tmp_path / "a.safetensors", features)
    again = features_in((tmp_path / "a.safetensors").read_bytes(), "a.safetensors")
    assert (again.recipe, again.duration, again.problems) == (RECIPE, 3.0, ("a gap",))
    assert np.array_equal(again.x, features.x) and np.array_equal(again.times, features.times)
    with pytest.raises(BadInput, match=r"^b.npz: has no array 'features' but x"):
        buffer = io.BytesIO()
        np.savez(buffer, x=np.ones(3))
        features_in(buffer.getvalue(), "b.npz")


def test_a_model_of_streamed_features_says_what_it_was_made_from(place, store, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, place, run, f"{store}/rows/", "--training.epochs", 1)[0] == 0
    assert str(model_file.load(run).recipe) == "rows of rows (any layout)"
    line = json.loads((place / "annotations" / "val.jsonl").read_text().splitlines()[0])
    ask = ["--features", place / "rows" / f"{line['vid']}.npy", "--duration", line["duration"]]
    code, out, err = command("ground", "--model", run, *ask, line["query"], "--format", "jsonl")
    assert code == 0 and json.loads(out)["pred_relevant_windows"], err


def test_with_others_the_first_reads_and_the_others_get_its_clips(place, monkeypatch):
    """One process plays both: what the first sends is what the second, which reads nothing, has."""
    samples = DatasetFolder(place).samples("train")
    settings = FeatureSettings(file=SHARDS, clips=16, precision="bf16")
    sent = []
    first, other = Ranks(0, 2), Ranks(1, 2)

    def send(objects, device):
        sent.append(objects[0])

    def receive(objects, device):
        objects[0] = sent.pop(0)

    def read_for(ranks, objects, tensors):
        for name, call in (("broadcast_object_list", objects), ("broadcast", tensors)):
            monkeypatch.setattr(f"torch.distributed.{name}", call)
        return read_for_all(ranks, DatasetFolder(place), samples, settings)

    whole, recipe = read_for(first, send, lambda x, source: sent.append(x.clone()))
    monkeypatch.setattr("grounding.sources.read_clips", None)  # it reads nothing
    got, its = read_for(other, receive, lambda x, source: x.copy_(sent.pop(0)))
    assert its == recipe and got.row == whole.row and not sent
    assert got.x.dtype == torch.bfloat16 and torch.equal(got.x, whole.x) and whole.x.any()
