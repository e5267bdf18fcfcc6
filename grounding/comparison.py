"""What is asked of runs side by side: which queries to show, and how groups of queries differ.

R runs, Q queries. `grounding.outcomes` makes the arrays; its names are given here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from grounding.answers import answers_of
from grounding.groupings import BREAKDOWNS, Group, grouping
from grounding.metrics.groups import bootstrap_means
from grounding.metrics.retrieval import Floats
from grounding.outcomes import (
    ABSENT,
    BAD,
    GOOD,
    METRICS,
    Bools,
    Comparison,
    Outcome,
    compare,
    known,
)
from grounding.report import Floors, Report, evaluate
from grounding.timeline import Ints
from grounding.types import Sample

__all__ = [
    "BREAKDOWNS",
    "METRICS",
    "ORDERS",
    "Bin",
    "Breakdown",
    "Comparison",
    "Filter",
    "Group",
    "Outcome",
    "breakdown",
    "compare",
    "difference",
    "differences",
    "select",
    "summary",
]

Outcomes = Literal["any", "right", "wrong", "absent"]
Agreement = Literal[
    "any", "all right", "all wrong", "some right", "same moment", "different moments"
]


@dataclass(frozen=True)
class Filter:
    """Which queries to show; all that is set must hold, and bounds are inclusive.

    Attributes:
        text: all its words occur, in any case, in the sentence, the vid or the qid.
        length: least and most seconds of the longest true moment.
        score: least and most score of the first moment, of `run` or of any run.
        outcome: of `run` or of any run. "right" includes what is absent and was said to be;
            "wrong" is every other answer whose truth is known, and no answer; "absent" is what
            is not there or was said not to be.
        run: whom `outcome` and `score` refer to; None = any.
        agreement: between all runs. "same moment": every two first moments overlap by the
            threshold at least (two runs without any agree); "different moments": all others.
        needs: what the sample needs.
        vid: the recording.
        group: a bin of a breakdown, or of what one run answered.
    """

    text: str = ""
    length: tuple[float, float] | None = None
    score: tuple[float, float] | None = None
    outcome: Outcomes = "any"
    run: str | None = None
    agreement: Agreement = "any"
    needs: str | None = None
    vid: str | None = None
    group: Group | None = None


def select(comparison: Comparison, filter: Filter, *, order: str = "file") -> Ints:
    """The queries that pass, in the order called `order` (see `ORDERS`).

    Raises:
        BadInput: an unknown run, order, outcome, agreement or group.
    """
    known("order", order, ORDERS)
    known("outcome", filter.outcome, get_args(Outcomes))
    known("agreement", filter.agreement, get_args(Agreement))
    c = comparison
    runs = slice(None) if filter.run is None else slice(at := c.run(filter.run), at + 1)
    outcome = c.outcome[runs]
    keep = np.ones(len(c.samples), bool)
    if words := filter.text.casefold().split():
        keep &= np.fromiter((all(w in text for w in words) for text in c.text), bool, len(keep))
    if filter.length is not None:
        keep &= _within(c.length, filter.length)
    if filter.score is not None:
        keep &= _within(c.score[runs], filter.score).any(0)
    if filter.outcome == "right":
        keep &= np.isin(outcome, GOOD).any(0)
    elif filter.outcome == "wrong":
        keep &= np.isin(outcome, BAD).any(0)
    elif filter.outcome == "absent":
        keep &= (c.absent[runs] >= ABSENT).any(0) | (~c.asked & c.has_truth)
    if filter.agreement != "any":
        keep &= _agreement(c, filter.agreement)
    if filter.needs is not None:
        keep &= np.fromiter((s.needs == filter.needs for s in c.samples), bool, len(keep))
    if filter.vid is not None:
        keep &= np.fromiter((s.vid == filter.vid for s in c.samples), bool, len(keep))
    if filter.group is not None:
        by, place, run = filter.group
        keep &= (grouping(c, by, run)[1] == place) & (place >= 0)
    index = np.flatnonzero(keep).astype(np.int64)
    return index[np.lexsort(tuple(key[index] for key in reversed(ORDERS[order](c, runs))))]


def _confidence(c: Comparison, runs: slice) -> Floats:
    """(Q,) how sure the surest mistake is; NaN without one.

    Scores of several runs are not on one scale: there, the share of the run's own scores below.
    """
    mistake = np.isin(c.outcome[runs], (Outcome.WRONG, Outcome.ABSENT_MISSED))
    score = c.score[runs].copy()
    if len(score) > 1:
        for row in score:
            there = np.flatnonzero(~np.isnan(row))
            ordered = np.sort(row[there])
            row[there] = np.searchsorted(ordered, row[there]) / max(len(there), 1)
    return _most(np.where(mistake, score, np.nan))


# name -> keys to sort by, the first decides; equal ones stay in the order of the file, NaN last
ORDERS: dict[str, Callable[[Comparison, slice], tuple[Floats, ...]]] = {
    "file": lambda c, runs: (np.arange(len(c.samples), dtype=np.float64),),
    "worst first": lambda c, runs: (_mean(c.iou[runs]),),
    "best first": lambda c, runs: (-_mean(c.iou[runs]),),
    "most confident mistakes": lambda c, runs: (-_confidence(c, runs),),
    "longest moment": lambda c, runs: (-c.length,),
    "shortest moment": lambda c, runs: (c.length,),
    "most disagreement": lambda c, runs: (_mean(c.overlap),),
    "recording": lambda c, runs: (c.recording.astype(np.float64), c.position),
}


def _agreement(c: Comparison, kind: Agreement) -> Bools:
    good, bad = np.isin(c.outcome, GOOD), np.isin(c.outcome, BAD)
    if kind == "all right":
        keep = good.any(0) & good.all(0)  # of no runs, none is right
    elif kind == "all wrong":
        keep = bad.any(0) & bad.all(0)
    elif kind == "some right":
        keep = good.any(0) & bad.any(0)
    else:
        same = (c.overlap >= c.threshold).all(0)
        keep = same if kind == "same moment" else ~same
    return np.asarray(keep, bool)


@dataclass(frozen=True)
class Bin:
    """One group of queries.

    Attributes:
        label: "5–10 s".
        queries: (n,) which ones.
        recordings: from how many recordings.
        value: one per run, percent; NaN where there is no truth.
        interval95: one per run, low and high; NaN with fewer than two recordings.
    """

    label: str
    queries: Ints
    recordings: int
    value: tuple[float, ...]
    interval95: tuple[tuple[float, float], ...]

    @property
    def n(self) -> int:
        """How many queries."""
        return len(self.queries)


@dataclass(frozen=True)
class Breakdown:
    """A metric of every run (`names`) in bins that are not empty."""

    by: str
    metric: str
    names: tuple[str, ...]
    bins: tuple[Bin, ...]


def breakdown(comparison: Comparison, by: str, metric: str) -> Breakdown:
    """A metric by groups of queries; where truth is known, of those with something to be found.

    Raises:
        BadInput: `by` is not in `BREAKDOWNS` or `metric` not in `METRICS`.
    """
    labels, group = grouping(comparison, by)
    values = comparison.values(metric)  # (R, Q)
    member = group == np.arange(len(labels))[:, None]  # (bins, Q)
    shape = (len(labels), len(comparison.names))
    split = np.where(member[:, None], values, np.nan).reshape(shape[0] * shape[1], len(group))
    mean = _percent(_mean(split.T)).reshape(shape)
    interval = _percent(bootstrap_means(split, comparison.recording)).reshape(*shape, 2)
    found = []
    for place, label in enumerate(labels):
        queries = np.flatnonzero(member[place]).astype(np.int64)
        recordings = len(np.unique(comparison.recording[queries]))
        low_high = interval[place] if recordings > 1 else np.full((shape[1], 2), np.nan)
        pairs = tuple((float(low), float(high)) for low, high in low_high)
        value = tuple(map(float, mean[place]))
        found.append(Bin(label, queries, recordings, value, pairs))
    return Breakdown(by, metric, comparison.names, tuple(found))


def difference(comparison: Comparison, a: str, b: str, metric: str) -> tuple[float, float, float]:
    """How much better run `b` is than run `a`: points, and the ends of the 95 % interval.

    Paired: recordings are drawn with both answers to each query. NaN where nothing can be said.

    Raises:
        BadInput: an unknown run or metric.
    """
    known("metric", metric, METRICS)
    return differences(comparison, a, b)[metric]


def differences(comparison: Comparison, a: str, b: str) -> dict[str, tuple[float, float, float]]:
    """`difference` in every metric: the recordings are drawn once for all, which is what is slow.

    Raises:
        BadInput: an unknown run.
    """
    first, second = comparison.run(a), comparison.run(b)
    values = [comparison.values(metric) for metric in METRICS]
    gaps = np.stack([each[second] - each[first] for each in values])
    ends = _percent(bootstrap_means(gaps, comparison.recording))
    rows = np.column_stack([_percent(_mean(gaps.T)), ends])
    return {
        metric: (float(gap), float(low), float(high))
        for metric, (gap, low, high) in zip(METRICS, rows, strict=True)
    }


def summary(
    comparison: Comparison,
    train: Sequence[Sample] | None,
    unsorted: Mapping[str, int] | None = None,
) -> dict[str, Report]:
    """Every run's report (see `grounding.report`); none where truth is unknown. Slow: keep it.

    `unsorted`: by run, the lists that its reader had to sort.
    """
    if not comparison.has_truth:
        return {}
    runs = zip(comparison.names, comparison.given, strict=True)
    same: dict[str, Floors] = {}
    return {
        name: evaluate(
            answers_of(given, (unsorted or {}).get(name, 0)),
            comparison.samples,
            train=train,
            shared=same,
        )
        for name, given in runs
    }


def _mean(values: Floats) -> Floats:
    """(N, ...) -> (...) mean of what is not NaN; NaN where all is."""
    count = (~np.isnan(values)).sum(0)
    return np.where(count > 0, np.nansum(values, 0) / np.maximum(count, 1), np.nan)


def _most(values: Floats) -> Floats:
    """(R, Q) -> (Q,) largest of what is not NaN; NaN where all is."""
    return np.asarray(np.fmax.reduce(values, axis=0, initial=np.nan), np.float64)


def _percent(values: Floats) -> Floats:
    return np.round(100 * values, 2)


def _within(values: Floats, bounds: tuple[float, float]) -> Bools:
    return (values >= bounds[0]) & (values <= bounds[1])
