"""What a head shows of how it judges one query: maps over cells and charts over clips.

Heads that have something to show offer `explain`; those that move the centres of a prior while they
train offer `centres`. Neither is needed to train or to answer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from models.records import Batch, Padded

# what a curve or mark stands for: what the model sees, a part of it, or what training wants of the
# query, when it began and now
Role = Literal["seen", "detail", "before", "now"]


class Map(NamedTuple):
    """A value for each candidate cell."""

    title: str
    cells: Tensor  # (P, 2) first and last clip, inclusive
    values: Tensor  # (P,)
    chosen: Tensor  # (P,) True where training takes the cell for a positive
    role: Role


class Curve(NamedTuple):
    """A value for each clip."""

    name: str
    values: Tensor  # (L,)
    role: Role


class Marks(NamedTuple):
    """Clips that stand out, such as the centres of a prior."""

    name: str
    clips: Tensor  # (L,) True where marked
    role: Role


class Chart(NamedTuple):
    """Curves that share their axes."""

    title: str
    curves: tuple[Curve, ...]
    marks: tuple[Marks, ...] = ()
    level: tuple[str, float] | None = None  # a line across, and its name


class Explanation(NamedTuple):
    """All that a head shows of one query."""

    maps: tuple[Map, ...] = ()
    charts: tuple[Chart, ...] = ()


class Asked(NamedTuple):
    """One query, as a head is asked to explain it."""

    clips: Padded  # (1, L, D) encoded
    sentence: Tensor  # (1, D) encoded
    batch: Batch  # the query alone, with what training knows of it
    query: Tensor | None  # (1,) place among the training queries; None = training never met it
    epoch: int  # from 0; what training would want in this epoch


@runtime_checkable
class Explains(Protocol):
    """A head that shows how it judges."""

    def explain(self, asked: Asked) -> Explanation:
        """Maps and charts of one query."""
        ...


@runtime_checkable
class KeepsCentres(Protocol):
    """A head whose training moves the centres of each query's prior."""

    def centres(self) -> Tensor | None:
        """(Q, N), True where a clip is a centre of a training query now; None where nothing
        moves.
        """
        ...
