"""Maximum-sum runs of a score over clips: the stretches where the score stays above its usual
level.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.records import GroundingOutput


class Runs(NamedTuple):
    """The best runs of each row, best first, none overlapping another."""

    cells: Tensor  # (Q, N, 2) first and last clip, inclusive
    sums: Tensor  # (Q, N) total score of the run; -inf where there are fewer than N runs


def smooth(curve: Tensor, mask: Tensor, width: int) -> Tensor:
    """Centred moving average over `width` real clips, (Q, L) -> (Q, L); zero where padded."""
    if width <= 1:
        return curve * mask
    kernel = curve.new_ones(1, 1, width)
    left = (width - 1) // 2
    ends = (left, width - 1 - left)
    weight = mask.to(curve.dtype)
    total = F.conv1d(F.pad((curve * weight).unsqueeze(1), ends), kernel).squeeze(1)
    count = F.conv1d(F.pad(weight.unsqueeze(1), ends), kernel).squeeze(1)
    return total / count.clamp(min=1) * weight


def level(curve: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
    """(Q,) the middle between two quantiles of each row's real clips (d3g.md section 15)."""
    nan = curve.masked_fill(~mask, float("nan"))
    ends = torch.nanquantile(
        nan, torch.tensor([low, high], dtype=curve.dtype, device=curve.device), dim=1
    )
    return ends.mean(0)


def maximum_sum_runs(score: Tensor, mask: Tensor, count: int) -> Runs:
    """The `count` best non-overlapping runs of each row, greedily.

    Args:
        score: (Q, L) score of each clip, positive where it speaks for the moment.
        mask: (Q, L) True where real; a run never crosses padding.
        count: N, how many runs to return.
    """
    clips = score.shape[1]
    total = F.pad(score.masked_fill(~mask, 0).cumsum(1), (1, 0))  # (Q, L + 1)
    sums = total[:, None, 1:] - total[:, :-1, None]  # (Q, first, last)
    index = torch.arange(clips, device=score.device)
    valid = (index[:, None] <= index[None, :]) & mask[:, :, None] & mask[:, None, :]
    sums = sums.masked_fill(~valid, -torch.inf)
    cells, values = [], []
    for _ in range(count):
        value, flat = sums.flatten(1).max(1)
        first, last = flat // clips, flat % clips
        cells.append(torch.stack([first, last], 1))
        values.append(value)
        apart = (index[None, None, :] < first[:, None, None]) | (
            index[None, :, None] > last[:, None, None]
        )
        sums = sums.masked_fill(~apart, -torch.inf)
    return Runs(torch.stack(cells, 1), torch.stack(values, 1))


def lift(curve: Tensor, mask: Tensor, smoothing: int, quantiles: tuple[float, float]) -> Tensor:
    """(Q, L) the smoothed curve above its usual level: positive where it speaks for the moment."""
    soft = smooth(curve, mask, smoothing)
    return (soft - level(soft, mask, *quantiles)[:, None]).masked_fill(~mask, 0)


def answer_with_runs(
    curve: Tensor, lifted: Tensor, mask: Tensor, count: int, temperature: float
) -> GroundingOutput:
    """The best runs of a lifted curve as moments, best first.

    The best run always counts; a further one only while it still speaks for the moment. The logit
    of absence falls with the mean of the curve inside the best run.

    Args:
        curve: (Q, L) similarity of each clip.
        lifted: (Q, L) the same above its usual level.
        mask: (Q, L) True where real.
        count: N, how many moments at most.
        temperature: of the similarity.
    """
    runs = maximum_sum_runs(lifted, mask, min(count, curve.shape[1]))
    first, last = runs.cells.unbind(-1)
    clips = mask.sum(1).clamp(min=1)[:, None]
    spans = torch.stack([first / clips, (last + 1) / clips], -1)
    found = runs.sums > 0
    found[:, 0] = True
    index = torch.arange(curve.shape[1], device=curve.device)
    inside = (index >= first[:, :1]) & (index <= last[:, :1])
    best = (curve * inside).sum(1) / inside.sum(1)
    scores = runs.sums.masked_fill(~found, -torch.inf)
    return GroundingOutput(spans, scores, curve, -best / temperature)
