"""`model.safetensors`: weights and all that is needed to ask them, in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from grounding.decode import Calibration
from grounding.encoders import sentence_encoder
from grounding.errors import BadInput, RecipeMismatch
from grounding.features import Recipe
from grounding.files import atomic
from grounding.settings import (
    FeatureSettings,
    RunSettings,
    TextSettings,
    TrainingSettings,
    VideoSettings,
)
from models.encoders.pooled import PooledEncoder
from models.encoders.sentences import HuggingFaceSentences
from models.encoders.text import (
    SentenceProjection,
    Sentences,
    StoredSentences,
    WordTokenizer,
    WordVectors,
)
from models.encoders.thawing import ThawingSentences, TrainedSentences
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
        words: how it reads sentences.
        recipe: of the features it reads.
        settings: the run's config.
        calibration: logits -> probability of absence, scores -> probability of being right.
        epoch: the epoch that was chosen, from 1.
    """

    model: GroundingModel
    words: Sentences
    recipe: Recipe
    settings: RunSettings
    calibration: Calibration
    epoch: int


def read_sentences(settings: RunSettings, training: Sequence[str]) -> Sentences:
    """The text side that a config names; `words` learns its vocabulary from the training sentences.

    Raises:
        BadInput: a pretrained encoder is unknown or its weights are not there.
    """
    text = settings.text
    if text.encoder == "words" and text.frozen is None:
        return WordTokenizer.fit(training, text.least)
    return _pretrained(text)


def _pretrained(text: TextSettings, thawed: bool = False) -> StoredSentences:
    """The encoder that the settings name, for ever frozen or not.

    Raises:
        BadInput: it is not there, or is to be trained and cannot be.
    """
    encoder = None if text.encoder == "words" else sentence_encoder(text.encoder)
    if encoder is not None and text.frozen is None:
        return StoredSentences(encoder)
    if not isinstance(encoder, HuggingFaceSentences):
        raise BadInput(
            f"text.frozen is {text.frozen}, but only a Hugging Face encoder can be trained and "
            f"text.encoder is {text.encoder}; set text.frozen to null"
        )
    return ThawingSentences(encoder, thawed)


def build_model(
    settings: RunSettings, inputs: int, text_size: int, words: Sentences | None = None
) -> GroundingModel:
    """Wire the parts that a config names.

    Args:
        inputs: width of the features.
        text_size: `size` of the text side: words in the vocabulary, or width of a sentence vector.
        words: the text side itself, where its encoder becomes a part of the model.

    Raises:
        BadInput: the parts do not fit each other.
    """
    require_grid(settings)
    known = getattr(HEADS[settings.head].head, "supervisions", (settings.training.supervision,))
    if settings.training.supervision not in known:
        raise BadInput(
            f"head {settings.head} does not learn from training.supervision "
            f"{settings.training.supervision}; take {' or '.join(known)}, or another head"
        )
    try:
        return _wire(settings, inputs, text_size, words)
    except ValueError as error:
        raise BadInput(f"the config cannot be built: {error}") from None


def require_grid(settings: RunSettings) -> None:
    """Raises BadInput unless features.clips == video.pool * method.clips; only `pooled` pools."""
    clips, video = settings.features.clips, settings.video
    if video.pool != 1 and video.kind != "pooled":
        raise BadInput(
            f"video.pool is {video.pool}, but video.kind is {video.kind}; "
            "only pooled averages clips"
        )
    head = getattr(settings.method, "clips", clips // video.pool)
    if head * video.pool == clips:
        return
    if video.pool == 1:
        raise BadInput(f"method.clips is {head} and features.clips is {clips}; make them equal")
    raise BadInput(
        f"features.clips is {clips}, but video.pool {video.pool} x {head} clips of the model is "
        f"{head * video.pool}; make them equal"
    )


def _wire(
    settings: RunSettings, inputs: int, text_size: int, words: Sentences | None
) -> GroundingModel:
    text, video = settings.text, settings.video
    if isinstance(words, ThawingSentences):
        reads: nn.Module = TrainedSentences(
            words.encoder.network, text_size, text.out, text.dropout, text.layer_norm
        )
    elif text.encoder == "words":
        reads = WordVectors(text_size, text.width, text.out, text.dropout)
    else:
        reads = SentenceProjection(text_size, text.out, text.dropout, text.layer_norm)
    head = HEADS[settings.head].head(settings.method, video.width, text.out)
    if video.kind == "pooled":
        sees: nn.Module = PooledEncoder(inputs, video.width, video.pool)
    else:
        sees = ClipEncoder(
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
        )
    return GroundingModel(sees, reads, head)


def save(path: Path, trained: Trained) -> None:
    """Write weights and description, whole or not at all."""
    from safetensors.torch import save_file

    about = {
        "format": FORMAT,
        "settings": asdict(trained.settings),
        "text": _describe(trained.words),
        "recipe": asdict(trained.recipe),
        "calibration": trained.calibration.as_dict(),
        "epoch": trained.epoch,
    }
    tensors = _apart(trained.model.state_dict())
    with atomic(path) as temporary:
        save_file(tensors, temporary, {"grounding": json.dumps(about)})


def _apart(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors, none sharing memory with another: some encoders tie their weights."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
    return tensors


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
    try:
        about: dict[str, Any] = json.loads(meta["grounding"])
        if about["format"] != FORMAT:
            raise BadInput(f"{path}: format {about['format']} is not {FORMAT}; train again")
        settings = settings_from(about["settings"])
        words = _restore(about["text"], settings, path)
        inputs = state["clips.project.weight"].shape[1]
        model = build_model(settings, inputs, words.size, words)
        model.load_state_dict(state)
        recipe, calibration = Recipe(**about["recipe"]), Calibration(**about["calibration"])
        epoch = int(about["epoch"])
    except BadInput:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        # what another version wrote, or a damaged description: lacking keys, other shapes
        what = (str(error).splitlines() or [""])[0].rstrip(":")
        raise BadInput(
            f"{path}: does not fit this version ({type(error).__name__}: {what}); train again"
        ) from None
    model.eval().to(torch.device(device))
    return Trained(model, words, recipe, settings, calibration, epoch)


def _describe(words: Sentences) -> dict[str, Any]:
    if isinstance(words, WordTokenizer):
        return {"vocabulary": words.vocabulary}
    assert isinstance(words, StoredSentences)
    return {"name": words.encoder.name, "weights": words.encoder.weights}


def _restore(text: dict[str, Any], settings: RunSettings, path: Path) -> Sentences:
    if "vocabulary" in text:
        return WordTokenizer(text["vocabulary"])
    words = _pretrained(settings.text, thawed=True)
    encoder = words.encoder
    # a thawed encoder's own weights are in this file, whatever it began with
    if encoder.weights != text["weights"] and not isinstance(words, ThawingSentences):
        raise RecipeMismatch(
            f"{path}: was trained with sentences of {text['name']} (weights "
            f"{text['weights'][:12]}), found {encoder.name} (weights {encoder.weights[:12]}); "
            "give the weights of the training"
        )
    return words


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
