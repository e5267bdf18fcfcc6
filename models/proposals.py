"""The proposal network of D3G: convolutions over the map of candidate moments."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.cell_convolution import CellConvolution
from models.cells import Cells, Neighbours

Stack = Literal["residual", "published"]


class Proposals(nn.Module):
    """Layers that let valid cells see their valid neighbours; nothing else takes part.

    Each layer has a convolution, a norm, a ReLU and a division by the number of valid cells under
    the window, so that cells at the map's edge are not paler. `published` (d3g.md section 2.1) has
    them in this order; `residual` normalises first and adds the mean over the neighbours to what is
    there.

    The norm is over the channels of one cell. The published batch norm depends on who else is in
    the batch, hence on how it is cut into processes, and needs a second pass over them all; this
    one knows neither videos nor processes.
    """

    def __init__(
        self, width: int, kernel: int, layers: int, cells: Cells, stack: Stack = "residual"
    ) -> None:
        """Raises ValueError where the kernel is even: the map would move by half a cell."""
        super().__init__()
        self.residual = stack == "residual"
        self.window = kernel**2
        self.neighbours = Neighbours(cells, kernel) if layers else None
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(layers):
            assert self.neighbours is not None
            self.layers.append(CellConvolution(width, width, self.neighbours))
            self.norms.append(nn.LayerNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        """(V, P, D) -> (V, P, D)."""
        if self.neighbours is None:
            return x
        count = self.neighbours.count[:, None, None]
        x = x.transpose(0, 1)  # cells first, as the convolution wants them
        for convolve, norm in zip(self.layers, self.norms, strict=True):
            if self.residual:
                x = x + convolve(F.relu(norm(x))) * (self.window / count)
            else:
                x = F.relu(norm(convolve(x))) / count
        return x.transpose(0, 1)
