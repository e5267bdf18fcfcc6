"""Promises of a model file across versions: it answers as before, or is refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from grounding import config, model_file
from grounding.decode import Calibration
from grounding.encoders import frame_encoder
from grounding.errors import BadInput
from grounding.features import FeatureStore
from models.encoders.text import WordTokenizer

SAMPLE = Path(__file__).parent.parent / "configs" / "sample-d3g.yaml"


def saved(folder, *overrides):
    """An untrained model of the sample's config and its file."""
    settings = config.load(SAMPLE, list(overrides))
    words = WordTokenizer(["red", "circle"])
    store = FeatureStore(folder, frame_encoder("pixel-grid"), settings.features.rate)
    model = model_file.build_model(settings, store.encoder.width, 2)
    path = folder / "model.safetensors"
    model_file.save(
        path, model_file.Trained(model, words, store.recipe, settings, Calibration(), 1)
    )
    return model, path


def rewrite(path, change):
    """The same file as another version would have written it."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["grounding"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(about, tensors)
    save_file(tensors, path, {"grounding": json.dumps(about)})


def test_a_model_of_the_sample_config_from_before_the_choice_of_networks_still_answers(tmp_path):
    model, path = saved(tmp_path)
    rewrite(path, lambda about, _: about["settings"]["method"].pop("stack"))
    loaded = model_file.load(path).model
    assert loaded.head.settings.stack == "residual"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def refused(path):
    with pytest.raises(BadInput, match="does not fit this version") as error:
        model_file.load(path)
    return "\n" not in str(error.value) and str(path) in str(error.value)


def test_weights_of_dense_convolutions_are_refused_in_one_line(tmp_path):
    map_ = ["--method.map", "1", "--method.layers", "1", "--method.width", "8"]
    _, path = saved(tmp_path, *map_)

    def as_dense(_, tensors):
        name = "head.map.proposals.layers.0.weight"
        taps = tensors[name].view(3, 3, 8, 8)
        tensors[name] = taps.permute(3, 2, 0, 1).contiguous()

    rewrite(path, as_dense)
    assert refused(path)


def test_weights_from_before_the_map_was_a_choice_are_refused_in_one_line(tmp_path):
    _, path = saved(tmp_path, "--method.map", "1", "--method.layers", "1", "--method.width", "8")

    def without_a_choice(about, tensors):
        del about["settings"]["method"]["map"]
        for name in [name for name in tensors if name.startswith("head.map.")]:
            tensors[name.replace(".map.", ".")] = tensors.pop(name)

    rewrite(path, without_a_choice)
    assert refused(path)
