"""The sparse 2D temporal map: which (first clip, last clip) cells are candidates, and what is on
them.

The pattern is 2D-TAN's (d3g.md section 2.1): every cell near the diagonal, ever fewer the longer
they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def sparse_cells(clips: int, counts: Sequence[int]) -> list[tuple[int, int]]:
    """The valid cells of a map, shortest first, each (first, last) inclusive.

    Beside the diagonal, `counts[0]` diagonals hold every start; `counts[1]` further ones every
    second start and every second length; then every fourth, and so on.

    >>> len(sparse_cells(16, [15])), len(sparse_cells(64, [15, 8, 8]))
    (136, 1104)

    Raises:
        ValueError: there is no clip, or a count is negative.
    """
    if clips < 1 or any(count < 0 for count in counts):
        raise ValueError(f"{clips} clips with {list(counts)} diagonals: both must be positive")
    cells = [(i, i) for i in range(clips)]
    offset, stride = 0, 1
    for group, count in enumerate(counts):
        stride = 2**group
        for _ in range(count):
            offset += stride
            cells += [(i, i + offset) for i in range(0, clips - offset, stride)]
    return cells


class Cells(nn.Module):
    """P candidate cells of a map of N clips; buffers, so they follow the model to its device."""

    first: Tensor  # (P,)
    last: Tensor  # (P,)

    def __init__(self, clips: int, counts: Sequence[int]) -> None:
        super().__init__()
        self.clips = clips
        index = torch.tensor(sparse_cells(clips, counts))
        self.register_buffer("first", index[:, 0].contiguous(), persistent=False)
        self.register_buffer("last", index[:, 1].contiguous(), persistent=False)

    def __len__(self) -> int:
        return len(self.first)

    def spans(self) -> Tensor:
        """(P, 2) in [0, 1]: cell (i, j) covers [i / N, (j + 1) / N)."""
        return torch.stack([self.first, self.last + 1], 1).float() / self.clips

    def covers(self, clip: Tensor) -> Tensor:
        """(Q,) clip indices -> (Q, P), True where the cell contains the clip."""
        c = clip[:, None]
        return (self.first <= c) & (c <= self.last)

    def pool(self, clips: Tensor) -> Tensor:
        """(V, N, D) -> (V, P, D): element-wise maximum over each cell's clips.

        Raises:
            ValueError: there are not N clips.
        """
        if clips.shape[1] != self.clips:
            raise ValueError(f"the map has {self.clips} clips, the video {clips.shape[1]}")
        # cells stand shortest first, so each length is one piece and the pieces only need to be
        # joined
        pieces, running, length = [], clips, self.last - self.first
        for offset in range(int(length.max()) + 1):
            if offset:
                running = torch.maximum(running[:, :-1], clips[:, offset:])
            starts = self.first[length == offset]
            if len(starts):
                pieces.append(running[:, starts])
        return torch.cat(pieces, 1)

    def dense(self, cells: Tensor) -> Tensor:
        """(V, P, D) -> (V, D, N, N); zero where there is no cell."""
        videos, _, width = cells.shape
        grid = cells.new_zeros(videos, width, self.clips * self.clips)
        flat = self.first * self.clips + self.last
        filled = grid.index_copy(2, flat, cells.transpose(1, 2))
        return filled.view(videos, width, self.clips, self.clips)

    def sparse(self, grid: Tensor) -> Tensor:
        """(V, D, N, N) -> (V, P, D): what stands on the cells."""
        return grid[:, :, self.first, self.last].transpose(1, 2)

    def iou(self, first: Tensor, last: Tensor) -> Tensor:
        """Cells given as (Q,) first and last clips -> (Q, P) IoU with every cell of the map."""
        low = torch.maximum(first[:, None], self.first)
        high = torch.minimum(last[:, None], self.last)
        inter = (high - low + 1).clamp(min=0).float()
        union = (last - first + 1)[:, None] + (self.last - self.first + 1) - inter
        return inter / union
