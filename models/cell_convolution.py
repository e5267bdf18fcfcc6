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
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.cells import Neighbours


class CellConvolution(nn.Module):
    """(P, V, D) -> (P, V, E). Cells stand first, so that what a tap reads of a cell is one block.

    The weight is (T, D, E), as the products want it. It starts as `nn.Conv2d`'s does.
    """

    def __init__(self, inputs: int, outputs: int, neighbours: Neighbours) -> None:
        super().__init__()
        self.neighbours = neighbours
        bound = 1 / math.sqrt(inputs * neighbours.kernel**2)
        taps = len(neighbours.taps)
        self.weight = nn.Parameter(torch.empty(taps, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """The sum over the valid neighbours, with the bias."""
        near = self.neighbours
        out: Tensor = _Convolve.apply(
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
        sizes: list[int],
    ) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, weight, cell, neighbour)
        ctx.sizes = sizes
        cells, videos, inputs = x.shape
        out = bias.repeat(cells, videos, 1)
        # the same memory for every tap: pieces of ever new sizes would leave holes in the heap
        most = max(sizes)
        reads, products = x.new_empty(most, videos, inputs), torch.empty_like(out[:most])
        taps = zip(weight, torch.split(cell, sizes), torch.split(neighbour, sizes), strict=True)
        for tap, to, source in taps:
            read, product = reads[: len(to)], products[: len(to)]
            torch.index_select(x, 0, source, out=read)
            torch.mm(read.flatten(0, 1), tap, out=product.flatten(0, 1))
            out.index_add_(0, to, product)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, cell, neighbour = ctx.saved_tensors
        grad = grad.contiguous()
        to_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        to_weight = torch.empty_like(weight)
        most = max(ctx.sizes)
        reads, changes = torch.empty_like(x[:most]), torch.empty_like(grad[:most])
        pairs = zip(torch.split(cell, ctx.sizes), torch.split(neighbour, ctx.sizes), strict=True)
        for tap, (to, source) in enumerate(pairs):
            read, change = reads[: len(to)], changes[: len(to)]
            torch.index_select(x, 0, source, out=read)
            torch.index_select(grad, 0, to, out=change)
            torch.mm(read.flatten(0, 1).t(), change.flatten(0, 1), out=to_weight[tap])
            if to_x is not None:
                torch.mm(change.flatten(0, 1), weight[tap].t(), out=read.flatten(0, 1))
                to_x.index_add_(0, source, read)
        return to_x, to_weight, grad.sum((0, 1)), None, None, None
