"""Encoders by name.

Frames: `pixel-grid`, `open_clip:MODEL[/TAG or PATH]`. Sentences: `words` (learned with the model,
not here), `open_clip:MODEL[/TAG or PATH]`, or any Hugging Face text encoder by name or folder.
What is in the Hugging Face cache is used without asking the network; what is not is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from grounding.encoders.hub import (
    OPEN_CLIP_FILES,
    Weights,
    cached,
    complete_folder,
    find_sentence_weights,
    nearest,
)
from grounding.encoders.open_clip_name import OpenClipName
from grounding.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from grounding.features import FrameEncoder

NO_WEIGHTS = {"pixel-grid": "frames", "words": "text"}
OPEN_CLIP_LISTED = {
    "ViT-B-32/openai": "timm/vit_base_patch32_clip_224.openai",
    "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-B-16/datacomp_xl_s13b_b90k": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
    "ViT-L-14/openai": "timm/vit_large_patch14_clip_224.openai",
    "ViT-B-16-SigLIP2/webli": "timm/ViT-B-16-SigLIP2",
    "MobileCLIP-S1/datacompdr": "apple/MobileCLIP-S1-OpenCLIP",
}
SENTENCES_LISTED = (
    "sentence-transformers/all-MiniLM-L6-v2",
    "sentence-transformers/all-mpnet-base-v2",
    "FacebookAI/roberta-base",
)


class SentenceEncoder(Protocol):
    """Turns sentences into rows of length 1; `weights` is the hash of its weights."""

    name: str
    weights: str
    version: str
    width: int

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Q sentences -> (Q, width) float32."""
        ...


class Listed(NamedTuple):
    """A row of `grounding weights list`; kinds are `frames`, `text` or both."""

    name: str
    kinds: str
    source: str
    there: bool


def frame_encoder(
    name: str, *, precision: str = "fp32", batch: int = 32, device: str = "cpu"
) -> FrameEncoder:
    """The frame encoder of that name; `pixel-grid` has no precision, batch or device.

    Raises:
        BadInput: no encoder is called so, or its weights are neither there nor to be had.
    """
    if name == "pixel-grid":
        from models.encoders.pixels import PixelGrid

        return PixelGrid()
    if OpenClipName.matches(name):
        from grounding.encoders.load import open_clip_frames

        return open_clip_frames(name, precision=precision, batch=batch, device=device)
    hint = nearest(name, ("pixel-grid", "open_clip"))
    raise BadInput(
        f"encoder {name!r} is unknown{hint or '; take pixel-grid or open_clip:MODEL[/TAG or PATH]'}"
    )


def sentence_encoder(name: str, *, batch: int = 64, device: str = "cpu") -> SentenceEncoder:
    """The pretrained sentence encoder of that name.

    Raises:
        BadInput: no encoder is called so, or its weights are neither there nor to be had.
    """
    if name in NO_WEIGHTS:
        why = "knows frames only" if name == "pixel-grid" else "is learned in training only"
        raise BadInput(
            f"{name}: {why}; for pretrained sentences take open_clip:MODEL[/TAG or PATH] "
            "or a Hugging Face name or folder"
        )
    from grounding.encoders.load import hugging_face_sentences, open_clip_sentences

    load = open_clip_sentences if OpenClipName.matches(name) else hugging_face_sentences
    return load(name, batch=batch, device=device)


def find_weights(name: str) -> Weights | None:
    """The weights of an encoder, without downloading; None = it needs none.

    Raises:
        BadInput: they are not there, or no encoder is called so; one line says which weights, where
            they were looked for and how to give them.
    """
    if name in NO_WEIGHTS:
        return None
    if OpenClipName.matches(name):
        return OpenClipName.parse(name).find()
    return find_sentence_weights(name)


def known_encoders() -> list[Listed]:
    """A choice of encoders, and whether their weights are there; imports no torch."""
    rows = [
        Listed("pixel-grid", "frames", "needs none", True),
        Listed("words", "text", "learned in training", True),
    ]
    for name, repo in OPEN_CLIP_LISTED.items():
        there = cached(repo, *OPEN_CLIP_FILES) is not None
        rows.append(Listed(f"open_clip:{name}", "frames, text", f"hf hub {repo}", there))
    for name in SENTENCES_LISTED:
        rows.append(Listed(name, "text", f"hf hub {name}", complete_folder(name) is not None))
    return rows
