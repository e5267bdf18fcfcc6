"""Zero-shot: cosine of frames and sentence over time, no training.

Frames and sentences come from encoders that share a space (open_clip, or any stored vectors). The
cosine's usual level differs from sentence to sentence, so runs are sought above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.records import GroundingOutput, Padded
from models.runs import answer_with_runs, lift


@dataclass(frozen=True)
class ZeroShotSettings:
    """Settings of the zero-shot head.

    Attributes:
        smoothing: rows averaged before runs are sought.
        moments: how many moments an answer has.
        low, high: a row speaks for the moment above the middle of these two quantiles of the curve.
        temperature: of the cosine, in the logit of absence.
    """

    smoothing: int = 5
    moments: int = 5
    low: float = 0.20
    high: float = 0.95
    temperature: float = 0.07


def zero_shot(
    clips: Padded, sentence: Tensor, video: Tensor, settings: ZeroShotSettings
) -> GroundingOutput:
    """Maximum-sum runs of the centred cosine.

    Args:
        clips: (V, L, D) rows of the recordings.
        sentence: (Q, D) in the same space.
        video: (Q,) which recording each sentence is asked of.

    Raises:
        ValueError: rows and sentences differ in width.
    """
    if clips.x.shape[-1] != sentence.shape[-1]:
        raise ValueError(
            f"rows have {clips.x.shape[-1]} numbers, sentences {sentence.shape[-1]}: not one space"
        )
    mask = clips.mask[video]
    x, s = F.normalize(clips.x, dim=-1)[video], F.normalize(sentence, dim=-1)
    curve = torch.einsum("qld,qd->ql", x, s) * mask
    lifted = lift(curve, mask, settings.smoothing, (settings.low, settings.high))
    return answer_with_runs(curve, lifted, mask, settings.moments, settings.temperature)
