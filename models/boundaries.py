"""Boundaries between clips: where what speaks for the moment turns into what speaks against it.

Symbols: Q queries, N clips, C candidates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_MOST = 0.49  # clips that an end moves at most: a single clip between two crossings stays a moment


def refine(lifted: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Moments of whole clips -> moments whose ends lie where the evidence crosses zero.

    The curve is a line between the centres of neighbouring clips, so an end moves by less than half
    a clip, and only where the clip inside speaks for the moment and the one outside against it.

    Args:
        lifted: (Q, N) positive where the clip speaks for the moment.
        first, last: (Q, C) clips, inclusive.

    Returns:
        (Q, C, 2) in [0, 1].
    """
    count = lifted.shape[1]
    before, after = F.pad(lifted, (1, 0)), F.pad(lifted, (0, 1))  # around each of N + 1 edges
    edge = torch.arange(count + 1, device=lifted.device, dtype=lifted.dtype)
    # from the left centre, a half clip before the edge, to the zero of the line
    share = before / (before - after + (before == after).to(lifted.dtype))
    crossing = edge + (share - 0.5).clamp(-_MOST, _MOST)
    inner = (edge > 0) & (edge < count)
    rising = torch.where(inner & (before < 0) & (after > 0), crossing, edge)
    falling = torch.where(inner & (before > 0) & (after < 0), crossing, edge)
    start, end = rising.gather(1, first), falling.gather(1, last + 1)
    return torch.stack([start, end], 2) / count
