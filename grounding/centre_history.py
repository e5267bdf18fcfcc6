"""The part of the training loop that keeps `grounding.history`."""

from __future__ import annotations

from typing import Any

import lightning
from torch import Tensor

from grounding.history import KEY, packed
from models.explanation import KeepsCentres


class CentreHistory(lightning.Callback):
    """Stands before what saves the checkpoint, so that each has the epochs up to its own."""

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
            self.epochs.append(packed(centres))
