"""Grounder: the sole entry for command, app and notebooks."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import torch

from grounding import model_file
from grounding.dataset import ClipTable, QueryData
from grounding.decode import Calibration, decode
from grounding.encoders import frame_encoder
from grounding.errors import BadInput
from grounding.features import (
    Features,
    FeatureStore,
    FrameEncoder,
    Seconds,
    encode_video,
    recipe_of,
)
from grounding.media.video import open_video
from grounding.sources import clips_of
from grounding.types import Prediction, Query, Sample
from models.encoders.pooled import PooledEncoder
from models.encoders.video import ClipEncoder
from models.grounder import GroundingModel


@torch.no_grad()
def answer(
    model: GroundingModel,
    data: QueryData,
    calibration: Calibration,
    *,
    batch: int = 64,
    top: int = 5,
    device: str = "cpu",
) -> list[Prediction]:
    """One prediction for every query of `data`, in order; the model is left in the mode it was
    in.
    """
    training = model.training
    model.eval()
    predictions: list[Prediction] = []
    for part in data.batches(batch):
        samples = data.samples[len(predictions) : len(predictions) + len(part.video)]
        on = part.to(device)
        output = model(on.clips, on.words, on.video)
        durations = [data.clips.duration[s.vid] for s in samples]
        predictions += decode(output, [s.query for s in samples], durations, calibration, top=top)
    model.train(training)
    return predictions


class Grounder:
    """Asks a trained model about recordings."""

    def __init__(self, trained: model_file.Trained, device: str = "cpu") -> None:
        self.trained = trained
        self.device = device

    @classmethod
    def from_run(cls, run: str | Path, device: str = "cpu") -> Grounder:
        """The model of a run folder.

        Raises:
            BadInput: there is no readable model.
        """
        return cls(model_file.load(run, device), device)

    def features(self, media: str | Path, progress: Seconds | None = None) -> Features:
        """Decode and encode a recording the way the model was trained; the encoder is loaded once.

        Raises:
            UnreadableMedia: it cannot be decoded.
            RecipeMismatch: this installation's encoder is not the one of the training.
            BadInput: the model was trained on a file of features.
        """
        encoder = self.encoder
        with open_video(media, short_side=encoder.short_side) as reader:
            return encode_video(reader, encoder, self.trained.recipe, progress=progress)

    def store(self, folder: str | Path) -> FeatureStore:
        """Features kept in a folder, made the way the model was trained.

        Raises:
            RecipeMismatch: this installation's encoder is not the one of the training.
        """
        return FeatureStore(folder, self.encoder, self.trained.recipe.rate)

    @functools.cached_property
    def encoder(self) -> FrameEncoder:
        """The frame encoder of the training.

        Raises:
            RecipeMismatch: this installation's is another.
            BadInput: the model was trained on a file of features.
        """
        recipe = self.trained.recipe
        if recipe.is_file:
            raise BadInput(
                f"the model was trained on {recipe}, which no encoder here makes; {recipe.remedy}"
            )
        settings = self.trained.settings.features
        encoder = frame_encoder(
            settings.encoder,
            precision=settings.precision,
            batch=settings.batch,
            device=self.device,
        )
        recipe_of(encoder, recipe.rate).require(recipe, settings.encoder)
        return encoder

    def ground(
        self, media: str | Path, sentences: Sequence[str], *, top: int = 5
    ) -> list[Prediction]:
        """Moments of one recording for each sentence.

        Raises:
            UnreadableMedia: the recording cannot be decoded.
            BadInput: a sentence is empty.
        """
        return self.ground_features(self.features(media), Path(media).stem, sentences, top=top)

    def ground_features(
        self, features: Features, vid: str, sentences: Sequence[str], *, top: int = 5
    ) -> list[Prediction]:
        """Moments in features that are already there.

        Raises:
            RecipeMismatch: the features were made by another recipe than the model expects.
            BadInput: a sentence is empty, the duration is not known, or the width is wrong.
        """
        features.require(self.trained.recipe, vid)
        encoder = self.trained.model.clips
        assert isinstance(encoder, ClipEncoder | PooledEncoder)
        if features.x.shape[1] != encoder.inputs:
            raise BadInput(
                f"{vid}: features have {features.x.shape[1]} numbers a row, the model was "
                f"trained on {encoder.inputs}; {self.trained.recipe.remedy}"
            )
        if features.duration is None:
            raise BadInput(
                f"{vid}: the features do not say how long the recording is; give --duration"
            )
        for sentence in sentences:
            if not sentence.strip():
                raise BadInput("a sentence is empty; say what to look for")
        settings = self.trained.settings.features
        x = torch.from_numpy(clips_of(features, features.duration, settings))
        table = ClipTable(x[None], {vid: 0}, {vid: features.duration})
        samples = [
            Sample(Query(text, i, vid), features.duration) for i, text in enumerate(sentences)
        ]
        data = QueryData(samples, table, self.trained.words)
        trained = self.trained
        return answer(trained.model, data, trained.calibration, top=top, device=self.device)
