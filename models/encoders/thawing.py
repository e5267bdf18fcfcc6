"""A pretrained text encoder that is frozen at first and trained later (d3g.md 2.2).

While it is frozen each sentence is encoded once, in evaluation mode: a frozen encoder has no
dropout here. (The published code leaves it on and encodes every sentence anew in each step.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.encoders.sentences import HuggingFaceSentences, mean_state
from models.encoders.text import SentenceProjection, StoredSentences
from models.records import Padded


class ThawingSentences(StoredSentences):
    """Sentences -> stored vectors (Q, 1, D), or token ids (Q, W) once `thawed`."""

    encoder: HuggingFaceSentences

    def __init__(self, encoder: HuggingFaceSentences, thawed: bool = False) -> None:
        super().__init__(encoder)
        self.thawed = thawed

    def __call__(self, sentences: Sequence[str]) -> Padded:
        """What `TrainedSentences` reads."""
        return self.encoder.ids(sentences) if self.thawed else super().__call__(sentences)


class TrainedSentences(SentenceProjection):
    """The encoder itself under the projection: takes its vectors, or ids for it."""

    def __init__(
        self, encoder: nn.Module, width: int, out: int, dropout: float, layer_norm: bool
    ) -> None:
        """`encoder` gives states of `width`; it stays frozen until `thaw`."""
        super().__init__(width, out, dropout, layer_norm)
        self.encoder = encoder
        self.frozen = True

    def thaw(self) -> None:
        """From now on it is trained."""
        self.frozen = False
        self.train(self.training)

    def train(self, mode: bool = True) -> TrainedSentences:
        """As any module, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, words: Padded) -> Tensor:
        """(Q, 1, D) vectors or (Q, W) ids -> (Q, out)."""
        if words.x.is_floating_point():
            return super().forward(words)
        longest = int(words.mask.sum(1).max())  # of this batch; the data's may be much longer
        ids, mask = words.x[:, :longest], words.mask[:, :longest]
        vectors = F.normalize(mean_state(self.encoder, ids, mask).float(), dim=-1)
        return super().forward(Padded(vectors.unsqueeze(1), mask[:, :1]))
