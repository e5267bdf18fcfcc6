"""The sparse 2D temporal map: which (first clip, last clip) cells are candidates, and what is on
them.

The pattern is 2D-TAN's (d3g.md section 2.1): every cell near the diagonal, ever fewer the longer
they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
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

    def sums(self, curve: Tensor) -> Tensor:
        """(Q, N) a number for each clip -> (Q, P) its sum over the clips of each cell."""
        total = F.pad(curve.cumsum(1), (1, 0))
        return total[:, self.last + 1] - total[:, self.first]

    def cover(self, shares: Tensor) -> Tensor:
        """(Q, P) a share for each cell -> (Q, N) the sum over the cells that hold each clip."""
        change = shares.new_zeros(len(shares), self.clips + 1)
        change.index_add_(1, self.first, shares)
        change.index_add_(1, self.last + 1, -shares)
        return change.cumsum(1)[:, :-1].clamp(min=0)

    def iou(self, first: Tensor, last: Tensor) -> Tensor:
        """Cells given as (Q,) first and last clips -> (Q, P) IoU with every cell of the map."""
        low = torch.maximum(first[:, None], self.first)
        high = torch.minimum(last[:, None], self.last)
        inter = (high - low + 1).clamp(min=0).float()
        union = (last - first + 1)[:, None] + (self.last - self.first + 1) - inter
        return inter / union


class Neighbours(nn.Module):
    """Which valid cells stand under a k x k window on each valid cell, tap by tap.

    Attributes:
        taps: (first, last) offset of each tap that any pair of cells needs; T of them.
        sizes: how many pairs each tap has.
        cells, kernel: of which map, under which window.
        cell, neighbour: the pairs, one tap after the other; within a tap no cell occurs twice.
        count: (P,) valid cells under the window, at least 1: the cell itself.
    """

    cell: Tensor
    neighbour: Tensor
    count: Tensor

    def __init__(self, cells: Cells, kernel: int) -> None:
        """Raises ValueError where the kernel is even: the map would move by half a cell."""
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"method.kernel {kernel} is even; take {kernel + 1}")
        self.cells, self.kernel = cells, kernel
        reach = kernel // 2
        side = cells.clips + 2 * reach
        place = torch.full((side, side), -1)
        row, column = cells.first + reach, cells.last + reach
        place[row, column] = torch.arange(len(cells))
        self.taps: list[tuple[int, int]] = []
        self.sizes: list[int] = []
        pairs = []
        for a in range(-reach, reach + 1):
            for b in range(-reach, reach + 1):
                neighbour = place[row + a, column + b]
                (cell,) = torch.nonzero(neighbour >= 0, as_tuple=True)
                if len(cell):
                    self.taps.append((a, b))
                    self.sizes.append(len(cell))
                    pairs.append(torch.stack([cell, neighbour[cell]]))
        cell, neighbour = torch.cat(pairs, 1)
        self.register_buffer("cell", cell, persistent=False)
        self.register_buffer("neighbour", neighbour, persistent=False)
        self.register_buffer("count", torch.bincount(cell).float(), persistent=False)
