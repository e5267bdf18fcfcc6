"""`--device auto|cpu|cuda` -> a device that is there."""

from __future__ import annotations

from grounding.errors import BadInput


def resolve(name: str) -> str:
    """`auto` takes a GPU where there is one.

    Raises:
        BadInput: cuda is asked for and not there.
    """
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise BadInput("--device cuda: no CUDA device is available; take --device cpu")
    return "cpu"
