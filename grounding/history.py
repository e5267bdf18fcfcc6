"""Where the centres of every training query's prior stood after each epoch, one bit a clip.

Queries x clips / 8 bytes an epoch: 25 kB on Charades, 0.3 MB on ActivityNet at published sizes, so
a checkpoint can keep them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

KEY = "CentreHistory"  # in a checkpoint's `callbacks`


def packed(centres: Tensor) -> Tensor:
    """(Q, N) True at centres -> (Q, ceil(N / 8)) bytes."""
    return torch.from_numpy(np.packbits(centres.cpu().numpy(), axis=1))


def unpacked(epochs: Sequence[Tensor], query: int, clips: int) -> npt.NDArray[np.bool_]:
    """E epochs as `packed` gives them -> (E, N), True where a clip was a centre of the query."""
    rows = np.stack([epoch[query].numpy() for epoch in epochs])
    return np.unpackbits(rows, axis=1, count=clips).astype(bool)


def history_of(checkpoint: dict[str, Any], query: int) -> npt.NDArray[np.bool_] | None:
    """(E, N) of one training query; None where the checkpoint has no history."""
    state = checkpoint.get("callbacks", {}).get(KEY)
    return unpacked(state["epochs"], query, state["clips"]) if state else None
