"""D3G's configs are the paper's numbers, and train on the public files."""

import json
from pathlib import Path

import pytest
from transformers import BertModel

from grounding import config, model_file
from grounding.layouts import LAYOUTS
from models.cells import Cells
from tests.field_files import dataset
from tests.test_encoders import save_bert

CONFIGS = Path(__file__).parent.parent / "configs"
NAMES = {"charades": "charades-vgg", "activitynet": "activitynet-c3d", "tacos": "tacos-c3d"}
CELLS = {"charades": 136, "activitynet": 1104, "tacos": 2548}  # d3g.md 2.1
TEXT = 768  # DistilBERT


def published(name, *overrides):
    return config.load(CONFIGS / f"d3g-{name}.yaml", [str(word) for word in overrides])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_map_has_the_published_candidates(name):
    settings = published(name)
    assert len(Cells(settings.method.clips, settings.method.diagonals)) == CELLS[name]
    assert settings.features.clips == settings.video.pool * settings.method.clips
    assert settings.features.layout == NAMES[name]
    assert Path(settings.features.file).name == LAYOUTS[NAMES[name]].file


def test_charades_has_the_published_number_of_weights_without_its_text_encoder():
    settings = published("charades", "--text.frozen", "null")  # its encoder stays outside
    model = model_file.build_model(settings, LAYOUTS["charades-vgg"].width, TEXT)
    count = sum(weight.numel() for weight in model.parameters())
    features, width, out, kernel, layers = 4096, 512, 256, 5, 8
    first = features * width + width
    # a norm of a batch has as many weights as one of a cell
    proposals = layers * (width * width * kernel**2 + width + 2 * width)
    last = width * out + out
    text = 2 * TEXT + TEXT * out + out
    assert round((first + proposals + last + text) / 1e6, 1) == 54.9  # d3g.md 2.3
    # ours has one linear layer more on the way onto the map, and one behind the sentence's
    ours = (width * width + width) + (out * out + out)
    assert count == first + proposals + last + text + ours


@pytest.mark.parametrize("name", sorted(NAMES))
def test_its_config_trains_on_a_file_of_its_layout(name, command, tmp_path):
    save_bert(tmp_path / "bert", BertModel)
    splits = ("train",) if name == "charades" else ("train", "val")
    folder = dataset(tmp_path / "data", command, layout=NAMES[name], videos=4, splits=splits)
    rows = [json.loads(x) for x in (folder / "annotations/train.jsonl").read_text().splitlines()]
    assert all(w[0] <= row["glance"] <= w[1] <= row["duration"] + 1e-3
               for row in rows for w in row["relevant_windows"])  # fmt: skip
    small = ["--method.width", 16, "--video.width", 16, "--text.encoder", tmp_path / "bert"]
    held = ["--training.hold_out", 2] if name == "charades" else []
    path = CONFIGS / f"d3g-{name}.yaml"
    code, out, err = command("train", path, "--data", folder, "--fast-dev-run", *small, *held)
    assert code == 0, err
    assert "val, " in out and "nothing was kept" in err


def test_charades_without_val_holds_recordings_out():
    assert published("charades").training.hold_out > 0
