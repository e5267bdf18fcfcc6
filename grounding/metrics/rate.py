"""A percentage with what it takes to read it: interval, chance, count, ties, definition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.groups import bootstrap_means
from grounding.metrics.retrieval import Floats

_Z = 1.959963984540054  # 97.5 % of a standard normal lie below


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something was right.

    Attributes:
        percent: the mean over the items; NaN without items.
        low, high: its 95 % interval, percent; NaN where it cannot be told.
        chance: what a scorer that draws random numbers gets, percent.
        count: items.
        ties: items with equal scores where the definition compares two.
        definition: one line to print beside the number.
    """

    percent: float
    low: float
    high: float
    chance: float
    count: int
    ties: int
    definition: str


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % Wilson interval of a share of `count` independent items, in [0, 1]; NaN without items.

    For shares made of halves it is wider than need be, never narrower.

    >>> [round(x, 3) for x in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    if count == 0:
        return math.nan, math.nan
    shrink = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / shrink
    half = _Z / shrink * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rate(
    values: Floats,
    tied: npt.ArrayLike,
    chance: float,
    definition: str,
    groups: npt.ArrayLike | None = None,
) -> Rate:
    """(N,) values in [0, 1] -> a rate.

    Args:
        tied: (N,) booleans.
        chance: in [0, 1].
        groups: (N,) what each item was made from (recording, pair of classes), where items are not
            independent: the interval is then a bootstrap over groups instead of Wilson's.

    Raises:
        BadInput: another number of groups than of items.
    """
    if groups is not None and np.shape(groups) != (len(values),):
        raise BadInput(f"groups has shape {np.shape(groups)} for {len(values)} items; one each")
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    if groups is None:
        low, high = wilson(mean, count)
    else:
        low, high = map(float, bootstrap_means(values[None], groups)[0])
    return Rate(
        100 * mean,
        100 * low,
        100 * high,
        100 * chance,
        count,
        int(np.count_nonzero(np.asarray(tied, bool))),
        definition,
    )


def scores(name: str, values: npt.ArrayLike, *shape: int | None) -> Floats:
    """Check that an array of scores is finite and of a shape (None = any size); float64.

    Raises:
        BadInput: naming the array, the shape or the first item that is no number.
    """
    array = np.asarray(values, np.float64)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise BadInput(f"{name} has shape {array.shape}, not ({wanted}); pass one row per item")
    if not np.isfinite(array).all():
        item = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise BadInput(f"{name}: item {item} has a score that is no finite number; leave it out")
    return array


def places(name: str, values: npt.ArrayLike, below: int, *shape: int) -> npt.NDArray[np.int64]:
    """Check that (...) whole numbers lie in [0, below).

    Raises:
        BadInput: naming the array and the first wrong value.
    """
    array = np.asarray(values)
    if array.shape != shape or (array.size and array.dtype.kind not in "iu"):
        raise BadInput(f"{name} has shape {array.shape} of {array.dtype}, not {shape} of integers")
    wrong = array[(array < 0) | (array >= below)]
    if wrong.size:
        raise BadInput(f"{name} holds {wrong.flat[0]}; it must lie between 0 and {below - 1}")
    return array.astype(np.int64)
