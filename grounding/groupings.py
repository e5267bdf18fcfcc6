"""How queries fall into groups: by what they are, and by what one run answered.

R runs, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from grounding.errors import BadInput
from grounding.metrics.calibration import BINS, bin_of, is_probability
from grounding.metrics.diagnosis import Kind
from grounding.metrics.groups import bins, fifths, occupied, seconds_bins, share_bins, word_bins
from grounding.metrics.retrieval import Floats
from grounding.metrics.sensitivity import event_bins, verb_bins
from grounding.outcomes import Comparison, Outcome, known
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
    "events": lambda c: _told(c, event_bins),
    "verb": lambda c: _told(c, verb_bins),
    "people agree": lambda c: _people(c),
}
# by what one run answered
ANSWERS: dict[str, Callable[[Comparison, int], Grouping]] = {
    "mistake": lambda c, run: _mistakes(c, run),
    "score": lambda c, run: _scores(c, run),
    "answered position": lambda c, run: fifths(centre(c, run)),
}
MISTAKES = {
    Kind.WRONG_PLACE: "wrong place",
    Kind.TOO_SHORT: "too short",
    Kind.TOO_LONG: "too long",
    Kind.MERGED: "merged",
    Kind.SPLIT: "split",
    Kind.DUPLICATE: "duplicate",
    Kind.MISSED: "missed",
    Kind.FALSE_ALARM: "false alarm",
}
_AGREEMENT = (0.0, 0.25, 0.5, 0.75, 1.0)


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


def _told(c: Comparison, bins: Callable[[Sequence[str]], Grouping]) -> Grouping:
    """By what the sentence tells, of queries that count."""
    labels, group = bins([s.query.text for s in c.samples])
    return labels, np.where(c.asked | (not c.has_truth), group, -1)


def _people(c: Comparison) -> Grouping:
    """By how far people who timed the same query agree."""
    if c.agreement is None:
        return [], np.full(len(c.samples), -1, np.int64)
    labels = [f"IoU {low:g}–{high:g}" for low, high in pairwise(_AGREEMENT)]
    return labels, np.where(c.asked, bins(c.agreement, _AGREEMENT), -1)


def _mistakes(c: Comparison, run: int) -> Grouping:
    """By the kind of mistake; -1 = right, or truth is unknown."""
    if not c.has_truth:
        return list(MISTAKES.values()), np.full(len(c.samples), -1, np.int64)
    kind = np.where(c.outcome[run] == Outcome.UNANSWERED, Kind.MISSED, c.diagnosed[run].queries)
    place = np.full(max(MISTAKES) + 2, -1, np.int64)  # the last one is for no kind
    place[list(MISTAKES)] = np.arange(len(MISTAKES))
    return list(MISTAKES.values()), place[kind]


def confidence(c: Comparison, run: int) -> Floats:
    """(Q,) score of the first moment where a report judges it: something is to be found, and the
    run's scores are probabilities; NaN elsewhere.
    """
    scores = np.where(c.asked, c.score[run], np.nan)
    if not is_probability(scores[~np.isnan(scores)]):
        return np.full(len(scores), np.nan)
    return scores


def _scores(c: Comparison, run: int) -> Grouping:
    """By score, in tenths."""
    edges = np.linspace(0, 1, BINS + 1)
    labels = [f"{low:.1f}–{high:.1f}" for low, high in pairwise(edges)]
    return labels, bin_of(confidence(c, run))


def centre(c: Comparison, run: int) -> Floats:
    """(Q,) centre of the first moment in [0, 1] of the recording; NaN without a moment, and where
    nothing is to be found.
    """
    counts = c.asked | (not c.has_truth)
    return np.where(counts, np.clip(c.top[run].mean(-1) / c.duration, 0, 1), np.nan)
