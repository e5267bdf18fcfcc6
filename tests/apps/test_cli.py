"""The error contract and asking a model through the command."""

import json

import numpy as np
import pytest

from grounding.features import (
    Features,
    Recipe,
    read_features,
    write_features,
)
from tests.untrained import untrained_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder with an untrained model."""
    return untrained_run(tmp_path_factory.mktemp("untrained"))


def test_a_model_answers_in_seconds(run, corpus, command):
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command(
        "ground", media, "a red circle", "red", "--model", run, "--format", "jsonl", "--top-k", 2
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [r["query"] for r in rows] == ["a red circle", "red"]
    duration = json.loads((corpus / "annotations" / "train.jsonl").read_text().split("\n")[0])
    for row in rows:
        assert 1 <= len(row["pred_relevant_windows"]) <= 2
        for start, end, _ in row["pred_relevant_windows"]:
            assert 0 <= start < end
    assert duration["duration"] > 0
    assert "never saw a" in err  # the word is not in the model's vocabulary


def test_quiet_is_quiet(run, corpus, command):
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command("ground", media, "a red circle", "--model", run, "--quiet")
    assert code == 0 and err == "" and "start s" in out


@pytest.mark.parametrize(
    "words,says",
    [
        (["groudn"], "did you mean 'ground'?"),
        (["--frobnicate"], "names no command"),
        (["sample"], "DIR"),
        (["sample", "x", "--vidoes", "3"], "did you mean --videos?"),
        (["sample", "x", "--videos", "0"], "0 is less than 1"),
        (["sample", "x", "--videos", "many"], "many"),
        (["ground", "v.mp4", "x"], "--model"),
        (["ground", "v.mp4", "x", "--model", "nowhere"], "nowhere"),
        (["ground", "v.mp4", "x", "--model", "RUN"], "v.mp4"),
        (["ground", "MEDIA", " ", "--model", "RUN"], "sentence is empty"),
        (["ground", "MEDIA", "x", "--model", "MEDIA"], "sample-0000.mp4"),
        (["evaluate", "--predictions", "p", "--annotations", "a"], "p: no such file"),
        (["train", "x.yaml", "--device", "tpu"], "tpu"),
    ],
)
def test_bad_input_is_one_line(run, corpus, command, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    places = {"RUN": run, "MEDIA": corpus / "media" / "sample-0000.mp4"}
    code, out, err = command(*[places.get(w, w) for w in words])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and says in err and err.startswith("grounding: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(command, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = command("sample", tmp_path / "file" / "x", "--videos", 8)
    assert code == 2 and err.count("\n") == 1 and "file" in err


def test_help_names_every_command(command):
    from apps.cli import COMMANDS

    code, out, _ = command("--help")
    assert code == 0 and all(name in out for name in COMMANDS)


def test_every_command_explains_itself(capsys):
    from apps.cli import COMMANDS, main

    for name in COMMANDS:
        with pytest.raises(SystemExit) as done:
            main([name, "--help"])
        assert done.value.code == 0
        assert "--quiet" in capsys.readouterr().out


def test_stored_vectors_answer_without_a_model(command, tmp_path):
    rng = np.random.default_rng(0)
    text = rng.standard_normal(16).astype(np.float32)
    rows = rng.standard_normal((100, 16)).astype(np.float32)
    rows[40:60] += 2 * text
    np.save(tmp_path / "clip.npy", rows)
    np.save(tmp_path / "text.npy", text[None])
    words = ["ground", "it happens", "--model", "zero-shot", "--features", tmp_path / "clip.npy"]
    words += ["--text-features", tmp_path / "text.npy", "--format", "jsonl"]
    code, out, _ = command(*words, "--duration", 50)
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and row["vid"] == "clip"
    assert row["pred_relevant_windows"][0][:2] == pytest.approx([20, 30], abs=1.5)
    code, _, err = command(*words)
    assert code == 2 and "--duration" in err


@pytest.mark.parametrize(
    "words,says",
    [
        (["ground", "v.mp4", "x", "--model", "zero-shot"], "--encoder"),
        (
            ["ground", "MEDIA", "x", "--model", "zero-shot", "--encoder", "pixel-grid"],
            "no sentences",
        ),
        (["ground", "v.mp4", "x", "--model", "RUN", "--encoder", "pixel-grid"], "zero-shot"),
        (
            ["ground", "v.mp4", "x", "--model", "zero-shot", "--text-features", "t.npy"],
            "goes with --features",
        ),
    ],
)
def test_zero_shot_says_what_it_lacks(run, corpus, command, words, says):
    places = {"RUN": run, "MEDIA": corpus / "media" / "sample-0000.mp4"}
    code, out, err = command(*[places.get(w, w) for w in words])
    assert (code, out) == (2, "") and err.count("\n") == 1 and says in err


def test_features_of_another_encoder_are_refused_and_both_are_named(run, corpus, command, tmp_path):
    made = Recipe("open_clip:ViT-B-32/openai", "ab" * 32, 2.0, "224 shortest, centre crop", "3.3.0")
    write_features(tmp_path / "v.safetensors", Features(np.ones((9, 512)), None, 30.0, made))
    code, out, err = command(
        "ground", "--features", tmp_path / "v.safetensors", "x", "--model", run
    )
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "open_clip:ViT-B-32/openai" in err and "pixel-grid" in err


@pytest.mark.parametrize("lacks", ["text", "recipe", "settings", "format", "tensor"])
def test_a_model_of_another_version_is_one_line(run, corpus, command, tmp_path, lacks):
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(run / "model.safetensors", "pt") as file:
        about = json.loads(file.metadata()["grounding"])
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if lacks == "tensor":
        state.pop("head.project_clips.weight")
    else:
        about.pop(lacks)
    save_file(state, tmp_path / "model.safetensors", {"grounding": json.dumps(about)})
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command("ground", media, "red", "--model", tmp_path)
    assert (code, out) == (2, "") and err.count("\n") == 1 and "train again" in err


def test_features_of_the_wrong_width_are_one_line(run, command, tmp_path):
    np.save(tmp_path / "v.npy", np.ones((9, 7), np.float32))
    code, out, err = command(
        "ground", "--features", tmp_path / "v.npy", "red", "--model", run, "--duration", 9
    )
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "7 numbers a row" in err and "256" in err


def test_features_are_listed_with_their_files(corpus, command, tmp_path):
    code, out, err = command("features", corpus, "--out", tmp_path, "--rate", 2)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and len(rows) == 12
    assert all(read_features(file).recipe.rate == 2 for _, file in rows)
    assert "12 of 12" in err
    broken = tmp_path / "broken.mp4"
    broken.write_text("x")
    code, out, err = command("features", broken, "--out", tmp_path)
    assert code == 2 and out == "" and str(broken) in err


def test_global_options_may_stand_before_the_command(command):
    code, _, _ = command("--device", "cpu", "--quiet", "weights", "check", "pixel-grid")
    assert code == 0
    assert command("--device", "cpu")[0] == 2


def test_nothing_to_score_is_no_score(corpus, command, tmp_path):
    empty, annotations = tmp_path / "empty.jsonl", corpus / "annotations" / "test.jsonl"
    empty.write_text("")
    for p, a in ((empty, annotations), (empty, empty)):
        code, out, err = command("evaluate", "--predictions", p, "--annotations", a)
        assert (code, out) == (2, "") and str(empty) in err


def test_words_that_are_all_unknown_are_said(run, corpus, command):
    media = corpus / "media" / "sample-0000.mp4"
    code, _, err = command("ground", media, "zebra parade", "--model", run, "--quiet")
    assert code == 0 and "only guess" in err
