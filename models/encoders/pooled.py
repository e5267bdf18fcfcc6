"""The video path of D3G's paper: one layer for each row, then rows averaged to clips."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.records import Padded


class PooledEncoder(nn.Module):
    """(B, L, inputs) -> (B, L / pool, width): linear, ReLU, mean of each `pool` (d3g.md 2.1).

    Features are taken as they are: neither centred nor scaled.
    """

    def __init__(self, inputs: int, width: int, pool: int = 1) -> None:
        super().__init__()
        self.inputs, self.width, self.pool = inputs, width, pool
        self.project = nn.Linear(inputs, width)

    def fit_scale(self, x: Tensor, videos: Tensor) -> None:
        """Nothing: it has no scale."""

    def forward(self, clips: Padded) -> Padded:
        """The mean is over real rows; a clip is real where one of its rows is.

        Raises:
            ValueError: the rows are no multiple of `pool`.
        """
        x, mask = clips
        if x.shape[1] % self.pool:
            raise ValueError(f"{x.shape[1]} rows cannot be averaged by {self.pool}")
        weight = mask.to(x.dtype).unsqueeze(-1)
        x = F.relu(self.project(x)) * weight
        groups = (len(x), x.shape[1] // self.pool, self.pool)
        count = weight.view(*groups, 1).sum(2).clamp(min=1)
        return Padded(x.view(*groups, -1).sum(2) / count, mask.view(groups).any(2))
