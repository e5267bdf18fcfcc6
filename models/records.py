"""The shapes that cross rooms: `Padded`, `Batch`, `GroundingOutput`.

Symbols, everywhere in `models`: V videos, Q queries, L clips, W words, D width, N candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Padded(NamedTuple):
    """Sequences of unequal length in one tensor; the mask travels with it, so padding never
    leaks.
    """

    x: Tensor  # (B, L, D), or (B, L) for token ids
    mask: Tensor  # (B, L), True where real

    def to(self, device: torch.device | str) -> Padded:
        """The same on another device."""
        return Padded(self.x.to(device), self.mask.to(device))


class Parts(NamedTuple):
    """Which process has which rows of a batch, where several train together.

    Every process knows all of it, so that sizes never need to be sent.
    """

    rank: int  # which of them this process is
    videos: tuple[Tensor, ...]  # for each process, the places of its videos among all V
    queries: tuple[Tensor, ...]  # for each process, the places of its queries among all Q

    def to(self, device: torch.device | str) -> Parts:
        """The same on another device."""
        return Parts(
            self.rank,
            tuple(places.to(device) for places in self.videos),
            tuple(places.to(device) for places in self.queries),
        )


class Batch(NamedTuple):
    """What a model is trained on and asked with: each query points at its video.

    Where `parts` says who has what, `clips` and `words` hold this process's rows alone; all else is
    of the whole batch.
    """

    clips: Padded  # (V, L, D) clip features
    words: Padded  # (Q, W) token ids, or (Q, W, D) sentence features
    video: Tensor  # (Q,) which of the V videos the query belongs to
    sentence: Tensor  # (Q,) equal numbers = the same sentence
    query: Tensor  # (Q,) place of the query in its dataset
    glance: Tensor  # (Q,) in [0, 1]; NaN where there is none
    spans: Tensor  # (Q, M, 2) true moments in [0, 1]; NaN rows are padding
    saliency: Tensor  # (Q, L) how good each clip is, in [0, 1]; NaN where nobody said
    absent: Tensor  # (Q,) True where nothing in the video fits the sentence
    second: Tensor  # (Q,) one second as a share of the video
    parts: Parts | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(
            clips=self.clips.to(device),
            words=self.words.to(device),
            video=self.video.to(device),
            sentence=self.sentence.to(device),
            query=self.query.to(device),
            glance=self.glance.to(device),
            spans=self.spans.to(device),
            saliency=self.saliency.to(device),
            absent=self.absent.to(device),
            second=self.second.to(device),
            parts=self.parts and self.parts.to(device),
        )


class GroundingOutput(NamedTuple):
    """What every head answers for Q queries."""

    spans: Tensor  # (Q, N, 2) in [0, 1], best first
    scores: Tensor  # (Q, N); -inf where there is no such candidate
    curve: Tensor  # (Q, L) how well each clip fits; 0 where padded
    absent: Tensor  # (Q,) logit of "there is no such moment", before calibration


def pad(sequences: Sequence[Tensor]) -> Padded:
    """Stack (L_i, ...) tensors of unequal length.

    Raises:
        ValueError: no sequence is given.
    """
    if not sequences:
        raise ValueError("nothing to pad")
    longest = max(len(s) for s in sequences)
    x = sequences[0].new_zeros((len(sequences), longest, *sequences[0].shape[1:]))
    mask = torch.zeros((len(sequences), longest), dtype=torch.bool, device=x.device)
    for i, sequence in enumerate(sequences):
        x[i, : len(sequence)] = sequence
        mask[i, : len(sequence)] = True
    return Padded(x, mask)
