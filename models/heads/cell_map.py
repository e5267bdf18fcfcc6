"""The map of D3G: an embedding of each candidate cell, contrasted with sentences (SA-GCL)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cells import Cells
from models.gather import each_own
from models.heads.contrast import Contrast, ContrastSettings
from models.proposals import Proposals, Stack
from models.records import Batch, Padded
from models.targets import CellTargets, absence_loss


@dataclass(frozen=True)
class MapSettings(ContrastSettings):
    """Settings of the map.

    Attributes:
        width: channels of the network.
        kernel: of its convolutions, odd.
        layers: how many; 0 leaves each cell alone.
        stack: `residual` = each layer adds to what is there; `published` = convolution after
            convolution, as in the paper.
        embedding: size of the common space.
        temperature: tau of the contrast.
        positives: k, how many cells are positives of a query.
        compete: these stand in one softmax with each other, as published.
        absence: weight of the loss of queries about what is not there; 0 = they are left out.
    """

    width: int = 128
    kernel: int = 3
    layers: int = 2
    stack: Stack = "residual"
    embedding: int = 128
    temperature: float = 0.1
    positives: int = 10
    compete: bool = True
    absence: float = 0.0


class CellMap(nn.Module):
    """The published part: an embedding of each cell, by a network over the map."""

    def __init__(self, settings: MapSettings, cells: Cells, clips: int, sentence: int) -> None:
        super().__init__()
        self.settings, self.cells = settings, cells
        self.enter = nn.Linear(clips, settings.width)
        self.proposals = Proposals(
            settings.width, settings.kernel, settings.layers, cells, settings.stack
        )
        self.project_cells = nn.Linear(settings.width, settings.embedding)
        self.project_sentence = nn.Linear(sentence, settings.embedding)
        self.contrast = Contrast(
            settings, settings.temperature, compete=settings.compete, average=False
        )

    def embed(self, clips: Padded) -> Tensor:
        """(V, N, D) -> (V, P, embedding), not normalised."""
        seen: Tensor = self.proposals(self.cells.pool(self.enter(clips.x)))
        out: Tensor = self.project_cells(seen)
        return out

    def loss(
        self,
        clips: Padded,
        sentence: Tensor,
        batch: Batch,
        targets: CellTargets,
        evidence: Tensor,
    ) -> Tensor:
        """SA-GCL on one batch; a scalar.

        Args:
            evidence: (Q, P) what else speaks for each cell of the own video, log-odds.
        """
        s = self.settings
        cells = each_own(self.embed, clips, batch.parts)
        text = F.normalize(self.project_sentence(sentence), dim=-1)
        # the products are divided by the cells' lengths: far fewer numbers than the cells
        # themselves
        size = lengths(cells)
        cosine = torch.einsum("vpd,qd->qvp", cells, text) / size
        rows = torch.arange(len(text), device=text.device)
        own = cosine[rows, batch.video]
        fit = likely(own.detach(), evidence)
        chosen = choose_positives(fit, targets.prior, targets.possible, s.positives)
        moments = text.new_zeros(0)
        if s.queue:
            best = (fit * targets.prior * chosen).argmax(1)
            moments = F.normalize(cells[batch.video, best], dim=-1)
        everything = torch.ones_like(size, dtype=torch.bool)
        weight = targets.prior * chosen
        contrast = self.contrast(cosine, weight, targets.negative, everything, batch, text, moments)
        absent = absence_loss(own / s.temperature, everything[batch.video], batch.absent)
        return contrast + s.absence * absent

    def forward(self, clips: Padded, sentence: Tensor, video: Tensor) -> Tensor:
        """Q sentences, each asked of its video -> (Q, P) cosines with its cells."""
        cells = self.embed(clips)
        text = F.normalize(self.project_sentence(sentence), dim=-1)
        return torch.einsum("qpd,qd->qp", cells[video], text) / lengths(cells)[video]


def lengths(cells: Tensor) -> Tensor:
    """(..., D) -> (...) Euclidean lengths, kept away from zero."""
    long: Tensor = torch.linalg.vector_norm(cells, dim=-1)
    return long.clamp(min=1e-6)


def likely(cosine: Tensor, evidence: Tensor) -> Tensor:
    """(Q, P) each -> (Q, P) at least 0: how well each cell fits, by its cosine (moved to [0, 1]:
    with a negative one, a large prior would speak against its cell) and the evidence, log-odds.
    """
    return (cosine + 1) / 2 * (evidence - evidence.amax(1, keepdim=True)).exp()


def choose_positives(fit: Tensor, prior: Tensor, covers: Tensor, count: int) -> Tensor:
    """(Q, P) each -> (Q, P), True on the `count` covering cells with the largest fit x prior.

    `fit` is at least 0. Cells that do not cover the glance are never chosen, also where fewer than
    `count` cover it.
    """
    score = (fit * prior).masked_fill(~covers, -torch.inf)
    best = score.topk(min(count, score.shape[1]), dim=1).indices
    return torch.zeros_like(covers).scatter(1, best, True) & covers
