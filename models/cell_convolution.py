"""Convolution over the valid cells of a map and over nothing else.

A dense k x k convolution of the N x N map spends most of its work on cells that are no candidates:
of the published maps, 59 % (16 clips) to 88 % (128 clips) of its products are with zeros. Here each
tap of the kernel is one matrix product over the pairs (cell, neighbour) that exist: the same
numbers as the dense convolution of a map whose invalid cells hold zero, for the pairs' share of its
cost. Taps that no pair needs have no weights.

Symbols: P cells, V videos, D channels in, E out, T taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.cells import Cells


class Neighbours(nn.Module):
    """Which valid cells stand under a k x k window on each valid cell, tap by tap.

    Attributes:
        taps: (first, last) offset of each tap that any pair of cells needs; T of them.
        sizes: how many pairs each tap has.
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
            raise ValueError(f"kernel {kernel} is even; take {kernel + 1}")
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


class CellConvolution(nn.Module):
    """(P, V, D) -> (P, V, E). Cells stand first, so that what a tap reads of a cell is one block.

    The weight is (T, D, E), as the products want it. It starts as `nn.Conv2d`'s does.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, neighbours: Neighbours) -> None:
        super().__init__()
        self.neighbours = neighbours
        bound = 1 / math.sqrt(inputs * kernel**2)
        taps = len(neighbours.taps)
        self.weight = nn.Parameter(torch.empty(taps, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """The sum over the valid neighbours, with the bias."""
        near = self.neighbours
        out: Tensor = _Convolve.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, near.cell, near.neighbour, near.sizes
        )
        return out


class _Convolve(torch.autograd.Function):
    """Gather, multiply, add; backward gathers anew, so that only the input is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        cell: Tensor,
        neighbour: Tensor,
        sizes: Sequence[int],
    ) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, weight, cell, neighbour)
        ctx.sizes = sizes
        cells, videos, _ = x.shape
        out = bias.repeat(cells, videos, 1)
        taps = zip(weight, cell.split(sizes), neighbour.split(sizes), strict=True)
        for tap, to, source in taps:
            out.index_add_(0, to, x.index_select(0, source) @ tap)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, cell, neighbour = ctx.saved_tensors
        grad = grad.contiguous()
        to_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        to_weight = torch.empty_like(weight)
        pairs = zip(cell.split(ctx.sizes), neighbour.split(ctx.sizes), strict=True)
        for tap, (to, source) in enumerate(pairs):
            change = grad.index_select(0, to)
            read = x.index_select(0, source)
            torch.mm(read.flatten(0, 1).t(), change.flatten(0, 1), out=to_weight[tap])
            if to_x is not None:
                to_x.index_add_(0, source, change @ weight[tap].t())
        return to_x, to_weight, grad.sum((0, 1)), None, None, None
