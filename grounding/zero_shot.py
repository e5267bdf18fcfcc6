"""Moments without any training: frames and sentences that already share a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from grounding.dataset import pool
from grounding.decode import decode
from grounding.encoders import frame_encoder, sentence_encoder
from grounding.errors import BadInput
from grounding.feature_files import Features, read_features
from grounding.features import FeatureStore, encode_video, recipe_of
from grounding.media.video import open_video
from grounding.timeline import Timeline
from grounding.types import Prediction, Query
from models.heads.zero_shot import ZeroShotSettings, zero_shot
from models.records import Padded

RATE = 2.0  # frames looked at per second
MOST_ROWS = 1024  # longer recordings are averaged: the search holds rows x rows numbers


class Encoder:
    """A pretrained encoder of frames and sentences, asked about recordings."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        """Load it.

        Raises:
            BadInput: the encoder is unknown, its weights are not there, or it reads no sentences.
        """
        self._frames = frame_encoder(name, device=device)
        if self._frames.weights is None:
            raise BadInput(f"encoder {name!r} reads no sentences; take open_clip:MODEL")
        self._text = sentence_encoder(name, device=device)
        self.recipe = recipe_of(self._frames, RATE)

    def features(self, media: str | Path) -> Features:
        """Decode and encode a recording.

        Raises:
            UnreadableMedia: it cannot be decoded.
        """
        with open_video(media, short_side=self._frames.short_side) as reader:
            return encode_video(reader, self._frames, self.recipe)

    def store(self, folder: str | Path) -> FeatureStore:
        """Features kept in a folder."""
        return FeatureStore(folder, self._frames, RATE)

    def ground_features(
        self, features: Features, vid: str, sentences: Sequence[str], *, top: int = 5
    ) -> list[Prediction]:
        """Moments for each sentence.

        Raises:
            RecipeMismatch: the features are of another encoder; another rate is no mismatch here.
            BadInput: a sentence is empty, or the duration is not known.
        """
        if features.recipe is not None:
            features.require(replace(self.recipe, rate=features.recipe.rate), vid)
        return answer(features, vid, sentences, self._text.encode(sentences), top=top)


def ground_stored(
    features: Features, vid: str, sentences: Sequence[str], vectors: str | Path, *, top: int = 5
) -> list[Prediction]:
    """Moments in stored rows for sentences with stored vectors, one row per sentence, in order.

    Raises:
        BadInput: the files do not fit each other or the sentences.
    """
    text = torch.from_numpy(read_features(vectors).x).float()
    if len(text) != len(sentences):
        raise BadInput(
            f"{vectors}: has {len(text)} rows for {len(sentences)} sentences; "
            "store one row per sentence, in the same order"
        )
    return answer(features, vid, sentences, text, top=top)


@torch.no_grad()
def answer(
    features: Features, vid: str, sentences: Sequence[str], text: torch.Tensor, *, top: int = 5
) -> list[Prediction]:
    """Rows (T, D) and sentence vectors (Q, D) -> one prediction per sentence; absence is not
    judged.

    Raises:
        BadInput: rows and vectors differ in width, a sentence is empty, or the duration is not
            known.
    """
    if features.duration is None:
        raise BadInput(f"{vid}: the features do not say how long the recording is; give --duration")
    if any(not sentence.strip() for sentence in sentences):
        raise BadInput("a sentence is empty; say what to look for")
    if features.x.shape[1] != text.shape[1]:
        raise BadInput(
            f"{vid}: rows have {features.x.shape[1]} numbers, the sentences {text.shape[1]}; "
            "take both from one encoder"
        )
    line = Timeline(features.duration, min(len(features.x), MOST_ROWS))
    rows = torch.from_numpy(pool(features, line))[None]
    clips = Padded(rows, torch.ones(rows.shape[:2], dtype=torch.bool))
    predictions: list[Prediction] = []
    for i, sentence in enumerate(sentences):
        here = torch.zeros(1, dtype=torch.long)
        output = zero_shot(clips, text[i : i + 1], here, ZeroShotSettings(moments=top))
        query = Query(sentence, i, vid)
        predictions += decode(output, [query], [features.duration], None, top=top)
    return predictions
