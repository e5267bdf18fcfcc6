"""Proposal networks on whole N x N maps: what ours equals, and what the published code does.

For tests and benchmarks alone.
"""

import torch
import torch.nn.functional as F
from torch import nn


class MaskedDense(nn.Module):
    """The same network as a `Proposals`, in plain dense convolutions: invalid cells are held at
    zero after every layer.
    """

    def __init__(self, ours):
        super().__init__()
        near = ours.neighbours
        self.residual, self.cells = ours.residual, near.cells
        self.kernel = kernel = near.kernel
        valid = on_map(torch.ones(1, len(near.cells), 1), near.cells)
        window = torch.ones(1, 1, kernel, kernel, dtype=valid.dtype)
        self.register_buffer("valid", valid)
        self.register_buffer("count", F.conv2d(valid, window, padding=kernel // 2).clamp(min=1))
        self.layers = nn.ModuleList(dense_convolution(layer) for layer in ours.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(n.normalized_shape) for n in ours.norms)
        self.norms.load_state_dict(ours.norms.state_dict())

    def forward(self, x):
        """(V, P, D) -> (V, P, D)."""
        grid = on_map(x, self.cells).contiguous(memory_format=torch.channels_last)
        for convolve, norm in zip(self.layers, self.norms, strict=True):
            if self.residual:
                change = convolve(F.relu(over_channels(norm, grid)) * self.valid)
                grid = (grid + change * self.kernel**2 / self.count) * self.valid
            else:
                change = F.relu(over_channels(norm, convolve(grid)))
                grid = change / self.count * self.valid
        return grid[:, :, self.cells.first, self.cells.last].transpose(1, 2)


class PaddedDense(nn.Module):
    """The published network (d3g.md section 2.1): the first convolution pads for all of them, the
    map grows and shrinks back, its mask spreads with every layer, and batch norm counts it all.
    """

    def __init__(self, width, kernel, layers, cells):
        super().__init__()
        self.cells, self.kernel = cells, kernel
        self.padding = [(kernel - 1) * layers // 2] + [0] * (layers - 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, width, kernel, padding=p) for p in self.padding
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(layers))

    def forward(self, x):
        """(V, P, D) -> (V, P, D)."""
        grid = on_map(x, self.cells)
        mask = on_map(x.new_ones(1, len(self.cells), 1), self.cells)
        window = x.new_ones(1, 1, self.kernel, self.kernel)
        for convolve, norm, padding in zip(self.layers, self.norms, self.padding, strict=True):
            count = F.conv2d(mask, window, padding=padding).round()
            mask = (count > 0).to(x.dtype)
            grid = F.relu(norm(convolve(grid))) * (mask / count.clamp(min=1))
        return grid[:, :, self.cells.first, self.cells.last].transpose(1, 2)


def on_map(x, cells):
    """(V, P, D) -> (V, D, N, N), zero where there is no cell."""
    grid = x.new_zeros(len(x), x.shape[2], cells.clips, cells.clips)
    grid[:, :, cells.first, cells.last] = x.transpose(1, 2)
    return grid


def over_channels(norm, grid):
    """A norm of the last dimension, on the channels of a map."""
    return norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def dense_convolution(ours):
    """A `CellConvolution` as `nn.Conv2d`; taps that no pair of cells needs are zero."""
    near = ours.neighbours
    inputs, outputs = ours.weight.shape[1:]
    reach = near.kernel // 2
    dense = nn.Conv2d(inputs, outputs, near.kernel, padding=reach).to(ours.weight.dtype)
    with torch.no_grad():
        dense.weight.zero_()
        for (a, b), tap in zip(near.taps, ours.weight, strict=True):
            dense.weight[:, :, a + reach, b + reach] = tap.t()
        dense.bias.copy_(ours.bias)
    return dense
