"""Heads by name: a new method is one file here that registers itself, and one YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor

from models.records import Batch, GroundingOutput, Padded


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


HEADS: dict[str, Entry] = {}
T = TypeVar("T", bound=type[Any])


def register(name: str, settings: type[Any]) -> Callable[[T], T]:
    """Make a head available as `name`, configured by the dataclass `settings`."""

    def add(head: T) -> T:
        HEADS[name] = Entry(head, settings)
        return head

    return add
