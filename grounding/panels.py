"""What the Compare page draws beside breakdowns: plain rows, every one with the group behind it.

R runs, Q queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.groupings import MISTAKES, Group, centre, confidence, grouping
from grounding.metrics.calibration import reliability
from grounding.metrics.groups import FIFTHS, fifths
from grounding.metrics.repair import gains
from grounding.metrics.retrieval import Floats
from grounding.outcomes import Comparison
from grounding.timeline import Ints
from grounding.types import Sample


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar or point.

    Attributes:
        label: the group; series: the run, or "truth".
        value: percent.
        n: queries behind it.
        note: what a pointer on it says besides.
        group: what leads to its queries; None where nothing does.
        x: percent on the other axis, for points.
    """

    label: str
    series: str
    value: float
    n: int
    note: str = ""
    group: Group | None = None
    x: float = float("nan")


def mistakes(c: Comparison) -> list[Bar]:
    """Share of queries with each kind of mistake, by run, and what mending it would gain."""
    bars = []
    for run, name in enumerate(c.names):
        gained = gains(c.diagnosed[run])
        labels, group = grouping(c, "mistake", name)
        for place, label in enumerate(labels):
            count = int((group == place).sum())
            points = gained[label]["R1@0.5"]
            note = f"mending it would gain {points:.1f} points of R1@0.5"
            share = 100 * count / max(len(c.samples), 1)
            bars.append(Bar(label, name, share, count, note, Group("mistake", place, name)))
    order = list(MISTAKES.values())
    return sorted(bars, key=lambda bar: order.index(bar.label))


def calibration(c: Comparison) -> tuple[list[Bar], dict[str, float]]:
    """Confidence against accuracy in tenths, by run whose scores are probabilities; ECE by run."""
    points, errors = [], {}
    for run, name in enumerate(c.names):
        sure = confidence(c, run)
        if np.isnan(sure).all():
            continue
        right = np.nan_to_num(c.iou[run]) >= c.threshold
        found = reliability(sure, right)
        errors[name] = 100 * found.error
        labels, _ = grouping(c, "score", name)
        for place, at in enumerate(np.flatnonzero(found.count).tolist()):
            points.append(
                Bar(
                    labels[place],
                    name,
                    100 * float(found.accuracy[at]),
                    int(found.count[at]),
                    "",
                    Group("score", place, name),
                    100 * float(found.confidence[at]),
                )
            )
    return points, errors


def positions(c: Comparison, train: Sequence[Sample] | None) -> list[Bar]:
    """Where in the recording moments lie, in fifths: the truth, that of training, and answers.

    A run that answers one place more often than the truth is there has learned a prior.
    """
    bars: list[Bar] = []
    labels, group = grouping(c, "position")
    bars += _shares("truth", c.position, labels, group, "position", None)
    if train:
        spans = [(s.windows[0], s.duration) for s in train if s.windows]
        middle = np.array([(w.start + w.end) / 2 / d for w, d in spans])
        names, place = fifths(np.clip(middle, 0, 1))
        bars += _shares("truth in training", middle, names, place, None, None)
    for run, name in enumerate(c.names):
        middle = centre(c, run)
        labels, group = grouping(c, "answered position", name)
        bars += _shares(name, middle, labels, group, "answered position", name)
    return sorted(bars, key=lambda bar: FIFTHS.index(bar.label))


def _shares(
    series: str,
    values: Floats,
    labels: Sequence[str],
    group: Ints,
    by: str | None,
    run: str | None,
) -> list[Bar]:
    total = int((~np.isnan(values)).sum())
    bars = []
    for place, label in enumerate(labels):
        count = int((group == place).sum())
        link = None if by is None else Group(by, place, run)
        bars.append(Bar(label, series, 100 * count / max(total, 1), count, "", link))
    return [bar for bar in bars if bar.n]
