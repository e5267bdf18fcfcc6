"""`model.safetensors`: weights and all that is needed to ask them, in one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from grounding.decode import Calibration
from grounding.errors import BadInput
from grounding.features import Recipe
from grounding.files import atomic
from grounding.settings import (
    FeatureSettings,
    RunSettings,
    TextSettings,
    TrainingSettings,
    VideoSettings,
)
from models.encoders.text import WordTokenizer, WordVectors
from models.encoders.video import ClipEncoder
from models.grounder import GroundingModel
from models.heads import HEADS

FORMAT = 1
NAME = "model.safetensors"


@dataclass(frozen=True)
class Trained:
    """A model with what belongs to it.

    Attributes:
        model: in evaluation mode.
        words: the tokenizer of its sentences.
        recipe: of the features it reads.
        settings: the run's config.
        calibration: logits -> probability of absence.
        epoch: the epoch that was chosen, from 1.
    """

    model: GroundingModel
    words: WordTokenizer
    recipe: Recipe
    settings: RunSettings
    calibration: Calibration
    epoch: int


def build_model(settings: RunSettings, inputs: int, vocabulary: int) -> GroundingModel:
    """Wire the parts that a config names; `inputs` = width of the features.

    Raises:
        BadInput: the config names an unknown part.
    """
    text, video = settings.text, settings.video
    if text.encoder != "words":
        raise BadInput(f"text encoder {text.encoder!r} is unknown; take words")
    head = HEADS[settings.head].head(settings.method, video.width, text.out)
    return GroundingModel(
        ClipEncoder(
            inputs,
            video.width,
            video.kind,
            video.layers,
            video.kernel,
            video.heads,
            video.dropout,
            video.noise,
            video.grid,
            video.places,
        ),
        WordVectors(vocabulary, text.width, text.out, text.dropout),
        head,
    )


def save(path: Path, trained: Trained) -> None:
    """Write weights and description, whole or not at all."""
    from safetensors.torch import save_file

    about = {
        "format": FORMAT,
        "settings": asdict(trained.settings),
        "vocabulary": trained.words.vocabulary,
        "recipe": asdict(trained.recipe),
        "calibration": trained.calibration.as_dict(),
        "epoch": trained.epoch,
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in trained.model.state_dict().items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, {"grounding": json.dumps(about)})


def load(run: str | Path, device: str = "cpu") -> Trained:
    """Read the model of a run folder (or a model.safetensors itself).

    Raises:
        BadInput: there is no model, or it is no model of ours; names the file.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(run)
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise BadInput(f"{path}: no such model; give the folder that `grounding train` made")
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path}: not a safetensors file ({error}); train again") from None
    if "grounding" not in meta:
        raise BadInput(f"{path}: was not written by `grounding train`; give a run folder")
    about: dict[str, Any] = json.loads(meta["grounding"])
    if about["format"] != FORMAT:
        raise BadInput(f"{path}: format {about['format']} is not {FORMAT}; train again")
    settings = settings_from(about["settings"])
    words = WordTokenizer(about["vocabulary"])
    model = build_model(settings, state["clips.scale"].shape[0], len(words.vocabulary))
    model.load_state_dict(state)
    model.eval().to(torch.device(device))
    return Trained(
        model,
        words,
        Recipe(**about["recipe"]),
        settings,
        Calibration(**about["calibration"]),
        about["epoch"],
    )


def settings_from(raw: dict[str, Any]) -> RunSettings:
    """The settings a run wrote -> RunSettings."""
    sections = {
        "features": FeatureSettings,
        "text": TextSettings,
        "video": VideoSettings,
        "training": TrainingSettings,
        "method": HEADS[raw["head"]].settings,
    }
    values = {f.name: raw[f.name] for f in fields(RunSettings)}
    return RunSettings(**{k: sections[k](**v) if k in sections else v for k, v in values.items()})
