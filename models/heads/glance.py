"""D3G: a map of candidate moments, learned from one glance a sentence (d3g.md).

Cells that cover the glance are possible positives; the best of them by prior and similarity
attract the sentence
(SA-GCL), all cells that do not cover it, and all of other videos, repel it. The prior's centres
follow what looks like the glanced clip (DGA).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cells import Cells
from models.contrastive import info_nce
from models.explanation import Asked, Explanation, Map
from models.heads.frames import Frames, FramesSettings
from models.heads.registry import Settings, register
from models.prior import Adjustment, gaussian, on_cells
from models.prior_charts import prior_charts
from models.proposals import Proposals, Stack
from models.records import Batch, GroundingOutput, Padded
from models.runs import lift


@dataclass(frozen=True)
class GlanceSettings(Settings):
    """Settings of D3G; shares are of the video's length.

    Attributes:
        clips: N, the side of the map; equals `features.clips`.
        diagonals: counts of the sparse pattern; [15] at 16 clips, [15, 8, 8] at 64 are the
            published ones.
        width: channels of the proposal network.
        kernel: of its convolutions, odd.
        layers: how many; 0 leaves each cell alone.
        stack: `residual` = each layer adds to what is there; `published` = convolution after
            convolution, as in the paper.
        embedding: size of the common space.
        temperature: tau of the contrast.
        sigma: spread of the Gaussian on [-1, 1].
        positives: k, how many cells are positives of a query.
        adjust: move the prior's centres (DGA).
        window: how far centres may be from the glance.
        threshold: similarity at which a clip becomes a centre.
        momentum: share of the new similarity in the remembered one.
        most: largest counter.
        compete: positives stand in one softmax with each other, as published.
        evidence: weight of the clips' own evidence in a cell's score; 0 = the published map alone.
        clip_temperature, clip_sigma, apart, sharpen, smoothing, low, high: of that evidence, as in
            the frames head.
    """

    clips: int = 32
    diagonals: Sequence[int] = (15, 8)
    width: int = 128
    kernel: int = 3
    layers: int = 2
    stack: Stack = "residual"
    embedding: int = 128
    temperature: float = 0.1
    sigma: float = 0.3
    positives: int = 10
    adjust: bool = True
    window: float = 5 / 16
    threshold: float = 0.9
    momentum: float = 0.7
    most: int = 3
    compete: bool = True
    evidence: float = 1.0
    clip_temperature: float = 0.07
    clip_sigma: float = 3 / 64
    apart: float = 16 / 64
    sharpen: int = 5
    smoothing: int = 3
    low: float = 0.20
    high: float = 0.95


@register("glance", GlanceSettings)
class Glance(nn.Module):
    """Cosine between the sentence and every cell of the map."""

    def __init__(self, settings: GlanceSettings, clips: int, sentence: int) -> None:
        """`clips` and `sentence`: widths of the encoded clips and sentences."""
        super().__init__()
        self.settings = settings
        self.cells = Cells(settings.clips, settings.diagonals)
        self.enter = nn.Linear(clips, settings.width)
        self.proposals = Proposals(
            settings.width, settings.kernel, settings.layers, self.cells, settings.stack
        )
        self.project_cells = nn.Linear(settings.width, settings.embedding)
        self.project_sentence = nn.Linear(sentence, settings.embedding)
        self.adjustment: Adjustment | None = None
        self.frames: Frames | None = None
        if settings.evidence > 0:
            frames = FramesSettings(
                settings.embedding,
                settings.clip_temperature,
                settings.clip_sigma,
                settings.apart,
                settings.sharpen,
                settings.smoothing,
                low=settings.low,
                high=settings.high,
            )
            self.frames = Frames(frames, clips, sentence)

    def prepare(self, queries: int) -> None:
        """Allocate what training remembers about each of the training queries."""
        s = self.settings
        if s.adjust:
            self.adjustment = Adjustment(
                queries, s.clips, s.window, s.threshold, s.momentum, s.most
            )

    def candidates(self) -> Tensor | None:
        """(P, 2) in [0, 1]: the cells of the map."""
        return self.cells.spans()

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed training needs beside the weights."""
        return self.adjustment.state_dict() if self.adjustment else {}

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Take up a saved `training_state`."""
        if self.adjustment:
            self.adjustment.load_state_dict(state)

    def embed(self, clips: Padded) -> Tensor:
        """(V, N, D) -> (V, P, embedding), not normalised."""
        cells: Tensor = self.proposals(self.cells.pool(self.enter(clips.x)))
        out: Tensor = self.project_cells(cells)
        return out

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """SA-GCL on one batch; a scalar."""
        s = self.settings
        cells = self.embed(clips)
        text = F.normalize(self.project_sentence(sentence), dim=-1)
        # the products are divided by the cells' lengths: far fewer numbers than the cells
        # themselves
        cosine = torch.einsum("vpd,qd->qvp", cells, text) / lengths(cells)
        queries, videos = cosine.shape[:2]
        rows = torch.arange(queries, device=cosine.device)
        clicked = (batch.glance * s.clips).long().clamp(0, s.clips - 1)  # NaN never gets here
        prior = on_cells(self._curve(clips, batch, clicked), self.cells)  # (Q, P)
        covers = self.cells.covers(clicked)
        own = cosine[rows, batch.video].detach()
        fit = self._fit(own, clips, sentence, batch.video, epoch)
        chosen = choose_positives(fit, prior, covers, s.positives)

        same = batch.sentence[:, None] == batch.sentence[None, :]
        holds = F.one_hot(batch.video, videos).bool()
        shares = (same.float() @ holds.float()) > 0  # videos that are asked the same sentence
        negative = (~shares)[:, :, None].expand_as(cosine).clone()
        negative[rows, batch.video] = ~covers
        weight = torch.zeros_like(cosine)
        weight[rows, batch.video] = prior * chosen
        contrast = info_nce(
            cosine.flatten(1),
            weight.flatten(1),
            negative.flatten(1),
            s.temperature,
            compete=s.compete,
            average=False,
        )
        if self.frames is None:
            return contrast
        return contrast + self.frames.loss(clips, sentence, batch, epoch)

    def _fit(
        self, cosine: Tensor, clips: Padded, sentence: Tensor, video: Tensor, epoch: int
    ) -> Tensor:
        """(Q, P) cosines with the own cells -> (Q, P) positive: how well each fits the sentence."""
        fit = (cosine + 1) / 2
        if self.frames is None or epoch < self.settings.sharpen:
            return fit
        return fit * (self.settings.evidence * self._evidence(clips, sentence, video)).exp()

    @torch.no_grad()
    def _evidence(self, clips: Padded, sentence: Tensor, video: Tensor) -> Tensor:
        """(Q, P) how much of what speaks for the moment lies in each cell, less what speaks
        against it; at most 1.
        """
        assert self.frames is not None
        mask = clips.mask[video]
        curve = self.frames.curve(clips, sentence, video)
        settings = self.frames.settings
        lifted = lift(curve, mask, settings.smoothing, settings.quantiles)
        total = F.pad(lifted.cumsum(1), (1, 0))
        inside = total[:, self.cells.last + 1] - total[:, self.cells.first]
        return inside / lifted.clamp(min=0).sum(1, keepdim=True).clamp(min=1e-6)

    def _curve(self, clips: Padded, batch: Batch, clicked: Tensor) -> Tensor:
        """(Q, N) weight of each clip: Gaussians at the centres, or one at the glance."""
        if self.adjustment is None:
            return gaussian(self.settings.clips, self.settings.sigma, clicked.device)[clicked]
        self.adjustment.visit(batch.query, clips.x[batch.video], clicked)
        return self.adjustment.curve(batch.query, self.settings.sigma)

    def forward(self, clips: Padded, sentence: Tensor, video: Tensor) -> GroundingOutput:
        """Q sentences, each asked of its video -> every cell with its score."""
        cosine, scores = self._judge(clips, sentence, video)
        diagonal = cosine[:, : self.settings.clips]  # cells stand shortest first
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        spans = self.cells.spans()[order]
        return GroundingOutput(spans, scores, diagonal, -scores[:, 0] / self.settings.temperature)

    def _judge(self, clips: Padded, sentence: Tensor, video: Tensor) -> tuple[Tensor, Tensor]:
        """(Q, P) cosine of the sentence and each cell of its video, (Q, P) the cells' scores."""
        cells = self.embed(clips)
        text = F.normalize(self.project_sentence(sentence), dim=-1)
        cosine = torch.einsum("qpd,qd->qp", cells[video], text) / lengths(cells)[video]
        if self.frames is None:
            return cosine, cosine
        return cosine, cosine + self.settings.evidence * self._evidence(clips, sentence, video)

    def centres(self) -> Tensor | None:
        """(Q, N), True at the centres of each training query's prior; None where they stay."""
        if self.adjustment is None:
            return None
        return self.adjustment.centres(torch.arange(len(self.adjustment.counter)))

    @torch.no_grad()
    def explain(self, asked: Asked) -> Explanation:
        """The map of scores, the prior when training began and now, and the clips' evidence."""
        s, clips, sentence = self.settings, asked.clips, asked.sentence
        video = torch.zeros_like(asked.glance).long()
        cosine, scores = self._judge(clips, sentence, video)
        charts = self.frames.explain(asked).charts if self.frames else ()
        index = torch.stack([self.cells.first, self.cells.last], 1)
        if asked.glance.isnan():
            none = torch.zeros(len(index), dtype=torch.bool, device=index.device)
            return Explanation((Map("score", index, scores[0], none, "seen"),), charts)
        clicked = (asked.glance * s.clips).long().clamp(0, s.clips - 1)
        prior, *memory = prior_charts(self.adjustment, asked.query, clicked, s.clips, s.sigma)
        weights = [on_cells(curve.values[None], self.cells) for curve in prior.curves]
        fit = self._fit(cosine, clips, sentence, video, asked.epoch)
        chosen = choose_positives(fit, weights[-1], self.cells.covers(clicked), s.positives)[0]
        maps = [Map("score", index, scores[0], chosen, "seen")]
        for curve, weight in zip(prior.curves, weights, strict=True):
            maps.append(Map(f"prior {curve.name}", index, weight[0], chosen, curve.role))
        return Explanation(tuple(maps), (prior, *memory, *charts))


def lengths(cells: Tensor) -> Tensor:
    """(..., D) -> (...) Euclidean lengths, kept away from zero."""
    long: Tensor = torch.linalg.vector_norm(cells, dim=-1)
    return long.clamp(min=1e-6)


def choose_positives(fit: Tensor, prior: Tensor, covers: Tensor, count: int) -> Tensor:
    """(Q, P) each -> (Q, P), True on the `count` covering cells with the largest fit x prior.

    `fit` is positive (cosines are moved to [0, 1] first: with a negative one, a large prior would
    speak against its
    cell). Cells that do not cover the glance are never chosen, also where fewer than `count` cover
    it.
    """
    score = (fit * prior).masked_fill(~covers, -torch.inf)
    best = score.topk(min(count, score.shape[1]), dim=1).indices
    return torch.zeros_like(covers).scatter(1, best, True) & covers
