"""Soft labels after ViGA (SIGIR 2022; d3g.md section 11): the method that D3G is compared with.

Windows slide over the video; each is a soft example of the sentence, by the Gaussian around the
glance at the window's middle, and of the other sentences by what is left. An attention of the
sentence over the clips is drawn towards the same Gaussian; the answer is a window around its peak.

It differs from ViGA in what stands before it: the sentence is one vector and the clips come from
this project's encoder, where ViGA has a bi-GRU over words, self-attention over 256 clips, and
cross-attention both ways whose last map is the attention over clips. Here that is the softmax of
the sentence's scaled product with the clips. The windows have ViGA's sizes relative to the video
rather than its 8, 16 and 32 clips, the answer has all windows in order rather than the first
alone, and equal sentences are no negatives of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.registry import Settings, Stateless, register
from models.records import Batch, GroundingOutput, Padded
from models.windows import Windows, range_max, sliding


@dataclass(frozen=True)
class SoftLabelSettings(Settings):
    """Settings of the soft-label baseline; sizes are shares of the video.

    Attributes:
        width: size of the common space.
        temperature: of the cross entropy.
        sigma: spread of the Gaussian at the glance.
        windows: sizes of the training windows.
        stride: from one training window to the next, as a share of its size.
        attention: weight of the divergence of the attention from the Gaussian.
        answers: sizes of the windows that can be answered.
        step: from one of these to the next, as a share of its size.
    """

    width: int = 128
    temperature: float = 0.07
    sigma: float = 0.15
    windows: Sequence[float] = (8 / 256, 16 / 256, 32 / 256)
    stride: float = 0.5
    attention: float = 1.0
    answers: Sequence[float] = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
    step: float = 0.125

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("windows", "answers"):
            sizes = getattr(self, name)
            if not sizes or not all(0 < size <= 1 for size in sizes):
                raise ValueError(f"{name} is {list(sizes)}; it must hold shares above 0, up to 1")
        for name in ("stride", "step"):
            if getattr(self, name) > 0.5:  # whole clips: some would be in no window
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at most 0.5")


@register("soft-label", SoftLabelSettings)
class SoftLabel(Stateless, nn.Module):
    """Windows with soft labels and an attention over clips."""

    supervisions = ("glance",)  # both of its losses are made of the Gaussian around one instant

    def __init__(self, settings: SoftLabelSettings, clips: int, sentence: int) -> None:
        """`clips` and `sentence`: widths of the encoded clips and sentences."""
        super().__init__()
        self.settings = settings
        self.project_clips = nn.Linear(clips, settings.width)
        self.project_sentence = nn.Linear(sentence, settings.width)
        self.key = nn.Linear(clips, settings.width)
        self.ask = nn.Linear(sentence, settings.width)

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """Soft-label cross entropy of the windows plus the attention's divergence; a scalar."""
        settings = self.settings
        mask = clips.mask[batch.video]
        windows = sliding(clips.mask, settings.windows, settings.stride)
        x, s = self._embed(clips, sentence, windows)
        cosine = torch.einsum("vwd,qd->vwq", x, s)[batch.video]
        middle = windows.middle(clips.mask)[batch.video]
        own = gauss(middle - batch.glance[:, None], settings.sigma)  # (Q, W)
        entropy = soft_label_entropy(cosine / settings.temperature, own, batch.sentence)
        entropy = entropy[windows.real[batch.video]].mean()

        centre = (torch.arange(mask.shape[1], device=mask.device) + 0.5) / mask.sum(1, keepdim=True)
        target = gauss(centre - batch.glance[:, None], settings.sigma) * mask
        target = target / target.sum(1, keepdim=True).clamp(min=1e-12)
        log = self._attend(clips, sentence, batch.video).log_softmax(1).masked_fill(~mask, 0.0)
        divergence = F.kl_div(log, target, reduction="batchmean")
        return entropy + settings.attention * divergence

    def forward(self, clips: Padded, sentence: Tensor, video: Tensor) -> GroundingOutput:
        """Q sentences, each asked of its video -> the windows around the attention's peak."""
        settings = self.settings
        attention = self._attend(clips, sentence, video).softmax(1)
        windows = sliding(clips.mask, settings.answers, settings.step)
        x, s = self._embed(clips, sentence, windows)
        cosine = torch.einsum("qwd,qd->qw", x[video], s)
        anchor = attention.argmax(1, keepdim=True)
        around = (windows.first[video] <= anchor) & (anchor <= windows.last[video])
        fits = around & windows.distinct()[video]
        scores, order = cosine.masked_fill(~fits, -torch.inf).sort(
            dim=1, descending=True, stable=True
        )
        spans = windows.spans(clips.mask)[video].gather(1, order[..., None].expand(-1, -1, 2))
        return GroundingOutput(spans, scores, attention, -scores[:, 0] / settings.temperature)

    def _attend(self, clips: Padded, sentence: Tensor, video: Tensor) -> Tensor:
        """(Q, L) logits of the sentence's attention over its video; -inf where padded."""
        asked, keys = self.ask(sentence), self.key(clips.x)[video]
        logits = torch.einsum("qld,qd->ql", keys, asked) / math.sqrt(self.settings.width)
        return logits.masked_fill(~clips.mask[video], -torch.inf)

    def _embed(self, clips: Padded, sentence: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
        """(V, W, width) windows and (Q, width) sentences as unit vectors."""
        x = range_max(self.project_clips(clips.x), windows)
        return F.normalize(x, dim=-1), F.normalize(self.project_sentence(sentence), dim=-1)


def gauss(distance: Tensor, sigma: float) -> Tensor:
    """exp(-distance^2 / (2 sigma^2)): 1 at the glance."""
    near: Tensor = torch.exp(-0.5 * (distance / sigma) ** 2)
    return near


def soft_label_entropy(logits: Tensor, own: Tensor, sentence: Tensor) -> Tensor:
    """Cross entropy over the batch's sentences with the label `own` for the window's own sentence
    and an equal share of 1 - `own` for each other one.

    Args:
        logits: (Q, W, Q) of each window of query q with each sentence.
        own: (Q, W) in [0, 1].
        sentence: (Q,) equal numbers = the same sentence; it takes no part beside the own one.

    Returns:
        (Q, W)
    """
    count = len(sentence)
    self_ = torch.eye(count, dtype=torch.bool, device=logits.device)
    other = sentence[:, None] != sentence[None, :]  # (Q, Q)
    log = logits.masked_fill(~(self_ | other)[:, None, :], -torch.inf).log_softmax(2)
    rest = (1 - own) / other.sum(1, keepdim=True).clamp(min=1)
    others = log.masked_fill(~other[:, None, :], 0.0).sum(2)
    mine: Tensor = log.diagonal(dim1=0, dim2=2).T  # (Q, W)
    return -(own * mine + rest * others)
