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

from models.explanation import Asked, Chart, Curve, Explanation
from models.heads.contrast import Contrast, ContrastSettings
from models.heads.registry import register
from models.records import Batch, GroundingOutput, Padded
from models.runs import answer_with_runs, level, lift, smooth
from models.targets import ClipTargets, absence_loss, clip_targets, kinds


@dataclass(frozen=True)
class FramesSettings(ContrastSettings):
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
class Frames(nn.Module):
    """Similarity of every clip with the sentence, learned from glances."""

    def __init__(self, settings: FramesSettings, clips: int, sentence: int) -> None:
        """`clips` and `sentence`: widths of the encoded clips and sentences."""
        super().__init__()
        self.settings = settings
        self.contrast = Contrast(settings, settings.temperature)
        self.project_clips = nn.Linear(clips, settings.width)
        self.project_sentence = nn.Linear(sentence, settings.width)

    def prepare(self, queries: int) -> None:
        """Allocate what the contrast remembers."""
        self.contrast.prepare(queries, self.settings.width)

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed training needs beside the weights."""
        return self.contrast.state

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Take up a saved `training_state`."""
        self.contrast.state = dict(state)

    def candidates(self) -> Tensor | None:
        """Any run of clips can be answered."""
        return None

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """Contrast each query with its own clips and all clips of the batch; a scalar."""
        return self.attract(clips, sentence, batch, self._targets(clips, sentence, batch, epoch))

    @torch.no_grad()
    def _targets(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> ClipTargets:
        s = self.settings
        own = clips.mask[batch.video]
        fit = self.curve(clips, sentence, batch.video) / s.temperature
        sharpen = epoch >= s.sharpen
        return clip_targets(batch, own, fit, sigma=s.sigma, apart=s.apart, sharpen=sharpen)

    def attract(
        self, clips: Padded, sentence: Tensor, batch: Batch, targets: ClipTargets
    ) -> Tensor:
        """Draw each sentence to the clips that `targets` wants, away from others; a scalar."""
        x = F.normalize(self.project_clips(clips.x), dim=-1)
        text = F.normalize(self.project_sentence(sentence), dim=-1)
        cosine = torch.einsum("vld,qd->qvl", x, text)
        rows = torch.arange(len(text), device=text.device)
        mask = clips.mask
        own = cosine[rows, batch.video] / self.settings.temperature
        moments = text.new_zeros(0)
        if self.settings.queue:
            seen = torch.einsum("ql,qld->qd", targets.weight, x[batch.video])
            moments = F.normalize(seen, dim=-1)
        contrast = self.contrast(
            cosine, targets.weight, targets.negative, mask, batch, text, moments
        )
        absence = absence_loss(own, mask[batch.video], batch.absent)
        return contrast + self.settings.absence * absence

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

    def explain(self, asked: Asked) -> Explanation:
        """The similarity over time with the level above which clips speak for the moment, and how
        much training wants of each clip, where anything is known of the query.
        """
        fits = self.fit_chart(asked)
        if bool(kinds(asked.batch).none):
            return Explanation(charts=(fits,))
        targets = [
            self._targets(asked.clips, asked.sentence, asked.batch, epoch)
            for epoch in (0, asked.epoch)
        ]
        pulls = pull_chart(*(each.weight[0] for each in targets))
        return Explanation(charts=(fits, *([pulls] if pulls else [])))

    @torch.no_grad()
    def fit_chart(self, asked: Asked) -> Chart:
        """The similarity over time and the level above which clips speak for the moment."""
        settings, mask = self.settings, asked.clips.mask
        curve = self.curve(asked.clips, asked.sentence, asked.batch.video)
        soft = smooth(curve, mask, settings.smoothing)
        usual = float(level(soft, mask, *settings.quantiles))
        fits = [Curve("cosine", soft[0], "seen")]
        if settings.smoothing > 1:
            fits.append(Curve("before smoothing", curve[0], "detail"))
        return Chart("fit of each clip", tuple(fits), level=("usual level", usual))


def pull_chart(before: Tensor, now: Tensor) -> Chart | None:
    """(L,) each -> how much each clip of the video is to attract the sentence; None if nothing is
    wanted.
    """
    if not bool((before > 0).any()):
        return None
    shares = [w / w.sum().clamp(min=1e-12) for w in (before, now)]
    curves = Curve("when training began", shares[0], "before"), Curve("now", shares[1], "now")
    return Chart("weight in training", curves)
