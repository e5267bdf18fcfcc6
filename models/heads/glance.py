"""D3G: a map of candidate moments, learned from one glance a sentence (d3g.md).

Cells that cover the glance are possible moments. How likely each is follows from a Gaussian prior
at the glance, whose centres follow what looks alike (DGA), and from what the model sees now; all
that does not cover the glance, and all of other videos, repels the sentence (SA-GCL).

Two things see. The clips' evidence: each clip is compared with the sentence, and a cell is as good
as the sum over its clips (models/heads/frames.py). The map: an embedding of each cell by a network
over the map, as published. Either may be off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn

from models.boundaries import refine
from models.cells import Cells
from models.explanation import Asked, Explanation, Map
from models.heads.cell_map import CellMap, MapSettings, choose_positives, likely
from models.heads.contrast import Contrast, ContrastSettings
from models.heads.frames import Frames, FramesSettings, pull_chart
from models.heads.registry import register
from models.posterior import posterior
from models.prior import Adjustment, gaussian, like_glance, like_sentence
from models.prior_charts import prior_charts
from models.records import Batch, GroundingOutput, Padded
from models.runs import lift
from models.targets import CellTargets, ClipTargets, cell_targets, clip_targets, kinds


@dataclass(frozen=True)
class GlanceSettings(MapSettings):
    """Settings of D3G beside those of the map; shares are of the video's length.

    Attributes:
        clips: N, the side of the map; equals `features.clips` after pooling.
        diagonals: counts of the sparse pattern; [15] at 16 clips, [15, 8, 8] at 64 are the
            published ones.
        map: weight of the map in a cell's score; 0 = there is none.
        sigma: spread of the prior's Gaussian, on [-1, 1]; in seconds with `seconds`.
        adjust: move the prior's centres (DGA).
        follow: after what: `clips` = what looks like the glanced clip, as published; `text` = what
            fits the sentence as well as it, which needs the evidence.
        window: how far centres may be from the glance; in seconds with `seconds`.
        seconds: sigma and window are in seconds, the same for videos of every length.
        threshold: similarity at which a clip becomes a centre.
        momentum: share of the new similarity in the remembered one.
        most: largest counter.
        average: centres by a moving average instead of a counter.
        evidence: weight of the clips' evidence in a cell's score; 0 = the published map alone.
        clip_temperature, clip_sigma, apart, smoothing, low, high: of that evidence, as in the
            frames head.
        sharpen: from this epoch on the moment is looked for; before, clips near the glance stand
            for it.
        look: where: among the `cells`, by prior and evidence, or among the `clips` near the
            glance, as in the frames head.
        focus: of the clips that are probably in the moment, those that fit better count more; 0 =
            all count alike.
        outside: clips less likely to be in the moment than this are negatives then.
        refine: place boundaries between clips, where the evidence changes sign.
        overlap_low, overlap_high: IoU with a true moment that counts as 0 and as 1, where training
            knows boundaries.
    """

    clips: int = 64
    diagonals: Sequence[int] = (15, 8, 8)
    map: float = 0.0
    sigma: float = 0.3
    adjust: bool = False
    follow: Literal["clips", "text"] = "clips"
    window: float = 5 / 16
    seconds: bool = False
    threshold: float = 0.9
    momentum: float = 0.7
    most: int = 3
    average: bool = False
    evidence: float = 0.5
    look: Literal["cells", "clips"] = "cells"
    focus: float = 0.3
    clip_temperature: float = 0.07
    clip_sigma: float = 3 / 64
    apart: float = 16 / 64
    sharpen: int = 4
    outside: float = 0.2
    smoothing: int = 3
    low: float = 0.20
    high: float = 0.95
    refine: bool = False
    overlap_low: float = 0.5
    overlap_high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.overlap_low < self.overlap_high <= 1:
            raise ValueError(
                f"overlap_low {self.overlap_low} must be less than overlap_high "
                f"{self.overlap_high}, and that at most 1"
            )
        if self.map == 0 and self.evidence == 0:
            raise ValueError("map and evidence are both 0; one of them must see something")
        for name in ("follow", "refine"):
            if self.evidence == 0 and getattr(self, name) in ("text", True):
                raise ValueError(f"{name} needs the clips' evidence; evidence is 0")

    def of_clips(self) -> FramesSettings:
        """The settings of the clips' part."""
        shared = {f.name: getattr(self, f.name) for f in fields(ContrastSettings)}
        return FramesSettings(
            **shared,
            width=self.embedding,
            temperature=self.clip_temperature,
            sigma=self.clip_sigma,
            apart=self.apart,
            sharpen=self.sharpen,
            smoothing=self.smoothing,
            low=self.low,
            high=self.high,
            absence=self.absence,
        )


