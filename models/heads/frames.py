"""The plain glance model (d3g.md section 15): clips and sentences in one space, no map of moments.

Trained from one instant a sentence: clips near the glance attract the sentence, clips of other
videos and clips far from the glance repel it; or from anything else that is known
(models.targets). Answers with the maximum-sum runs of the similarity over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.contrastive import info_nce
from models.heads.registry import Settings, Stateless, register
from models.records import Batch, GroundingOutput, Padded
from models.runs import answer_with_runs, lift
from models.targets import absence_loss, clip_targets


@dataclass(frozen=True)
class FramesSettings(Settings):
    """Settings of the plain glance model.

    Attributes:
        width: size of the common space.
        temperature: of the contrast.
        sigma: spread of the Gaussian at the glance, as a share of the video.
        apart: own clips at least this far from the glance (share of the video) are negatives.
        sharpen: from this epoch on, positives are weighted by their current similarity too.
        smoothing: clips averaged before runs are sought.
        moments: how many moments an answer has.
        low, high: a clip speaks for the moment above the middle of these two quantiles of its
            video's curve.
        absence: weight of the loss of queries about what is not there; 0 = they are left out.
    """

    width: int = 128
    temperature: float = 0.07
    sigma: float = 3 / 64
    apart: float = 16 / 64
    sharpen: int = 5
    smoothing: int = 3
    moments: int = 5
    low: float = 0.20
    high: float = 0.95
    absence: float = 1.0

    @property
    def quantiles(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high


@register("frames", FramesSettings)
class Frames(Stateless, nn.Module):
    """Similarity of every clip with the sentence, learned from glances."""

    def __init__(self, settings: FramesSettings, clips: int, sentence: int) -> None:
        """`clips` and `sentence`: widths of the encoded clips and sentences."""
        super().__init__()
        self.settings = settings
        self.project_clips = nn.Linear(clips, settings.width)
        self.project_sentence = nn.Linear(sentence, settings.width)

    def similarity(self, clips: Padded, sentence: Tensor) -> Tensor:
        """(V, L, D), (Q, D) -> (Q, V, L) cosines."""
        x = F.normalize(self.project_clips(clips.x), dim=-1)
        s = F.normalize(self.project_sentence(sentence), dim=-1)
        return torch.einsum("vld,qd->qvl", x, s)

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """Contrast each query with its own clips and all clips of the batch; a scalar."""
        settings = self.settings
        cosine = self.similarity(clips, sentence)
        queries, videos = cosine.shape[:2]
        rows = torch.arange(queries, device=cosine.device)
        mask = clips.mask  # (V, L)
        own = mask[batch.video]
        fit = cosine[rows, batch.video] / settings.temperature  # (Q, L)
        sharpen = epoch >= settings.sharpen
        targets = clip_targets(
            batch, own, fit, sigma=settings.sigma, apart=settings.apart, sharpen=sharpen
        )

        # a video that is asked the same sentence shows the same thing: its clips are no negatives
        same = (batch.sentence[:, None] == batch.sentence[None, :]) & ~batch.absent
        holds = F.one_hot(batch.video, videos).bool()  # (Q, V)
        shares = (same.float() @ holds.float()) > 0
        negative = mask[None] & ~shares[:, :, None]
        negative[rows, batch.video] = targets.negative

        positive = torch.zeros_like(cosine)
        positive[rows, batch.video] = targets.weight
        contrast = info_nce(
            cosine.flatten(1), positive.flatten(1), negative.flatten(1), settings.temperature
        )
        return contrast + settings.absence * absence_loss(fit, own, batch.absent)

    def forward(self, clips: Padded, sentence: Tensor, video: Tensor) -> GroundingOutput:
        """Q sentences, each asked of its video -> moments."""
        curve = self.curve(clips, sentence, video)
        mask = clips.mask[video]
        lifted = lift(curve, mask, self.settings.smoothing, self.settings.quantiles)
        settings = self.settings
        return answer_with_runs(curve, lifted, mask, settings.moments, settings.temperature)

    def curve(self, clips: Padded, sentence: Tensor, video: Tensor) -> Tensor:
        """(V, L, D), (Q, D), (Q,) -> (Q, L) cosine of each clip of the query's video; 0 where
        padded.
        """
        x = F.normalize(self.project_clips(clips.x), dim=-1)[video]
        s = F.normalize(self.project_sentence(sentence), dim=-1)
        return torch.einsum("qld,qd->ql", x, s) * clips.mask[video]
