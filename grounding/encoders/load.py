"""Pretrained encoders, built and filled with their weights; pickles are read as tensors alone."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from grounding.encoders.hub import Weights, configs, find_sentence_weights, quiet, reason
from grounding.encoders.open_clip_name import OpenClipName
from grounding.errors import BadInput

if TYPE_CHECKING:
    from grounding.encoders import SentenceEncoder
    from grounding.features import FrameEncoder

PRECISIONS = ("fp32", "bf16", "fp16")

# frames and sentences are two halves of one model: in memory it is there once
_built: WeakValueDictionary[tuple[str, ...], Any] = WeakValueDictionary()


def open_clip_frames(
    name: str, *, precision: str = "fp32", batch: int = 32, device: str = "cpu"
) -> FrameEncoder:
    """Image embeddings of `open_clip:MODEL[/TAG or PATH]`, `batch` frames at a time.

    Raises:
        BadInput: the name or the precision is unknown, or the weights cannot be had or loaded.
    """
    if precision not in PRECISIONS:
        raise BadInput(f"precision {precision!r} is unknown; take {', '.join(PRECISIONS)}")
    import open_clip

    from models.encoders.open_clip import OpenClipFrames, Preprocess

    spec = OpenClipName.parse(name)
    weights = spec.fetch()
    digest = weights.sha256()
    model = _open_clip_model(spec, weights, digest, precision, device)
    wants = open_clip.get_model_preprocess_cfg(model)
    sides = {wants["size"]} if isinstance(wants["size"], int) else set(wants["size"])
    if len(sides) > 1:
        raise BadInput(f"{name}: sees images of {wants['size']}; only square ones are supported")
    encoder = OpenClipFrames(
        model,
        Preprocess(
            sides.pop(),
            tuple(wants["mean"]),
            tuple(wants["std"]),
            wants["interpolation"],
            wants["resize_mode"],
        ),
        name=weights.name,
        weights=digest,
        version=f"open_clip {version('open_clip_torch')}",
        width=spec.config["embed_dim"],
        precision=precision,
        batch=batch,
        device=device,
    )
    if precision != "fp32":
        try:
            side = encoder.short_side
            encoder.encode(np.zeros((1, side, side, 3), np.uint8), None)
        except RuntimeError as error:  # parts of some models stay float32
            raise BadInput(
                f"{name}: does not run in {precision} ({reason(error)}); take fp32"
            ) from error
    return encoder


def open_clip_sentences(name: str, *, batch: int = 64, device: str = "cpu") -> SentenceEncoder:
    """Text embeddings of `open_clip:MODEL[/TAG or PATH]`.

    Raises:
        BadInput: the name is unknown, or weights or tokenizer cannot be had or loaded.
    """
    import open_clip

    from models.encoders.sentences import OpenClipSentences

    spec = OpenClipName.parse(name)
    weights = spec.fetch()
    options = {}
    if repo := spec.config["text_cfg"].get("hf_tokenizer_name"):
        configs(name, repo, "tokenizer_config.json")
        options = {"local_files_only": True}
    try:
        tokenizer = open_clip.get_tokenizer(spec.model, **options)
    except Exception as error:  # whatever a third party's tokenizer says
        raise BadInput(f"{name}: its tokenizer cannot be loaded ({reason(error)})") from error
    digest = weights.sha256()
    return OpenClipSentences(
        _open_clip_model(spec, weights, digest, "fp32", device),
        tokenizer,
        name=weights.name,
        weights=digest,
        version=f"open_clip {version('open_clip_torch')}",
        width=spec.config["embed_dim"],
        batch=batch,
        device=device,
    )


def hugging_face_sentences(name: str, *, batch: int = 64, device: str = "cpu") -> SentenceEncoder:
    """Mean token states of a Hugging Face text encoder, by name or folder; its own code never runs.

    Raises:
        BadInput: it is not there and cannot be downloaded, or it is no text encoder.
    """
    weights = find_sentence_weights(name, fetch=True)
    folder = weights.files[0].parent
    import torch
    from transformers import AutoModel, AutoTokenizer

    from models.encoders.sentences import HuggingFaceSentences

    load: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    digest = weights.sha256()
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **load)
            model, report = AutoModel.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True, **load
            )
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        encoder = HuggingFaceSentences(
            model.eval().to(device),
            tokenizer,
            name=weights.name,
            weights=digest,
            version=f"transformers {version('transformers')}",
            batch=batch,
            device=device,
        )
        encoder.encode(["does it read", "sentences of different lengths"])
    except Exception as error:  # whatever a third party's model says about a user's files
        raise BadInput(f"{name}: is no readable text encoder ({reason(error)})") from error
    # transformers fills what the file lacks with random numbers; only the pooler goes unused here
    lost = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if lost:
        raise BadInput(
            f"{name}: its weights lack {len(lost)} of the model's tensors (first: {lost[0]}); "
            "give weights that belong to its config.json"
        )
    return encoder


def _open_clip_model(
    spec: OpenClipName, weights: Weights, digest: str, precision: str, device: str
) -> Any:
    """The model with its weights, in evaluation mode; one for all who ask for the same.

    Raises:
        BadInput: the file holds no weights of this model.
    """
    key = (str(spec), digest, precision, device)
    if (known := _built.get(key)) is not None:
        return known
    import open_clip

    trained, text, file = spec.trained, spec.config["text_cfg"], weights.files[0]
    if repo := text.get("hf_model_name"):
        folder = configs(str(spec), repo, "config.json")
        text |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
    try:
        with quiet():
            model = open_clip.create_model(
                spec.model,
                pretrained=str(file),
                require_pretrained=True,
                weights_only=True,
                precision=precision,
                device=device,
                # a tag's GELU is part of its weights; open_clip itself only warns about it
                force_quick_gelu=trained.get("quick_gelu", False),
                force_preprocess_cfg=trained,
                text_cfg=text,
            )
    except Exception as error:  # whatever a third party's loader says about a user's file
        raise BadInput(
            f"{file}: cannot be loaded as weights of {spec.model} ({reason(error)})"
        ) from error
    _built[key] = model.eval()
    return model
