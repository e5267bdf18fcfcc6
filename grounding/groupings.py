"""How queries fall into groups: by what they are, and by what one run answered.

R runs, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from grounding.errors import BadInput
from grounding.metrics.groups import fifths, occupied, seconds_bins, share_bins, word_bins
from grounding.metrics.retrieval import Floats
from grounding.outcomes import Comparison, known
from grounding.timeline import Ints
from grounding.types import NEEDS

Grouping = tuple[list[str], Ints]  # labels of the bins, and the bin of every query (-1 = in none)


class Group(NamedTuple):
    """One bin: `place` in the grouping called `by`, of the answers of `run` where it is by them."""

    by: str
    place: int
    run: str | None = None


# by what the queries are; where truth is known, of those with something to be found
BREAKDOWNS: dict[str, Callable[[Comparison], Grouping]] = {
    "length": lambda c: seconds_bins(c.length),
    "position": lambda c: fifths(c.position),
    "words": lambda c: word_bins(np.where(c.asked | (not c.has_truth), c.words, np.nan)),
    "needs": lambda c: _needs(c),
    "relative length": lambda c: share_bins(np.minimum(c.length / c.duration, 1)),
}
# by what one run answered
ANSWERS: dict[str, Callable[[Comparison, int], Grouping]] = {
    "answered position": lambda c, run: fifths(_centre(c, run)),
}


def grouping(comparison: Comparison, by: str, run: str | None = None) -> Grouping:
    """Labels of the bins that are not empty, and the bin of every query, -1 = in none.

    Raises:
        BadInput: there is no such grouping, or no such run.
    """
    if by in ANSWERS:
        if run is None:
            raise BadInput(f"{by!r} groups the answers of a run; name one")
        labels, group = ANSWERS[by](comparison, comparison.run(run))
    else:
        known("breakdown", by, BREAKDOWNS)
        labels, group = BREAKDOWNS[by](comparison)
    return occupied(labels, group)


def _needs(c: Comparison) -> Grouping:
    """By what the sample needs; none where no sample says."""
    if all(s.needs is None for s in c.samples):
        return [], np.full(len(c.samples), -1, np.int64)
    kinds = (*NEEDS, None)
    group = np.fromiter((kinds.index(s.needs) for s in c.samples), np.int64, len(c.samples))
    return [*NEEDS, "not said"], np.where(c.asked | (not c.has_truth), group, -1)


def _centre(c: Comparison, run: int) -> Floats:
    """(Q,) centre of the first moment in [0, 1] of the recording; NaN without a moment."""
    return np.asarray(np.clip(c.top[run].mean(-1) / c.duration, 0, 1), np.float64)
