"""The epoch in which a frozen text encoder begins to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning

from grounding.dataset import QueryData
from models.encoders.text import Sentences
from models.encoders.thawing import ThawingSentences, TrainedSentences


class Thaw(lightning.Callback):
    """After `frozen` epochs the model gets token ids instead of stored vectors.

    What is thawed follows from the epoch's number alone, so a resumed run does the same.
    """

    def __init__(self, words: Sentences, frozen: int | None, data: Sequence[QueryData]) -> None:
        """`data`: all queries that are asked during training."""
        self.words, self.frozen, self.data = words, frozen, data

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Thaw, once."""
        words, text = self.words, module.model.text
        if not isinstance(words, ThawingSentences) or words.thawed:
            return
        assert self.frozen is not None and isinstance(text, TrainedSentences)
        if trainer.current_epoch >= self.frozen:
            words.thawed = True
            text.thaw()
            for data in self.data:
                data.read(words)
