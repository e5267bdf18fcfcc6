"""What kind of mistake every answer is.

The first answers of each query are walked in the order of their rank, as R@k and mAP do: an answer
is right when its IoU with a true window that no better answer has taken reaches the threshold; of
several such windows it takes the one with the largest IoU. Every other answer is the first of these
that fits (theta = threshold; share = 2 theta / (1 + theta), what two windows of one length have in
common at IoU theta, 2/3 at 0.5):

1. FALSE_ALARM: nothing is to be found, and that was not said.
2. MISSED: something is to be found, but the model said it is not there and its first answer is
   wrong: its wrong answers were not stood by. Also a query without any answer.
3. DUPLICATE: IoU >= theta with a true window that a better answer has taken.
4. MERGED: covers at least the share of two true windows or more.
5. SPLIT: at least the share of it lies in a true window that nobody found and that is no shorter,
   and so does another such answer; the two have at most a tenth of the shorter in common.
6. TOO_SHORT: at least the share of it lies in a true window that is no shorter.
7. TOO_LONG: covers at least the share of a true window that is shorter.
8. WRONG_PLACE: all the rest.

A true window without length has IoU 0 with everything: it says that something is to be found, and
nothing more. By the share, an answer of the right length is never too short or too long: it is in a
wrong place. After DETAD (ECCV 2018), whose kinds know neither merged nor split, nor too short from
too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.retrieval import Floats, iou
from grounding.timeline import Ints

Bools = npt.NDArray[np.bool_]

ABSENT = 0.5  # said to be absent at this probability and above, as in the report
APART = 0.1  # share of the shorter piece that two pieces of one moment may have in common
_CHUNK = 2_000_000  # pairs of an answer with a window or an answer at a time
_SLACK = 1e-9  # times are sums of floats: two thirds is two thirds


class Kind(IntEnum):
    """What an answer, or a query by its first answer, is."""

    NONE = -1  # no answer here, or one that was rightly taken back
    RIGHT = 0
    WRONG_PLACE = 1
    TOO_SHORT = 2
    TOO_LONG = 3
    MERGED = 4
    SPLIT = 5
    DUPLICATE = 6
    MISSED = 7
    FALSE_ALARM = 8


WRONG = tuple(kind for kind in Kind if kind > Kind.RIGHT)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Q queries, P answers each, M true windows each.

    Attributes:
        predicted: (Q, P, 2) seconds, best first, NaN = no answer.
        truth: (Q, M, 2) seconds, NaN = no window.
        absent: (Q,) probability that there is no such moment; NaN where nothing was said.
        threshold: least IoU that counts as right.
        answers: (Q, P) `Kind` of every answer.
        queries: (Q,) `Kind` of every query: of its first answer; MISSED where there is none though
            something is to be found, RIGHT where nothing is to be found and nothing was claimed.
        window: (Q, P) the true window an answer found, repeats, or should have been; -1 = none.
        covers: (Q, P, M) which true windows an answer covers by the share.
    """

    predicted: Floats
    truth: Floats
    absent: Floats
    threshold: float
    answers: npt.NDArray[np.int8]
    queries: npt.NDArray[np.int8]
    window: Ints
    covers: Bools

    def distribution(self, first: int | None = None) -> dict[str, int]:
        """How many answers are of each kind: of the `first` of each query, or of all."""
        kinds = self.answers if first is None else self.answers[:, :first]
        return _count(kinds)

    def query_distribution(self) -> dict[str, int]:
        """How many queries are of each kind."""
        return _count(self.queries)


