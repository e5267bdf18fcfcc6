"""What training remembers of one of its queries, from the run's last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grounding.dataset import digest
from grounding.errors import BadInput
from grounding.history import history_of
from grounding.settings import Supervision
from grounding.types import Sample


class Memory(NamedTuple):
    """Of the whole training (`state`) and of one query (`history`)."""

    state: dict[str, Tensor]
    epochs: int  # how many were finished
    history: npt.NDArray[np.bool_] | None  # (E, N) centres after each epoch


def recall(
    run: Path, training: Sequence[Sample], place: int, supervision: Supervision
) -> Memory | str:
    """The memory of the training query at `place`, or why there is none.

    Raises:
        BadInput: the checkpoint is damaged.
    """
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        return "How the prior moved is not shown: the run has no checkpoints/last.ckpt."
    try:
        # only what is asked for is read: the optimizer's part can be large
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state, data = checkpoint["head"], checkpoint["data"]
        epochs = int(checkpoint["epoch"]) + 1
        same = data == digest(training, supervision)
        history = history_of(checkpoint, place) if same else None
    except Exception as error:  # zip, pickle and key errors alike: it is not what we wrote
        raise BadInput(
            f"{path}: damaged ({type(error).__name__}); delete it to draw without it"
        ) from None
    if not same:
        return "How the prior moved is not shown: the training queries have changed since the run."
    return Memory(state, epochs, history)