@register("glance", GlanceSettings)
class Glance(nn.Module):
    """Scores every cell of the map."""

    def __init__(self, settings: GlanceSettings, clips: int, sentence: int) -> None:
        """`clips` and `sentence`: widths of the encoded clips and sentences."""
        super().__init__()
        self.settings = settings
        self.cells = Cells(settings.clips, settings.diagonals)
        self.adjustment: Adjustment | None = None
        self.frames: Frames | None = None
        self.map: CellMap | None = None
        if settings.map > 0:
            self.map = CellMap(settings, self.cells, clips, sentence)
        if settings.evidence > 0:
            self.frames = Frames(settings.of_clips(), clips, sentence)

    def prepare(self, queries: int) -> None:
        """Allocate what training remembers about each of the training queries."""
        s = self.settings
        if s.adjust:
            self.adjustment = Adjustment(
                queries, s.clips, s.threshold, s.momentum, s.most, s.average
            )
        for contrast in self._contrasts().values():
            contrast.prepare(queries, s.embedding)

    def _contrasts(self) -> dict[str, Contrast]:
        parts = {"clips": self.frames, "cells": self.map}
        return {name: part.contrast for name, part in parts.items() if part is not None}

    def candidates(self) -> Tensor | None:
        """(P, 2) in [0, 1]: the cells of the map; None where boundaries lie between clips."""
        return None if self.settings.refine else self.cells.spans()

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed training needs beside the weights."""
        state = self.adjustment.state_dict() if self.adjustment else {}
        for part, contrast in self._contrasts().items():
            state |= {f"{part}.{name}": tensor for name, tensor in contrast.state.items()}
        return state

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Take up a saved `training_state`."""
        if self.adjustment:
            self.adjustment.load_state_dict(state)
        for part, contrast in self._contrasts().items():
            contrast.state = {name: state[f"{part}.{name}"] for name in contrast.state}

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """Of the clips and of the map, on one batch; a scalar."""
        lifted, evidence = self._evidence(clips, sentence, batch.video)
        targets = self._targets(self._curve(clips, lifted, batch), batch)
        total = sentence.new_zeros(())
        if self.frames is not None:
            wanted = self._wanted(lifted, evidence, targets, clips.mask[batch.video], batch, epoch)
            total = total + self.frames.attract(clips, sentence, batch, wanted)
        if self.map is not None:
            seen = self._seen(evidence, epoch)
            total = total + self.map.loss(clips, sentence, batch, targets, seen)
        return total

    def _seen(self, evidence: Tensor, epoch: int) -> Tensor:
        """What of the evidence helps to choose the map's positives."""
        return evidence if epoch >= self.settings.sharpen else torch.zeros_like(evidence)

    def _targets(self, curve: Tensor, batch: Batch) -> CellTargets:
        s = self.settings
        return cell_targets(batch, self.cells, curve, s.overlap_low, s.overlap_high)

    def _wanted(
        self,
        lifted: Tensor,
        evidence: Tensor,
        targets: CellTargets,
        real: Tensor,
        batch: Batch,
        epoch: int,
    ) -> ClipTargets:
        """Which clips are to attract and which to repel: those near the glance at first, later
        those that are probably in the moment.
        """
        s = self.settings
        wanted = clip_targets(
            batch,
            real,
            lifted,
            sigma=s.clip_sigma,
            apart=s.apart,
            sharpen=epoch >= s.sharpen and s.look == "clips",
        )
        if epoch < s.sharpen or s.look == "clips":
            return wanted
        kind = kinds(batch)
        hidden = (kind.glance | kind.none)[:, None]
        inside = self.cells.cover(posterior(evidence, targets.prior, targets.possible))
        best = (s.focus * lifted).masked_fill(~real, -torch.inf).softmax(1)
        return ClipTargets(
            torch.where(hidden, inside * best, wanted.weight),
            torch.where(hidden, inside < s.outside, wanted.negative) & real,
        )

    @torch.no_grad()
    def _evidence(self, clips: Padded, sentence: Tensor, video: Tensor) -> tuple[Tensor, Tensor]:
        """(Q, N) logits of each clip above the video's usual level, (Q, P) their sums over cells,
        times `evidence`; zeros without the clips' part.
        """
        s = self.settings
        if self.frames is None:
            nothing = sentence.new_zeros(len(sentence), s.clips)
        else:
            curve = self.frames.curve(clips, sentence, video) / s.clip_temperature
            quantiles = self.frames.settings.quantiles
            nothing = lift(curve, clips.mask[video], s.smoothing, quantiles)
        return nothing, s.evidence * self.cells.sums(nothing)

    def _clicked(self, batch: Batch) -> Tensor:
        """(Q,) the glanced clips; 0 where there is none."""
        count = self.settings.clips
        return (batch.glance.nan_to_num(0.0) * count).long().clamp(0, count - 1)

    def _sigma(self, batch: Batch) -> float | Tensor:
        """One, or (Q,), on the prior's axis, which is two units long."""
        s = self.settings
        return 2 * s.sigma * batch.second if s.seconds else s.sigma

    def _curve(self, clips: Padded, lifted: Tensor, batch: Batch) -> Tensor:
        """(Q, N) weight of each clip: Gaussians at the centres, or one at the glance; says nothing
        of queries without one.
        """
        s = self.settings
        clicked, sigma = self._clicked(batch), self._sigma(batch)
        if self.adjustment is None:
            bells = gaussian(s.clips, sigma, clicked.device)
            rows = torch.arange(len(clicked), device=clicked.device)
            return bells[clicked] if bells.ndim == 2 else bells[rows, clicked]
        seen = ~batch.glance.isnan()
        if s.follow == "text":
            alike = like_sentence(lifted[seen], clicked[seen])
        else:
            alike = like_glance(clips.x[batch.video[seen]].detach(), clicked[seen])
        window = s.window * batch.second[seen] if s.seconds else s.window
        self.adjustment.visit(batch.query[seen], alike, clicked[seen], window)
        return self.adjustment.curve(batch.query, sigma)

    def _judge(
        self, clips: Padded, sentence: Tensor, video: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(Q, N) clips above the usual level, (Q, P) evidence, (Q, P) scores, (Q, N) fit."""
        s = self.settings
        lifted, evidence = self._evidence(clips, sentence, video)
        scores, fit = evidence, lifted
        if self.map is not None:
            cosine = self.map(clips, sentence, video) / s.temperature
            scores = scores + s.map * cosine
            fit = cosine[:, : s.clips]  # cells stand shortest first
        if self.frames is not None:
            fit = self.frames.curve(clips, sentence, video)
        return lifted, evidence, scores, fit

    def forward(self, clips: Padded, sentence: Tensor, video: Tensor) -> GroundingOutput:
        """Q sentences, each asked of its video -> every cell with its score."""
        lifted, _, scores, fit = self._judge(clips, sentence, video)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        spans = self.cells.spans()[order]
        if self.settings.refine:
            spans = refine(lifted, self.cells.first[order], self.cells.last[order])
        return GroundingOutput(spans, scores, fit, -scores[:, 0])

    def centres(self) -> Tensor | None:
        """(Q, N), True at the centres of each training query's prior; None where they stay."""
        if self.adjustment is None:
            return None
        return self.adjustment.centres(torch.arange(len(self.adjustment.counter)))

    @torch.no_grad()
    def explain(self, asked: Asked) -> Explanation:
        """The map of scores, the prior when training began and now, and the clips' evidence."""
        s, clips, sentence, batch = self.settings, asked.clips, asked.sentence, asked.batch
        lifted, evidence, scores, _ = self._judge(clips, sentence, batch.video)
        charts = [self.frames.fit_chart(asked)] if self.frames else []
        index = torch.stack([self.cells.first, self.cells.last], 1)
        if batch.glance.isnan():
            none = torch.zeros(len(index), dtype=torch.bool, device=index.device)
            return Explanation((Map("score", index, scores[0], none, "seen"),), tuple(charts))
        sigma = self._sigma(batch)
        prior, *memory = prior_charts(
            self.adjustment, asked.query, self._clicked(batch), s.clips, sigma
        )
        targets = [self._targets(curve.values[None], batch) for curve in prior.curves]
        real = clips.mask[batch.video]
        pulls = [
            self._wanted(lifted, evidence, targets[i], real, batch, epoch).weight[0]
            for i, epoch in ((0, 0), (-1, asked.epoch))
        ]
        fit = likely(torch.ones_like(evidence), evidence)
        if self.map is not None:
            cosine = self.map(clips, sentence, batch.video)
            fit = likely(cosine, self._seen(evidence, asked.epoch))
        chosen = choose_positives(fit, targets[-1].prior, targets[-1].possible, s.positives)[0]
        maps = [Map("score", index, scores[0], chosen, "seen")]
        for curve, each in zip(prior.curves, targets, strict=True):
            maps.append(Map(f"prior {curve.name}", index, each.prior[0], chosen, curve.role))
        wanted = pull_chart(*pulls) if self.frames else None
        return Explanation(tuple(maps), (prior, *memory, *charts, *([wanted] if wanted else [])))
