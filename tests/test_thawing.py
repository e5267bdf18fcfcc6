"""A text encoder that is frozen at first and trained later."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertModel, DistilBertConfig, DistilBertModel

from grounding import config, model_file
from grounding.encoders import sentence_encoder
from grounding.errors import BadInput
from models.encoders.sentences import HuggingFaceSentences
from models.encoders.thawing import ThawingSentences, TrainedSentences
from tests.field_files import SENTENCES, dataset
from tests.test_encoders import WORDS, save_bert, save_with_tokenizer

CONFIG = Path(__file__).parent.parent / "configs" / "sample-frames.yaml"
FROZEN = 2  # epochs
EPOCHS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dataset folder, and a small encoder beside it."""
    from apps.cli import main

    def run(*words):
        return main([str(word) for word in words]), "", ""

    folder = tmp_path_factory.mktemp("thaw")
    dataset(folder / "data", run, width=8, videos=6)
    save_bert(folder / "bert", BertModel)
    return folder


def words_of_training(place, run, *more):
    small = ["--features.file", "features/vgg_rgb_features.hdf5", "--features.clips", 8]
    small += ["--video.grid", 0, "--video.width", 8, "--text.dropout", 0, "--training.batch", 4]
    small += ["--text.encoder", place / "bert", "--text.layer_norm", "true"]
    small += ["--text.frozen", FROZEN, "--training.epochs", EPOCHS, "--training.choose", "mIoU"]
    return ["train", CONFIG, "--data", place / "data", "--run", run, *small, *more]


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """A finished run that thawed half-way."""
    from apps.cli import main

    run = tmp_path_factory.mktemp("runs") / "whole"
    assert main([str(w) for w in words_of_training(place, run)]) == 0
    return run


def encoder_in(state):
    prefix = "text.encoder."
    return {k.partition(prefix)[2]: v for k, v in state.items() if prefix in k}


def test_the_checkpoint_holds_the_encoder_as_trained(whole, place):
    checkpoint = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)
    trained = encoder_in(checkpoint["state_dict"])
    first = load_file(place / "bert" / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(trained[name], first[name])
    assert encoder_in(load_file(whole / "model.safetensors")).keys() == trained.keys()


def test_frozen_epochs_leave_the_encoder_as_it_was(place, command, tmp_path):
    run = tmp_path / "run"
    assert command(*words_of_training(place, run, "--training.epochs", FROZEN))[0] == 0
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    first = load_file(place / "bert" / "model.safetensors")
    kept = encoder_in(checkpoint["state_dict"])
    assert all(torch.equal(kept[name], first[name]) for name in first)


def test_a_run_stopped_around_the_thaw_resumes_to_the_same_end(place, command, tmp_path):
    # of this schedule the first epochs do not depend on how many there will be
    steps = ["--training.schedule", "steps", "--training.warm_up", 0]
    run = tmp_path / "whole"
    assert command(*words_of_training(place, run, *steps))[0] == 0
    for done in (FROZEN - 1, FROZEN, FROZEN + 1):
        stopped = tmp_path / f"stopped-{done}"
        short = [*steps, "--training.epochs", done]
        assert command(*words_of_training(place, stopped, *short))[0] == 0
        settings = stopped / "config.yaml"
        settings.write_text(settings.read_text().replace(f"epochs: {done}", f"epochs: {EPOCHS}"))
        assert command("train", "--run", stopped, "--resume")[0] == 0
        assert (run / "metrics.csv").read_text() == (stopped / "metrics.csv").read_text()
        a, b = (
            torch.load(r / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
            for r in (run, stopped)
        )
        assert all(torch.equal(a[name], b[name]) for name in b)


def test_the_model_is_asked_with_its_own_weights(whole, place, command, tmp_path):
    row = json.loads((place / "data" / "annotations" / "val.jsonl").read_text().splitlines()[0])
    file = place / "data" / "features" / "vgg_rgb_features.hdf5"
    ask = ["ground", "--features", f"{file}#{row['vid']}", "--duration", row["duration"]]
    ask += [row["query"], "--model", whole, "--format", "jsonl"]
    code, before, err = command(*ask)
    assert code == 0, err
    # the weights it began with may be gone or others since: only config and tokenizer are read
    kept = place / "bert" / "model.safetensors"
    other = tmp_path / "other"
    save_bert(other / "bert", BertModel)
    model = BertModel.from_pretrained(other / "bert")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1)
    saved = kept.read_bytes()
    try:
        model.save_pretrained(place / "bert")
        code, after, err = command(*ask)
    finally:
        kept.write_bytes(saved)
    assert code == 0, err
    assert after == before


def test_stored_vectors_and_ids_say_the_same_before_training(place):
    encoder = sentence_encoder(str(place / "bert"))
    assert isinstance(encoder, HuggingFaceSentences)
    words = ThawingSentences(encoder)
    text = TrainedSentences(encoder.network, encoder.width, 6, 0.0, True)
    text.train()
    frozen = text(words(SENTENCES))
    words.thawed = True
    ids = words(SENTENCES)
    assert not ids.x.is_floating_point() and ids.mask.sum(1).min() >= 4  # with begin and end
    torch.testing.assert_close(text.eval()(ids), frozen, atol=1e-5, rtol=0)
    # a sentence does not hear its neighbours' padding
    alone = text(words(SENTENCES[:1]))
    torch.testing.assert_close(alone, text(ids)[:1], atol=1e-5, rtol=0)


def test_a_frozen_encoder_has_no_dropout_and_a_thawed_one_has(place):
    encoder = sentence_encoder(str(place / "bert"))
    words = ThawingSentences(encoder, thawed=True)
    text = TrainedSentences(encoder.network, encoder.width, 6, 0.0, False)
    ids = words(SENTENCES)
    text.train()
    assert torch.equal(text(ids), text(ids))
    text.thaw()
    assert not torch.equal(text(ids), text(ids))
    text.eval()
    assert torch.equal(text(ids), text(ids))


def test_distilbert_is_read_as_published(tmp_path):
    kind = DistilBertConfig(
        vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=32,
        max_position_embeddings=16,
    )  # fmt: skip
    folder = save_with_tokenizer(tmp_path / "distil", DistilBertModel(kind))
    encoder = sentence_encoder(str(folder))
    text = TrainedSentences(encoder.network, 16, 4, 0.0, True).eval()
    ids = encoder.ids(["the dog runs", "a"])
    with torch.no_grad():
        states = encoder.network(input_ids=ids.x[:1]).last_hidden_state[0]  # CLS .. SEP
        wanted = text.project(torch.nn.functional.layer_norm(states.mean(0), (16,)))
        torch.testing.assert_close(text(ids)[0], wanted, atol=1e-4, rtol=0)


def test_learned_words_cannot_thaw():
    settings = config.load(None, ["--text.frozen", "3", "--text.encoder", "words"])
    with pytest.raises(BadInput, match="only a Hugging Face encoder") as refused:
        model_file.read_sentences(settings, ["a dog"])
    assert "\n" not in str(refused.value)


def test_without_frozen_the_encoder_is_no_part_of_the_model(place, command, tmp_path):
    run = tmp_path / "run"
    assert command(*words_of_training(place, run, "--text.frozen", "null"))[0] == 0
    assert not encoder_in(load_file(run / "model.safetensors"))
    assert "text.norm.weight" in load_file(run / "model.safetensors")
