"""`grounding weights`: what a name needs, where it looks, whether it is there."""

import hashlib

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty hub cache, and no network."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


def test_list_shows_where_weights_come_from_and_whether_they_are_there(command, cache):
    code, out, err = command("weights", "list")
    assert code == 0 and err == ""
    rows = [line.split() for line in out.splitlines()]
    assert ["pixel-grid", "frames", "needs", "none", "yes"] in rows
    assert ["words", "text", "learned", "in", "training", "yes"] in rows
    (clip,) = (r for r in rows if r and r[0] == "open_clip:ViT-B-32/openai")
    assert clip[-1] == "no" and "timm/vit_base_patch32_clip_224.openai" in clip
    assert "any open_clip model (" in out and str(cache) in out


def test_list_sees_what_was_downloaded(command, cache):
    folder = cache / "models--timm--vit_base_patch32_clip_224.openai"
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    (folder / "snapshots" / "c0ffee" / "open_clip_model.safetensors").write_bytes(b"weights")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c0ffee")
    _, out, _ = command("weights", "list")
    assert [line.split()[0] for line in out.splitlines() if line.endswith("  yes")][2:] == [
        "open_clip:ViT-B-32/openai"
    ]


@pytest.mark.parametrize("name", ["pixel-grid", "words"])
def test_what_needs_no_weights_says_so(command, name):
    assert command("weights", "check", name) == (0, f"{name}: needs no weights\n", "")


def test_check_prints_path_and_hash_of_weights_that_are_there(command, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    code, out, err = command("weights", "check", f"open_clip:ViT-B-32/{path}")
    assert code == 0 and err == ""
    assert str(path) in out and hashlib.sha256(b"weights").hexdigest() in out


@pytest.mark.parametrize(
    "name, says",
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "pass open_clip:ViT-B-32/PATH"),
        ("sentence-transformers/all-MiniLM-L6-v2", "pass the path of their folder"),
        ("word", "did you mean 'words'?"),
    ],
)
def test_check_of_weights_that_are_not_there_is_one_line(command, cache, name, says):
    code, out, err = command("weights", "check", name)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert err.startswith(f"grounding: {name}: the weights (hf hub ")
    assert f"not in {cache} (the first use downloads them)" in err and says in err
    assert not cache.exists()


@pytest.mark.parametrize("words", [(), ("check",), ("list", "words"), ("show", "words")])
def test_a_wrong_call_is_one_line(command, words):
    code, out, err = command("weights", *words)
    assert code == 2 and out == "" and err.count("\n") == 1
