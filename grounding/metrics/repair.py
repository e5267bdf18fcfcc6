"""What it would gain to mend every mistake of one kind.

Mending never uses more than the kind itself names, so the gains say where work pays off; they do
not add up, because one query can have mistakes of several kinds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grounding.metrics.diagnosis import ABSENT, WRONG, Diagnosis, Kind
from grounding.metrics.retrieval import RECALLS, Floats, absence_counts, f1, iou, query_values
from grounding.timeline import Ints

_QUERIES = 10_000  # mended at a time
_FIRST = max(k for k, _ in RECALLS)
Metric = Callable[[Floats, Floats], dict[str, float]]  # predicted, truth -> percent


def repaired(diagnosis: Diagnosis, kind: Kind) -> tuple[Floats, Floats]:
    """Answers and absence with every mistake of one kind mended.

    WRONG_PLACE, TOO_SHORT, TOO_LONG, SPLIT: the answer becomes the true window it is about, or is
    dropped where a better answer has that already (so of several pieces one stays). MERGED: it
    becomes those of the windows it covers that no better answer has. DUPLICATE: dropped, and the
    answer it repeats keeps the better of the two places. MISSED: the true windows, not absent.
    FALSE_ALARM: no answer, absent.

    Returns:
        (Q, P', 2) seconds, best first, NaN = no answer; (Q,) absence.
    """
    spans, absent = diagnosis.predicted.copy(), diagnosis.absent.copy()
    if kind in (Kind.MISSED, Kind.FALSE_ALARM):
        rows = diagnosis.queries == kind
        absent[rows] = 0.0 if kind == Kind.MISSED else 1.0
        width = max(spans.shape[1], diagnosis.truth.shape[1] if kind == Kind.MISSED else 0)
        wide = np.full((len(spans), width, 2), np.nan)
        wide[:, : spans.shape[1]] = spans
        wide[rows] = np.nan
        if kind == Kind.MISSED:
            truth = diagnosis.truth[rows]
            findable = (truth[..., 1] > truth[..., 0])[..., None]
            wide[rows, : truth.shape[1]] = np.where(findable, truth, np.nan)
        return _closed(wide), absent
    rows = np.flatnonzero((diagnosis.answers == kind).any(-1))
    mend = _without_duplicates if kind == Kind.DUPLICATE else _moved
    parts = [rows[i : i + _QUERIES] for i in range(0, len(rows), _QUERIES)]
    mended = [mend(diagnosis, part, kind) for part in parts]
    width = max([spans.shape[1], *(answers.shape[1] for answers in mended)])
    wide = np.full((len(spans), width, 2), np.nan)
    wide[:, : spans.shape[1]] = spans
    wide[rows] = np.nan
    for part, answers in zip(parts, mended, strict=True):
        wide[part, : answers.shape[1]] = answers
    return wide, absent


def gains(diagnosis: Diagnosis, metric: Metric | None = None) -> dict[str, dict[str, float]]:
    """Kind -> metric -> points gained by mending all mistakes of that kind.

    Args:
        metric: percent of answers (Q, P, 2) and truth; R1, R5 and mIoU without it. `absent-F1` is
            always added.
    """
    score = _retrieval if metric is None else metric
    before = {
        **score(diagnosis.predicted, diagnosis.truth),
        **_absence(diagnosis, diagnosis.absent),
    }
    found = {}
    for kind in WRONG:
        spans, absent = repaired(diagnosis, kind)
        after = {**score(spans, diagnosis.truth), **_absence(diagnosis, absent)}
        name = kind.name.lower().replace("_", " ")
        found[name] = {key: after[key] - value for key, value in before.items()}
    return found


def _moved(diagnosis: Diagnosis, rows: Ints, kind: Kind) -> Floats:
    """(R, P', 2) the answers of these queries, those of one kind moved onto true windows."""
    spans, truth = diagnosis.predicted[rows], diagnosis.truth[rows]
    answers, window = diagnosis.answers[rows], diagnosis.window[rows]
    places, moments = answers.shape[1], truth.shape[1]
    slots = moments if kind == Kind.MERGED else 1
    wide = np.full((len(rows), places, slots, 2), np.nan)
    wide[:, :, 0] = spans
    taken = np.zeros((len(rows), moments), bool)
    for place in range(places):
        own = np.asarray(window[:, place, None] == np.arange(moments))
        wrong = np.asarray(answers[:, place] == kind)
        wanted = diagnosis.covers[rows, place] if kind == Kind.MERGED else own
        new = np.asarray(wanted & ~taken & wrong[:, None])
        if kind == Kind.MERGED:
            wide[wrong, place] = np.where(new[wrong][..., None], truth[wrong], np.nan)
        else:
            moved = truth[np.arange(len(rows)), window[:, place]]
            wide[wrong, place, 0] = np.where(np.any(new, -1, keepdims=True), moved, np.nan)[wrong]
        right = np.asarray(answers[:, place] == Kind.RIGHT)
        taken |= new | (own & right[:, None])
    return _closed(wide.reshape(len(rows), places * slots, 2))


def _without_duplicates(diagnosis: Diagnosis, rows: Ints, kind: Kind) -> Floats:
    spans, truth = diagnosis.predicted[rows].copy(), diagnosis.truth[rows]
    answers, window = diagnosis.answers[rows], diagnosis.window[rows]
    every = np.arange(len(rows))
    meant = truth[every[:, None], window]  # (R, P, 2): NaN rows only where no window is meant
    overlap = iou(spans[:, :, None], meant[:, :, None])[..., 0, 0]
    for place in range(answers.shape[1]):
        again = answers[:, place] == kind
        first = ((answers == Kind.RIGHT) & (window == window[:, place, None])).argmax(-1)
        better = again & (overlap[:, place] > overlap[every, first])
        spans[every[better], first[better]] = diagnosis.predicted[rows][better, place]
        overlap[every[better], first[better]] = overlap[better, place]
        spans[again, place] = np.nan
    return _closed(spans)


def _closed(spans: Floats) -> Floats:
    """(Q, P, 2) without gaps, cut to the longest list (one place at least)."""
    given = ~np.isnan(spans[..., 0])
    order = np.argsort(~given, axis=1, kind="stable")
    closed = np.take_along_axis(spans, order[..., None], 1)
    return closed[:, : max(int(given.sum(1).max(initial=0)), 1)]


def _retrieval(predicted: Floats, truth: Floats) -> dict[str, float]:
    return {
        name: 100 * float(np.nanmean(value)) if (~np.isnan(value)).any() else 0.0
        for name, value in query_values(predicted[:, :_FIRST], truth).items()
    }


def _absence(diagnosis: Diagnosis, absent: Floats) -> dict[str, float]:
    true = np.isnan(diagnosis.truth[..., 0]).all(-1)
    return {"absent-F1": 100 * float(f1(absence_counts(absent >= ABSENT, true).sum(0)))}
