"""Where a metric is high and low: by moment length, position, sentence, events, verb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.metrics.groups import bootstrap_means, fifths, occupied, seconds_bins, word_bins
from grounding.metrics.retrieval import Floats
from grounding.metrics.sentences import count_events, main_verb
from grounding.timeline import Ints

Grouping = tuple[list[str], Ints]  # labels, and the label of each query; -1 = none
_MOST = 3  # counts of this many and more are one bin


@dataclass(frozen=True, slots=True)
class Bin:
    """One group of queries.

    Attributes:
        property: what the queries are grouped by.
        label: the group.
        count: queries in it that count.
        percent: mean of the metric over them.
        low, high: its 95 % interval over recordings; NaN where fewer than two count.
    """

    property: str
    label: str
    count: int
    percent: float
    low: float
    high: float


def properties(
    sentences: Sequence[str], truth: Floats, duration: Floats, *, verbs: int = 12
) -> dict[str, Grouping]:
    """What queries are grouped by: `moment length`, `position`, `query length`, `true windows`,
    `events` (told by the sentence) and `verb` (the most frequent ones, and the rest together).

    Length and position are those of the longest true window, as on the Compare page.

    Args:
        truth: (Q, M, 2) seconds, NaN = no window; `duration`: (Q,) seconds.
        verbs: how many verbs have a bin of their own.
    """
    length = truth[..., 1] - truth[..., 0]
    longest = np.where(np.isnan(length), -1.0, length).argmax(1)
    chosen = truth[np.arange(len(truth)), longest]  # (Q, 2)
    position = np.clip(chosen.mean(1) / np.asarray(duration, np.float64), 0, 1)
    count = np.array([len(sentence.split()) for sentence in sentences], np.float64)
    events = np.array([count_events(sentence) for sentence in sentences], np.int64)
    windows = (~np.isnan(truth[..., 0])).sum(1)
    found = {
        "moment length": seconds_bins(chosen[:, 1] - chosen[:, 0]),
        "position": fifths(position),
        "query length": word_bins(count),
        "true windows": _counts(windows, "window"),
        "events": _counts(events, "event"),
        "verb": _frequent([main_verb(sentence) for sentence in sentences], verbs),
    }
    return {name: occupied(*grouping) for name, grouping in found.items()}


def sensitivity(
    values: Floats, groupings: Mapping[str, Grouping], vids: npt.ArrayLike
) -> list[Bin]:
    """The mean of a metric in every group, with its count and interval.

    For how often a kind of mistake happens, pass `(diagnosis.queries == kind)` as values.

    Args:
        values: (Q,) in [0, 1], NaN where a query does not count.
        groupings: as `properties` gives them.
        vids: (Q,) names of the recordings.
    """
    found = []
    for name, (labels, group) in groupings.items():
        rows = np.full((len(labels), len(values)), np.nan)
        for place in range(len(labels)):
            rows[place, group == place] = values[group == place]
        counted = (~np.isnan(rows)).sum(1)
        means = np.where(counted > 0, np.nansum(rows, 1) / np.maximum(counted, 1), np.nan)
        for label, count, mean, (low, high) in zip(
            labels, counted, 100 * means, 100 * bootstrap_means(rows, vids), strict=True
        ):
            found.append(Bin(name, label, int(count), float(mean), float(low), float(high)))
    return found


def _counts(count: Ints, what: str) -> Grouping:
    """1, 2, 3 and more; 0 has no bin."""
    labels = [f"1 {what}", *(f"{n} {what}s" for n in range(2, _MOST))]
    labels.append(f"{_MOST} {what}s and more")
    return labels, np.minimum(count, _MOST).astype(np.int64) - 1


def _frequent(names: Sequence[str], most: int) -> Grouping:
    counts = Counter(name for name in names if name)
    kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    place = {name: i for i, name in enumerate(kept)}
    group = [place.get(name, most if name else -1) for name in names]
    labels = kept + [""] * (most - len(kept)) + ["other verbs"]
    return labels, np.array(group, np.int64)
