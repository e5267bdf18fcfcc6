"""Pretrained encoders through the whole house: train, ask, and ask without training."""

import json
from pathlib import Path

import pytest

from tests.test_encoders import bert, cache, made, model, save, tiny

__all__ = ["bert", "cache", "model", "tiny"]  # fixtures

CONFIG = Path(__file__).parent.parent / "configs" / "sample-frames.yaml"


def train(command, corpus, run, *more):
    small = ["--training.epochs", 1, "--features.rate", 0.5, "--features.clips", 16]
    return command("train", CONFIG, "--data", corpus, "--run", run, *small, *more)


def test_a_hugging_face_encoder_reads_the_sentences(bert, corpus, command, tmp_path):
    run = tmp_path / "run"
    code, out, err = train(command, corpus, run, "--text.encoder", bert)
    assert code == 0, err
    assert "test, " in out
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command("ground", media, "the dog runs", "--model", run, "--format", "jsonl")
    assert code == 0, err
    assert json.loads(out)["pred_relevant_windows"]
    assert "never saw" not in err


def test_other_sentence_weights_than_the_trainings_are_refused(bert, corpus, command, tmp_path):
    run = tmp_path / "run"
    assert train(command, corpus, run, "--text.encoder", bert)[0] == 0
    file = bert / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    media = corpus / "media" / "sample-0000.mp4"
    code, out, err = command("ground", media, "the dog", "--model", run)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "weights" in err and str(run) in err


def test_open_clip_sees_and_reads(tiny, corpus, command, tmp_path):
    name = f"open_clip:tiny/{save(made('tiny'), tmp_path / 'w.safetensors')}"
    run = tmp_path / "run"
    encoders = ["--features.encoder", name, "--text.encoder", name, "--video.grid", 0]
    code, _, err = train(command, corpus, run, *encoders)
    assert code == 0, err
    media = corpus / "media" / "sample-0000.mp4"
    answers = []
    for how in (["--model", run], ["--model", "zero-shot", "--encoder", name]):
        code, out, err = command("ground", media, "a red circle", *how, "--format", "jsonl")
        assert code == 0, err
        answers.append(json.loads(out))
    assert all(a["pred_relevant_windows"] for a in answers)
    assert "pred_absent" in answers[0] and "pred_absent" not in answers[1]


def test_zero_shot_takes_stored_features_of_its_encoder_alone(tiny, corpus, command, tmp_path):
    names = [
        f"open_clip:tiny/{save(made('tiny', seed), tmp_path / f'{seed}.safetensors')}"
        for seed in (0, 1)
    ]
    media = corpus / "media" / "sample-0000.mp4"
    code, out, _ = command(
        "features", media, "--encoder", names[0], "--out", tmp_path / "f", "--rate", 1
    )
    stored = out.split("\t")[1].strip()
    ask = ["ground", "--features", stored, "a red circle", "--model", "zero-shot", "--encoder"]
    assert command(*ask, names[0])[0] == code == 0
    code, out, err = command(*ask, names[1])
    assert (code, out) == (2, "") and err.count("\n") == 1 and "expects" in err


@pytest.mark.parametrize("key", ["--features.encoder", "--text.encoder"])
def test_weights_that_are_not_there_stop_before_anything_is_made(
    cache, corpus, command, tmp_path, key
):
    code, out, err = train(command, corpus, tmp_path / "run", key, "open_clip:ViT-B-32")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "timm/vit_base_patch32_clip_224.openai" in err
    assert not (tmp_path / "run").exists()
