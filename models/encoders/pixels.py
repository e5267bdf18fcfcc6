"""`pixel-grid`: what a frame looks like on an 8 x 8 grid and where it changes. No weights, numpy
alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class PixelGrid:
    """Colour layout (8 x 8 x RGB) and change since the frame before (8 x 8): 256 numbers in [0, 1]
    a frame.
    """

    name = "pixel-grid"
    weights: str | None = None
    version = "1"
    grid = 8
    width = 4 * grid * grid
    short_side = 8 * grid  # what the decoder scales to: more pixels would only be averaged away
    size = f"{grid}x{grid}"

    def encode(self, frames: Frames, before: Frames | None) -> npt.NDArray[np.float32]:
        """(N, H, W, 3) -> (N, 256); `before` is the frame shown before the first, None at the
        start.

        Raises:
            ValueError: the frames are smaller than the grid.
        """
        count, height, width, _ = frames.shape
        if min(height, width) < self.grid:
            raise ValueError(f"frames of {width} x {height} are smaller than the {self.size} grid")
        colour = self._pool(frames)
        grey = frames.astype(np.int16).sum(-1, dtype=np.int16)
        first = (
            grey[:1] if before is None else before[None].astype(np.int16).sum(-1, dtype=np.int16)
        )
        change = np.abs(np.diff(np.concatenate([first, grey]), axis=0)) / 3
        layout = np.concatenate([colour, self._pool(change[..., None])], axis=-1)
        return layout.reshape(count, -1)

    def _pool(self, x: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """(N, H, W, C) in 0..255 -> (N, 8, 8, C) block means in 0..1."""
        rows = np.linspace(0, x.shape[1], self.grid + 1).round().astype(int)
        columns = np.linspace(0, x.shape[2], self.grid + 1).round().astype(int)
        total = np.add.reduceat(x, rows[:-1], axis=1, dtype=np.float32)
        total = np.add.reduceat(total, columns[:-1], axis=2)
        area = np.diff(rows)[:, None] * np.diff(columns)[None, :]
        pooled: npt.NDArray[np.float32] = (total / (255.0 * area[..., None])).astype(np.float32)
        return pooled
