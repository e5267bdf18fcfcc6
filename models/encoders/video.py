"""Trainable temporal encoders over clip features of any kind: video, sound or motion."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.records import Padded

Kind = Literal["linear", "convolution", "transformer"]

_AT_ONCE = 64  # features whose spread is measured together


def centre(clips: Padded) -> Padded:
    """Subtract each video's own mean over its real clips: a constant background says nothing about
    WHEN.
    """
    x, mask = clips
    weight = mask.to(x.dtype).unsqueeze(-1)  # (B, L, 1)
    mean = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
    return Padded((x - mean) * weight, mask)


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """(length, width) sines and cosines of the clip index."""
    index = torch.arange(length, device=device, dtype=torch.float32).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    table = torch.zeros(length, width, device=device)
    table[:, 0::2] = torch.sin(index * rate)
    table[:, 1::2] = torch.cos(index * rate)[:, : width // 2]
    return table


class _Block(nn.Module):
    """Residual temporal convolution that never reads padding."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolve = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        y = F.gelu(self.norm(x)) * weight
        y = self.convolve(y.transpose(1, 2)).transpose(1, 2)
        out: Tensor = (x + self.dropout(y)) * weight
        return out


class Places(nn.Module):
    """Looks at every place of a layout with the same weights, so that WHAT need not be learned
    anew for each WHERE.

    Features are a `grid` x `grid` layout with the channels innermost; the answer is the strongest
    response and the mean response over all places.
    """

    def __init__(self, inputs: int, grid: int, width: int) -> None:
        """`inputs` numbers are grid * grid * channels.

        Raises:
            ValueError: they are not.
        """
        super().__init__()
        if inputs % grid**2:
            raise ValueError(f"{inputs} features are no layout of {grid} x {grid} places")
        self.grid, self.channels = grid, inputs // grid**2
        self.near = nn.Conv2d(self.channels, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, inputs) -> (B, L, 2 * width)."""
        layout = x.reshape(-1, self.grid, self.grid, self.channels).permute(0, 3, 1, 2)
        seen = F.gelu(self.mix(F.gelu(self.near(layout)))).flatten(2)  # (B * L, width, places)
        both = torch.cat([seen.amax(2), seen.mean(2)], 1)
        return both.view(*x.shape[:2], -1)


class ClipEncoder(nn.Module):
    """Clip features (B, L, inputs) -> (B, L, width), each clip aware of its neighbours.

    `linear` looks at each clip alone, `convolution` at `kernel` clips a layer, `transformer` at
    all clips with
    their positions. Features are centred per video and disturbed by noise of relative size `noise`
    in training.

    Raises:
        ValueError: the kernel is even (clips would move by half a clip) or the width is no
            multiple of the heads.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kind: Kind = "convolution",
        layers: int = 2,
        kernel: int = 3,
        heads: int = 4,
        dropout: float = 0.1,
        noise: float = 0.0,
        grid: int = 0,
        places: int = 32,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} is even; take {kernel + 1}")
        self.kind, self.noise = kind, noise
        self.inputs, self.width = inputs, width
        # the features' own scale, set from the training clips before the first step
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(inputs))
        self.project = nn.Linear(inputs, width)
        self.places = Places(inputs, grid, places) if grid else None
        self.place = nn.Linear(2 * places, width) if grid else None
        self.blocks = nn.ModuleList()
        self.attention: nn.TransformerEncoder | None = None
        if kind == "convolution":
            self.blocks.extend(_Block(width, kernel, dropout) for _ in range(layers))
        elif kind == "transformer":
            if width % heads:
                raise ValueError(f"width {width} is no multiple of {heads} heads")
            layer = nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, F.gelu, batch_first=True, norm_first=True
            )
            self.attention = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    @torch.no_grad()
    def fit_scale(self, x: Tensor, videos: Tensor) -> None:
        """Set each feature's scale to its spread within some videos.

        Args:
            x: (V, L, inputs) clips of all videos, none padded.
            videos: (W,) which of them; they are never copied as a whole.
        """
        parts = (part[videos].float() for part in torch.split(x, _AT_ONCE, dim=2))
        spread = torch.cat(
            [(part - part.mean(1, keepdim=True)).flatten(0, 1).std(0) for part in parts]
        )
        # a feature that hardly moves would be blown up into noise: bound it by the typical spread
        self.scale.copy_(spread.clamp(min=float(spread.mean()) * 0.1 + 1e-6))

    def forward(self, clips: Padded) -> Padded:
        """(B, L, inputs) -> (B, L, width); padded clips stay zero."""
        x, mask = centre(clips)
        weight = mask.to(x.dtype).unsqueeze(-1)
        x = x / self.scale
        if self.training and self.noise > 0:
            x = x + self.noise * torch.randn_like(x)
        seen = self.project(x)
        if self.places is not None and self.place is not None:
            seen = seen + self.place(self.places(x))
        x = seen * weight
        for block in self.blocks:
            x = block(x, weight)
        if self.attention is not None:
            x = x + positions(x.shape[1], self.width, x.device) * self.width**-0.5
            x = self.attention(x, src_key_padding_mask=~mask) * weight
        return Padded(x, mask)
