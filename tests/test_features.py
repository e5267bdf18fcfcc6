"""Features cannot mismatch, are made once, and appear whole."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grounding.dataset import pool
from grounding.errors import BadInput, RecipeMismatch, UnreadableMedia
from grounding.features import (
    Features,
    FeatureStore,
    Recipe,
    frame_encoder,
    read_features,
    write_features,
)
from grounding.media.video import open_video
from grounding.timeline import Timeline

RECIPE = Recipe("pixel-grid", None, 4.0, "8x8", "1")


class Counting:
    """The pixel grid, counting what it is asked."""

    def __init__(self):
        self.inner, self.frames = frame_encoder("pixel-grid"), 0
        for name in ("name", "weights", "version", "size", "width", "short_side"):
            setattr(self, name, getattr(self.inner, name))

    def encode(self, frames, before):
        self.frames += len(frames)
        return self.inner.encode(frames, before)


@pytest.fixture
def media(corpus):
    return sorted((corpus / "media").glob("*.mp4"))[:3]


def test_features_are_made_once(media, tmp_path):
    store = FeatureStore(tmp_path, encoder := Counting(), 4.0)
    first = store.get(media[0])
    made = encoder.frames
    assert made == len(first.x) > 0
    again = FeatureStore(tmp_path, encoder, 4.0).get(media[0])
    assert encoder.frames == made
    assert np.array_equal(first.x, again.x) and np.array_equal(first.times, again.times)
    assert again.recipe == RECIPE


def test_rows_stand_at_the_sampled_frames(media, tmp_path):
    features = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 4.0).get(media[0])
    with open_video(media[0]) as reader:
        shown = reader.timestamps()
        wanted = np.arange(0, reader.info.duration, 0.25)
        last = np.searchsorted(shown, wanted + 1e-6, side="right") - 1
        assert features.times == pytest.approx(shown[last], abs=1e-6)
        assert features.duration == pytest.approx(reader.info.duration)


def test_the_same_content_under_another_name_is_the_same_feature(media, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(media[0].read_bytes())
    store = FeatureStore(tmp_path / "f", encoder := Counting(), 4.0)
    store.get(media[0])
    made = encoder.frames
    store.get(copy)
    assert encoder.frames == made


def test_changed_content_is_seen_although_the_name_is_the_same(media, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(media[0].read_bytes())
    store = FeatureStore(tmp_path / "f", encoder := Counting(), 4.0)
    store.extract([path])
    made = encoder.frames
    path.write_bytes(media[1].read_bytes())
    FeatureStore(tmp_path / "f", encoder, 4.0).extract([path])
    assert encoder.frames > made


def test_another_recipe_is_another_file(media, tmp_path):
    slow = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 2.0)
    fast = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 4.0)
    assert slow.path(media[0]) != fast.path(media[0])
    assert len(slow.get(media[0]).x) < len(fast.get(media[0]).x)


def test_a_mismatch_names_both_recipes(media, tmp_path):
    store = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 4.0)
    features = store.get(media[0])
    other = replace(RECIPE, encoder="open_clip:ViT-B-32", weights="abc", size="224")
    write_features(store.path(media[0]), replace(features, recipe=other))
    with pytest.raises(RecipeMismatch) as error:
        store.get(media[0])
    assert str(RECIPE) in str(error.value) and str(other) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_recording_costs_only_itself(media, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)  # whose writer never comes
    store = FeatureStore(tmp_path / "f", frame_encoder("pixel-grid"), 4.0)
    told = []
    assert isinstance(store.extract([pipe])[pipe], UnreadableMedia)
    found = store.extract([media[0], broken, media[1]], progress=lambda *a: told.append(a))
    assert isinstance(found[broken], UnreadableMedia)
    assert isinstance(found[media[0]], Features) and isinstance(found[media[1]], Features)
    assert [t[0] for t in told] == [1, 2, 3] and told[0][1] == 3


def test_two_at_once_agree(media, tmp_path):
    stores = [FeatureStore(tmp_path, frame_encoder("pixel-grid"), 4.0) for _ in range(2)]
    threads = [threading.Thread(target=s.extract, args=(media,)) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert sum(p.suffix == ".safetensors" for p in files) == len(media)
    assert not [p for p in files if p.name.startswith(".")]  # nothing half-written is left
    assert all(read_features(stores[0].path(m)).recipe == RECIPE for m in media)


def test_two_processes_agree(media, tmp_path):
    words = [sys.executable, "-m", "apps", "features", *map(str, media), "--out", str(tmp_path)]
    root = Path(__file__).parent.parent
    both = [subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate(timeout=120)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert first == second and first.count("\n") == len(media)
    assert not [p for p in tmp_path.rglob(".*") if p.is_file()]
    assert len([read_features(p) for p in tmp_path.rglob("*.safetensors")]) == len(media)


def test_an_encoder_that_fails_leaves_nothing_and_no_thread(media, tmp_path):
    class Failing(Counting):
        def encode(self, frames, before):
            raise RuntimeError("no")

    before = threading.active_count()
    store = FeatureStore(tmp_path, Failing(), 4.0)
    with pytest.raises(RuntimeError):
        store.get(media[0])
    assert threading.active_count() == before
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "name,content", [("a.safetensors", b"junk"), ("a.txt", b"1 2"), ("none.safetensors", None)]
)
def test_what_is_no_feature_file_is_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=str(path)):
        read_features(path)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(BadInput, match="pixel-gird"):
        frame_encoder("pixel-gird")


def test_pooling_by_hand():
    x = np.arange(6, dtype=np.float32)[:, None]
    even = pool(Features(x), Timeline(6.0, 3))
    assert even[:, 0].tolist() == [0.5, 2.5, 4.5]
    times = np.array([0.0, 0.5, 1.0, 3.5, 3.6, 3.9])
    gap = pool(Features(x, times), Timeline(4.0, 4))
    # nothing new is seen in the second and third clip: what was shown last is still there
    assert gap[:, 0].tolist() == [0.5, 2.0, 2.0, 4.0]
    late = pool(Features(x[:1], np.array([3.0])), Timeline(4.0, 2))
    assert late[:, 0].tolist() == [0.0, 0.0]


def test_the_shared_videos_have_features(tmp_path):
    folder = Path(__file__).parents[2] / "shared" / "data" / "videos"
    if not folder.is_dir():
        pytest.skip("the shared videos are not beside this checkout")
    paths = [p for p in sorted(folder.iterdir()) if p.suffix in (".mp4", ".mkv", ".avi", ".mov")]
    store = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 2.0)
    found = store.extract(paths)
    assert len(paths) >= 13
    for path, features in found.items():
        assert isinstance(features, Features | UnreadableMedia), path
        if isinstance(features, Features):
            assert np.isfinite(features.x.astype(np.float32)).all() and len(features.x) > 0
    assert sum(isinstance(f, Features) for f in found.values()) >= len(paths) - 1


X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def write_foreign(folder, kind):
    import h5py
    import torch

    path = folder / f"v.{kind}"
    if kind == "npy":
        np.save(path, X)
    elif kind == "npz":
        np.savez(path, features=X)
    elif kind == "pt":
        torch.save(torch.from_numpy(X), path)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("v", data=X)
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "h5", "hdf5"])
def test_the_fields_files_are_read(tmp_path, kind):
    features = read_features(write_foreign(tmp_path, kind))
    assert np.array_equal(features.x, X)
    assert features.recipe is None and features.duration is None


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "h5", "safetensors"])
def test_a_truncated_file_is_one_line(tmp_path, kind):
    path = tmp_path / f"v.{kind}"
    if kind == "safetensors":
        write_features(path, Features(X))
    else:
        write_foreign(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BadInput) as error:
        read_features(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_a_file_of_many_recordings_is_asked_by_name(tmp_path):
    import h5py

    path = tmp_path / "all.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=X)
        file.create_group("b").create_dataset("c3d_features", data=X * 2)
    assert np.array_equal(read_features(f"{path}#a").x, X)
    assert np.array_equal(read_features(f"{path}#b").x, X * 2)
    with pytest.raises(BadInput, match=r"holds 2 recordings \(a, b"):
        read_features(path)


def test_a_pickle_is_never_run(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    for name in ("v.pt", "v.npy", "v.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        with pytest.raises(BadInput):
            read_features(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "x", [X[0], np.zeros((0, 4), np.float32), X * np.nan, np.ones((2, 2), int)]
)
def test_arrays_that_are_no_features_are_refused(tmp_path, x):
    np.save(tmp_path / "v.npy", x)
    with pytest.raises(BadInput, match=r"v\.npy"):
        read_features(tmp_path / "v.npy")


def test_a_damaged_stored_feature_is_made_again(media, tmp_path):
    store = FeatureStore(tmp_path, frame_encoder("pixel-grid"), 4.0)
    first = store.get(media[0])
    path = store.path(media[0])
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(store.get(media[0]).x, first.x)
    assert np.array_equal(read_features(path).x, first.x)


@pytest.mark.parametrize("times", [[0.0], [0, 1, 2, np.nan, 4, 5], [5, 4, 3, 2, 1, 0]])
def test_times_that_are_no_times_are_refused(tmp_path, times):
    path = tmp_path / "v.safetensors"
    write_features(path, Features(X, np.array(times, float), 6.0))
    with pytest.raises(BadInput, match="times"):
        read_features(path)
