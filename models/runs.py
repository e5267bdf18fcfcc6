"""Maximum-sum runs of a score over clips: the stretches where the score stays above its usual
level.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


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
