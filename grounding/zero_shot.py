"""Moments without any training: frames and sentences that already share a space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from grounding.dataset import pool
from grounding.decode import decode
from grounding.encoders import frame_encoder, sentence_encoder
from grounding.errors import BadInput
from grounding.feature_files import Features, read_features
from grounding.features import Recipe, encode_video
from grounding.media.video import open_video
from grounding.timeline import Timeline
from grounding.types import Prediction, Query
from models.heads.zero_shot import ZeroShotSettings, zero_shot
from models.records import Padded

RATE = 2.0  # frames looked at per second
MOST_ROWS = 1024  # longer recordings are averaged: the search holds rows x rows numbers


def ground(
    media: str | Path, sentences: Sequence[str], encoder: str, *, top: int = 5
) -> list[Prediction]:
    """Moments of a recording for each sentence, by an encoder of frames and sentences.

    Raises:
        UnreadableMedia: the recording cannot be decoded.
        BadInput: the encoder is unknown, its weights are not there, or it knows no sentences.
    """
    frames = frame_encoder(encoder)
    text = sentence_encoder(encoder)
    recipe = Recipe(frames.name, frames.weights, RATE, frames.size, frames.version)
    with open_video(media, short_side=frames.short_side) as reader:
        features = encode_video(reader, frames, recipe)
    return answer(features, Path(media).stem, sentences, text.encode(sentences), top=top)


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
    """Rows (T, D) and sentence vectors (Q, D) -> one prediction per sentence; absence is not judged.

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