def diagnose(
    predicted: Floats,
    truth: Floats,
    absent: Floats | None = None,
    *,
    threshold: float = 0.5,
    keep: int = 10,
) -> Diagnosis:
    """The kind of every answer and of every query.

    Args:
        predicted: (Q, P, 2 or more) seconds, best first, NaN = no answer.
        truth: (Q, M, 2) seconds, NaN = no window.
        absent: (Q,) probabilities, NaN where nothing was said; nothing was said without it.
        keep: answers of a query that are looked at, as mAP keeps 10.

    Raises:
        BadInput: unequal numbers of queries, a threshold outside (0, 1], or a window whose end is
            before its start.
    """
    if len(predicted) != len(truth) or (absent is not None and len(absent) != len(truth)):
        raise BadInput(
            f"{len(predicted)} queries answered, {len(truth)} with truth; pass one row per query"
        )
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold {threshold} is no IoU above 0 and at most 1")
    spans = _one_or_more(np.asarray(predicted, np.float64)[:, :keep, :2])
    windows = _one_or_more(np.asarray(truth, np.float64))
    for name, given in (("predicted", spans), ("true", windows)):
        turned = (given[..., 1] < given[..., 0]).any(-1)
        if turned.any():
            raise BadInput(
                f"query {int(turned.argmax())}: a {name} window ends before its start; turn it"
            )
    said = np.full(len(spans), np.nan) if absent is None else np.asarray(absent, np.float64)
    queries, places, moments = len(spans), spans.shape[1], windows.shape[1]
    answers = np.full((queries, places), Kind.NONE, np.int8)
    window = np.full((queries, places), -1, np.int64)
    covers = np.zeros((queries, places, moments), bool)
    step = max(_CHUNK // max(places * max(moments, places), 1), 1)
    for start in range(0, queries, step):
        part = slice(start, start + step)
        answers[part], window[part], covers[part] = _kinds(
            spans[part], windows[part], said[part] >= ABSENT, threshold
        )
    asked = ~np.isnan(windows[..., 0]).all(-1)
    first = answers[:, 0]
    kinds = np.where(first != Kind.NONE, first, np.where(asked, Kind.MISSED, Kind.RIGHT))
    return Diagnosis(
        spans, windows, said, threshold, answers, kinds.astype(np.int8), window, covers
    )


def _kinds(
    spans: Floats, truth: Floats, said: Bools, threshold: float
) -> tuple[npt.NDArray[np.int8], Ints, Bools]:
    given, there = ~np.isnan(spans[..., 0]), ~np.isnan(truth[..., 0])
    asked = np.asarray(there.any(-1))
    overlap = iou(spans, truth)  # (Q, P, M)
    found = _matched(overlap, threshold)
    right = np.asarray(found >= 0)
    taken = np.asarray(_one_hot(found, truth.shape[1]).any(1))  # (Q, M)

    share = 2 * threshold / (1 + threshold) - _SLACK
    inside, cover = _shares(spans, truth)
    length = (spans[..., 1] - spans[..., 0])[..., None]  # (Q, P, 1)
    extent = truth[..., 1] - truth[..., 0]
    longer = length > extent[:, None]
    pair = given[..., None] & (extent > 0)[:, None]  # no answer can be a window without length
    covers = pair & (cover >= share)
    short = np.asarray(pair & (inside >= share) & ~longer)
    long = np.asarray(covers & longer)

    repeats = np.asarray(overlap.max(-1, initial=0.0) >= threshold)
    merged = np.asarray(covers.sum(-1) >= 2)
    free = np.asarray(~right & ~repeats & ~merged)
    pieces = np.asarray(short & ~taken[:, None] & free[..., None])
    home = np.where(pieces.any(-1), np.where(pieces, overlap, -1.0).argmax(-1), -1)
    split = _split(spans, home)

    withheld = np.asarray(said & asked & ~right[:, :1].any(-1))
    order: list[tuple[Bools, Kind]] = [  # the first that fits
        (~given | (~asked & said)[:, None], Kind.NONE),
        (np.broadcast_to(~asked[:, None], given.shape), Kind.FALSE_ALARM),
        (right, Kind.RIGHT),
        (np.broadcast_to(withheld[:, None], given.shape), Kind.MISSED),
        (repeats, Kind.DUPLICATE),
        (merged, Kind.MERGED),
        (split, Kind.SPLIT),
        (np.asarray(short.any(-1)), Kind.TOO_SHORT),
        (np.asarray(long.any(-1)), Kind.TOO_LONG),
    ]
    fits, kinds = zip(*order, strict=True)
    kind = np.select(fits, [np.int8(k) for k in kinds], np.int8(Kind.WRONG_PLACE))
    return kind, _meant(spans, truth, overlap, kind, found, home, short, long), covers


def _matched(overlap: Floats, threshold: float) -> Ints:
    """(Q, P, M) -> (Q, P) the true window each answer takes, in rank order; -1 = none."""
    queries, places, moments = overlap.shape
    found = np.full((queries, places), -1, np.int64)
    rows = np.arange(queries)
    free = np.ones((queries, moments), bool)
    for place in range(places):
        left = np.where(free, overlap[:, place], -1.0)
        best = left.argmax(-1)
        hit = left[rows, best] >= threshold
        found[hit, place] = best[hit]
        free[rows[hit], best[hit]] = False
    return found


def _shares(spans: Floats, truth: Floats) -> tuple[Floats, Floats]:
    """(Q, P, M) share of an answer that lies in a window, and of a window that it covers.

    An instant (start = end) lies in what holds it.
    """
    a, w = spans[:, :, None], truth[:, None]
    common = np.minimum(a[..., 1], w[..., 1]) - np.maximum(a[..., 0], w[..., 0])
    touches = (common >= 0).astype(np.float64)
    common = np.maximum(common, 0.0)
    shares = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for side in (a, w):
            length = side[..., 1] - side[..., 0]
            shares.append(np.where(length > 0, common / length, touches))
    return shares[0], shares[1]


def _split(spans: Floats, home: Ints) -> Bools:
    """(Q, P) whether an answer has a sister: another piece of the same window, apart from it."""
    sister = np.zeros(home.shape, bool)
    rows = np.flatnonzero((home >= 0).sum(-1) >= 2)
    if not len(rows):
        return sister
    piece, where = spans[rows], home[rows]
    start, end = piece[..., 0], piece[..., 1]
    common = np.minimum(end[:, :, None], end[:, None]) - np.maximum(
        start[:, :, None], start[:, None]
    )
    length = end - start
    shorter = np.minimum(length[:, :, None], length[:, None])
    same = (where[:, :, None] == where[:, None]) & (where >= 0)[:, :, None]
    apart = np.maximum(common, 0.0) <= APART * shorter + _SLACK
    # two equal instants are one piece, not two
    apart &= ~((start[:, :, None] == start[:, None]) & (end[:, :, None] == end[:, None]))
    sister[rows] = (same & apart & ~np.eye(home.shape[1], dtype=bool)).any(-1)
    return sister


def _meant(
    spans: Floats,
    truth: Floats,
    overlap: Floats,
    kind: npt.NDArray[np.int8],
    found: Ints,
    home: Ints,
    short: Bools,
    long: Bools,
) -> Ints:
    """(Q, P) the true window that an answer is about; -1 without one."""
    a, w = spans[:, :, None], truth[:, None]
    gap = np.maximum(a[..., 0] - w[..., 1], w[..., 0] - a[..., 1])  # (Q, P, M) seconds between
    with np.errstate(invalid="ignore"):
        near = np.where(overlap > 0, overlap, -np.maximum(gap, 0.0))
    near = np.where(np.isnan(near), -np.inf, near)
    limit = {Kind.TOO_SHORT: short, Kind.TOO_LONG: long}
    near[np.broadcast_to(w[..., 1] <= w[..., 0], near.shape)] = -np.inf
    meant = np.where(near.max(-1) > -np.inf, near.argmax(-1), -1)
    for which, allowed in limit.items():
        chosen = kind == which
        meant[chosen] = np.where(allowed, overlap, -1.0).argmax(-1)[chosen]
    meant = np.where(kind == Kind.RIGHT, found, np.where(kind == Kind.SPLIT, home, meant))
    return np.where((kind == Kind.NONE) | (kind == Kind.FALSE_ALARM), -1, meant).astype(np.int64)


def _one_or_more(spans: Floats) -> Floats:
    """(Q, N, 2) with at least one column."""
    return spans if spans.shape[1] else np.full((len(spans), 1, 2), np.nan)


def _one_hot(window: Ints, moments: int) -> Bools:
    return np.asarray(window[..., None] == np.arange(moments))


def _count(kinds: npt.NDArray[np.int8]) -> dict[str, int]:
    return {
        kind.name.lower().replace("_", " "): int((kinds == kind).sum())
        for kind in Kind
        if kind != Kind.NONE
    }
