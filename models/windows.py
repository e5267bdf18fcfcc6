"""Sliding windows over videos of any number of clips, and what is on them.

V videos (or a video per query), L clips, W windows, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """Windows as first and last clip, inclusive; the same number for every video."""

    first: Tensor  # (V, W)
    last: Tensor  # (V, W)
    real: Tensor  # (V, W) True where the window lies on real clips

    def middle(self, mask: Tensor) -> Tensor:
        """(V, L) True where real -> (V, W) middles in [0, 1]."""
        return self.spans(mask).mean(2)

    def spans(self, mask: Tensor) -> Tensor:
        """(V, L) True where real -> (V, W, 2) in [0, 1]."""
        count = mask.sum(1, keepdim=True).clamp(min=1)
        return torch.stack([self.first / count, (self.last + 1) / count], 2)

    def distinct(self) -> Tensor:
        """(V, W) True for the first of equal windows: few clips make many of them equal."""
        key = self.first * (int(self.last.max()) + 1) + self.last
        equal = key[:, :, None] == key[:, None, :]
        return ~equal.tril(-1).any(2) & self.real


def sliding(mask: Tensor, sizes: Sequence[float], stride: float) -> Windows:
    """Windows of each size (share of the video), one every `stride` of a size and one at the end,
    to whole clips.

    Args:
        mask: (V, L) True where real; each video is divided by its own clips.
    """
    starts, lengths = [], []
    for size in sizes:
        steps = int((1 - size) / (size * stride) + 1e-6) + 1
        own = [k * size * stride for k in range(steps)]
        if own[-1] < 1 - size - 1e-6:
            own.append(1 - size)  # no clip at the end is left out
        starts += own
        lengths += [size] * len(own)
    count = mask.sum(1, keepdim=True)  # (V, 1)
    start = torch.tensor(starts, device=mask.device)
    long = (torch.tensor(lengths, device=mask.device) * count).round().long().clamp(min=1)  # (V, W)
    latest = (count - long).clamp(min=0)
    first = torch.minimum((start * count).round().long(), latest)
    # rounded apart, the last start and length may fall a clip short of the end
    ends = start + torch.tensor(lengths, device=mask.device) > 1 - 1e-5
    first = torch.where(ends, latest, first)
    return Windows(first, first + long - 1, (first + long) <= count)


def range_max(x: Tensor, windows: Windows) -> Tensor:
    """(V, L, D) -> (V, W, D): the element-wise maximum over each window's clips.

    Two maxima over 2^k clips cover any window, so the cost does not grow with its length.
    """
    longest = int((windows.last - windows.first).max()) + 1
    levels = [x]
    while 2 ** len(levels) <= longest:
        half = 2 ** (len(levels) - 1)
        lower = levels[-1]
        # past the end the lower level stands alone; no window looks there
        levels.append(
            torch.cat([torch.maximum(lower[:, :-half], lower[:, half:]), lower[:, -half:]], 1)
        )
    powers = 2 ** torch.arange(len(levels), device=x.device)
    level = (powers <= (windows.last - windows.first + 1)[..., None]).sum(2) - 1
    clips = x.shape[1]
    table = torch.cat(levels, 1)  # (V, levels * L, D)
    width = x.shape[2]

    def at(clip: Tensor) -> Tensor:
        return table.gather(1, (level * clips + clip)[..., None].expand(-1, -1, width))

    return torch.maximum(at(windows.first), at(windows.last + 1 - powers[level]))
