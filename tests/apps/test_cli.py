"""The error contract and asking a model through the command."""

import json

import pytest

from grounding import config, model_file
from grounding.decode import Calibration
from grounding.features import FeatureStore, frame_encoder
from models.encoders.text import WordTokenizer


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder with an untrained model: whatever it answers has the right form."""
    folder = tmp_path_factory.mktemp("untrained")
    settings = config.load(
        None, ["--video.width", "16", "--text.out", "16", "--features.clips", "16"]
    )
    words = WordTokenizer(["red", "circle"])
    store = FeatureStore(folder, frame_encoder("pixel-grid"), settings.features.rate)
    model = model_file.build_model(settings, store.encoder.width, 2)
    trained = model_file.Trained(model, words, store.recipe, settings, Calibration(), 1)
    model_file.save(folder / "model.safetensors", trained)
    return folder


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
