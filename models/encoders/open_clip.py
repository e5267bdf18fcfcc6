"""Frames through an open_clip model: its own preprocessing for a whole batch, then embeddings of
length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Frames = npt.NDArray[np.uint8]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class ImageModel(Protocol):
    """The half of an open_clip model that sees."""

    def encode_image(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, D)."""
        ...


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a model wants its images; the numbers of open_clip's `preprocess_cfg`.

    Attributes:
        size: side of the square that the model sees, in pixels.
        mean: subtracted, per channel in [0, 1].
        std: divided by, per channel.
        interpolation: bicubic or bilinear.
        resize: shortest = the shorter side becomes `size`, then a centre crop; squash = both
            sides become `size`.

    Raises:
        ValueError: another interpolation or resize.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    resize: str = "shortest"

    def __post_init__(self) -> None:
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ValueError(f"interpolation {self.interpolation!r}; take bicubic or bilinear")
        if self.resize not in ("shortest", "squash"):
            raise ValueError(f"resize {self.resize!r}; take shortest or squash")

    def __str__(self) -> str:
        how = "shortest, centre crop" if self.resize == "shortest" else "squashed"
        return f"{self.size} {how}"

    def crop(self, frames: Frames) -> Tensor:
        """(N, H, W, 3) -> (N, 3, size, size) uint8, as Pillow would within 2 of 255 levels.

        Always on the CPU: only there does torch round as Pillow does, on every machine alike.
        """
        height, width = frames.shape[1:3]
        x = torch.tensor(frames).permute(0, 3, 1, 2)
        target = self._scaled(height, width)
        if target != (height, width):
            x = F.interpolate(x, target, mode=self.interpolation, antialias=True)
        top, left = (round((side - self.size) / 2) for side in target)
        return x[..., top : top + self.size, left : left + self.size]

    def normalise(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> float32 with the model's mean and spread, on the same device."""
        mean = torch.tensor(self.mean, device=x.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=x.device).view(-1, 1, 1)
        return (x.float() / 255 - mean) / std

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width before the crop."""
        if self.resize == "squash":
            return self.size, self.size
        if height <= width:
            return self.size, int(self.size * width / height)
        return int(self.size * height / width), self.size


class OpenClipFrames:
    """Image embeddings of an open_clip model, one a frame."""

    def __init__(
        self,
        model: ImageModel,
        preprocess: Preprocess,
        *,
        name: str,
        weights: str,
        version: str,
        width: int,
        precision: str = "fp32",
        batch: int = 32,
        device: str = "cpu",
    ) -> None:
        """`model` in evaluation mode, already on `device` and in `precision`; `weights` their hash;
        `width` of its embeddings; `batch` frames at a time.

        Raises:
            ValueError: the batch is empty.
        """
        if batch < 1:
            raise ValueError(f"batch {batch} is less than 1")
        self.name = name
        self.weights: str | None = weights
        # another precision gives other features
        self.version = version if precision == "fp32" else f"{version}, {precision}"
        self.size = str(preprocess)
        self.width = width
        self.short_side = preprocess.size
        self._model, self._preprocess = model, preprocess
        self._batch, self._device, self._dtype = batch, device, DTYPES[precision]

    def encode(self, frames: Frames, before: Frames | None) -> npt.NDArray[np.float32]:
        """(N, H, W, 3) -> (N, width), rows of length 1; what was shown before does not matter."""
        rows = [
            self._embed(frames[i : i + self._batch]) for i in range(0, len(frames), self._batch)
        ]
        return np.concatenate(rows) if rows else np.zeros((0, self.width), np.float32)

    def _embed(self, frames: Frames) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            x = self._preprocess.crop(frames).to(self._device)
            x = self._model.encode_image(self._preprocess.normalise(x).to(self._dtype))
            rows: npt.NDArray[np.float32] = F.normalize(x.float(), dim=-1).cpu().numpy()
        return rows
