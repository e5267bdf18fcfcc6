"""Where the centres of every training query's prior stood after each epoch, one bit a clip."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.explanation import KeepsCentres

KEY = "CentreHistory"  # in a checkpoint's `callbacks`


class CentreHistory(lightning.Callback):
    """Stands before what saves the checkpoint, so that each has the epochs up to its own.

    Queries x clips / 8 bytes an epoch: 25 kB on Charades, 0.3 MB on ActivityNet at published sizes.
    """

    state_key = KEY

    def __init__(self) -> None:
        self.epochs: list[Tensor] = []  # (Q, ceil(N / 8)) each
        self.clips = 0

    def state_dict(self) -> dict[str, Any]:
        """All epochs so far; nothing of a head that moves no centres."""
        return {"clips": self.clips, "epochs": self.epochs} if self.epochs else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        self.clips, self.epochs = state_dict["clips"], list(state_dict["epochs"])

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Look at the centres once more."""
        head = module.model.head
        centres = head.centres() if isinstance(head, KeepsCentres) else None
        if centres is not None:
            self.clips = centres.shape[1]
            self.epochs.append(torch.from_numpy(np.packbits(centres.cpu().numpy(), axis=1)))


def history_of(checkpoint: dict[str, Any], query: int) -> npt.NDArray[np.bool_] | None:
    """(E, N), True where a clip was a centre of this training query after each epoch; None where
    the checkpoint has no history.
    """
    state = checkpoint.get("callbacks", {}).get(KEY)
    if not state:
        return None
    rows = np.stack([epoch[query].numpy() for epoch in state["epochs"]])
    return np.unpackbits(rows, axis=1, count=state["clips"]).astype(bool)
