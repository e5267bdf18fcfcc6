"""The plain glance model (d3g.md section 15): clips and sentences in one space, no map of moments.

Trained from one instant a sentence: clips near the glance attract the sentence, clips of other
videos and clips far
from the glance repel it. Answers with the maximum-sum runs of the similarity over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.contrastive import info_nce
from models.explanation import Asked, Chart, Curve, Explanation
from models.heads.registry import Settings, Stateless, register
from models.records import Batch, GroundingOutput, Padded
from models.runs import answer_with_runs, level, lift, smooth


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
        """Contrast each glanced query with its own clips and all clips of the batch; a scalar."""
        settings = self.settings
        cosine = self.similarity(clips, sentence)
        queries, videos = cosine.shape[:2]
        rows = torch.arange(queries, device=cosine.device)
        mask = clips.mask  # (V, L)
        centres = clip_centres(mask)[batch.video]  # (Q, L)
        distance = (centres - batch.glance.unsqueeze(1)).abs()
        own = mask[batch.video]

        weight = self._wanted(distance, own, cosine[rows, batch.video].detach(), epoch)

        # a video that is asked the same sentence shows the same thing: its clips are no negatives
        same = batch.sentence[:, None] == batch.sentence[None, :]
        holds = F.one_hot(batch.video, videos).bool()  # (Q, V)
        shares = (same.float() @ holds.float()) > 0
        negative = mask[None] & ~shares[:, :, None]
        negative[rows, batch.video] = own & (distance >= settings.apart)

        positive = torch.zeros_like(cosine)
        positive[rows, batch.video] = weight
        return info_nce(
            cosine.flatten(1), positive.flatten(1), negative.flatten(1), settings.temperature
        )

    def _wanted(self, distance: Tensor, own: Tensor, cosine: Tensor, epoch: int) -> Tensor:
        """(Q, L) each -> (Q, L) how much each clip of the query's video is to attract it."""
        settings = self.settings
        weight = torch.exp(-0.5 * (distance / settings.sigma) ** 2) * own
        weight = weight.nan_to_num(0.0)  # no glance, no positive
        if epoch >= settings.sharpen:
            seen = cosine / settings.temperature
            weight = weight * seen.masked_fill(~own, -torch.inf).softmax(1)
        return weight

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

    @torch.no_grad()
    def explain(self, asked: Asked) -> Explanation:
        """The similarity over time with the level above which clips speak for the moment, and how
        much training wants of each clip.
        """
        settings, mask = self.settings, asked.clips.mask
        curve = self.curve(asked.clips, asked.sentence, torch.zeros_like(asked.glance).long())
        soft = smooth(curve, mask, settings.smoothing)
        usual = float(level(soft, mask, *settings.quantiles))
        fits = [Curve("cosine", soft[0], "seen")]
        if settings.smoothing > 1:
            fits.append(Curve("before smoothing", curve[0], "detail"))
        charts = [Chart("fit of each clip", tuple(fits), level=("usual level", usual))]
        if not asked.glance.isnan():
            distance = (clip_centres(mask) - asked.glance[:, None]).abs()
            wanted = [self._wanted(distance, mask, curve, e)[0] for e in (0, asked.epoch)]
            before, now = (w / w.sum().clamp(min=1e-12) for w in wanted)
            pulls = (Curve("when training began", before, "before"), Curve("now", now, "now"))
            charts.append(Chart("weight in training", pulls))
        return Explanation(charts=tuple(charts))


def clip_centres(mask: Tensor) -> Tensor:
    """(V, L) True where real -> (V, L) centres of the clips in [0, 1] of each video."""
    count = mask.sum(1, keepdim=True).clamp(min=1)
    return (torch.arange(mask.shape[1], device=mask.device) + 0.5) / count
