"""Heads by name: a new method is one file here that registers itself, and one YAML."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor

from models.records import Batch, GroundingOutput, Padded

# these may be 0: no convolution, no evidence, no wait, no window, no such option
_MAY_BE_ZERO = {"layers", "evidence", "map", "sharpen", "low", "apart", "window", "absence"}
_MAY_BE_ZERO |= {"focus", "outside", "hardness", "reverse", "queue", "doubt"}


@dataclass(frozen=True)
class Settings:
    """Base of every head's settings: numbers are checked when a config is read."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
                least = "at least 0" if name in _MAY_BE_ZERO else "greater than 0"
                raise ValueError(f"{name} is {value}; it must be {least}")


class Head(Protocol):
    """What a head does with encoded clips (V, L, D) and encoded sentences (Q, D)."""

    def __call__(self, clips: Padded, sentence: Tensor, video: Tensor) -> GroundingOutput:
        """Answer Q sentences, each asked of the video it points at."""
        ...

    def prepare(self, queries: int) -> None:
        """Training begins, on so many queries."""
        ...

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed training needs beside the weights."""
        ...

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Take up a saved `training_state`."""
        ...

    def candidates(self) -> Tensor | None:
        """(P, 2) in [0, 1]: all moments it can answer, where that is a fixed set."""
        ...

    def loss(self, clips: Padded, sentence: Tensor, batch: Batch, epoch: int) -> Tensor:
        """One scalar to minimise; `epoch` counts from 0."""
        ...


class Entry(NamedTuple):
    """A registered head: the class and its settings."""

    head: type[Any]
    settings: type[Any]


class Stateless:
    """For heads that remember nothing about single training queries."""

    def prepare(self, queries: int) -> None:
        """Nothing to allocate."""

    def training_state(self) -> dict[str, Tensor]:
        """Nothing to save."""
        return {}

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Nothing to take up."""

    def candidates(self) -> Tensor | None:
        """Any run of clips can be answered."""
        return None


HEADS: dict[str, Entry] = {}
T = TypeVar("T", bound=type[Any])


def register(name: str, settings: type[Any]) -> Callable[[T], T]:
    """Make a head available as `name`, configured by the dataclass `settings`."""

    def add(head: T) -> T:
        HEADS[name] = Entry(head, settings)
        return head

    return add
