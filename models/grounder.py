"""Clip encoder + sentence encoder + head = one model."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from models.gather import gather_encoded
from models.heads import Head
from models.records import Batch, GroundingOutput, Padded


class GroundingModel(nn.Module):
    """Wires the three parts together; every method of the project runs through here."""

    def __init__(self, clips: nn.Module, text: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.clips, self.text, self.head = clips, text, head

    def loss(self, batch: Batch, epoch: int) -> Tensor:
        """The head's objective on one batch; a scalar."""
        clips: Padded = self.clips(batch.clips)
        sentence: Tensor = self.text(batch.words)
        if batch.parts is not None:
            clips, sentence = gather_encoded(clips, sentence, batch.parts)
        return cast(Head, self.head).loss(clips, sentence, batch, epoch)

    def forward(self, clips: Padded, words: Padded, video: Tensor) -> GroundingOutput:
        """Answer Q queries about V videos: (V, L, D), (Q, W), (Q,)."""
        encoded: Padded = self.clips(clips)
        answer: Any = self.head(encoded, self.text(words), video)
        return cast(GroundingOutput, answer)
