"""Queries x runs as arrays: which run was right where.

R runs, Q queries, in the order of the file. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.average_precision import KEPT
from grounding.metrics.diagnosis import Diagnosis, diagnose
from grounding.metrics.retrieval import RECALLS, Floats, iou
from grounding.timeline import Ints
from grounding.types import Moment, Prediction, Sample

Bools = npt.NDArray[np.bool_]

METRICS = ("R1@0.3", "R1@0.5", "R1@0.7", "R5@0.5", "mIoU")
ABSENT = 0.5  # said to be absent at this probability and above, as in the report
_FIRST = max(k for k, _ in RECALLS)


class Outcome(IntEnum):
    """How one run did on one query.

    RIGHT is what the report counts as a hit of R1, so it does not look at what was said about
    absence: a moment that is found stays found. ABSENT_CLAIMED is left for what is there, was not
    found, and was said to be absent. UNANSWERED: no moment and nothing said about absence.
    UNKNOWN: answered, but there is no truth to hold it against.
    """

    RIGHT = 0
    WRONG = 1
    ABSENT_FOUND = 2
    ABSENT_MISSED = 3
    ABSENT_CLAIMED = 4
    UNANSWERED = 5
    UNKNOWN = 6


GOOD = (Outcome.RIGHT, Outcome.ABSENT_FOUND)
BAD = (Outcome.WRONG, Outcome.ABSENT_MISSED, Outcome.ABSENT_CLAIMED, Outcome.UNANSWERED)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side on the same queries.

    Attributes:
        samples: (Q) the queries.
        names: (R) the runs.
        answers: [run][query], None where the run has no line for it.
        given: [run] every prediction of the run, as read.
        threshold: least IoU that counts as right.
        has_truth: False where nobody knows the true moments.
        predicted: (R, Q, P, 2) the first ten moments, seconds; NaN where there are fewer.
        truth: (Q, M, 2) the true moments, seconds; NaN where there are fewer.
        top: (R, Q, 2) the first moment, seconds; NaN without.
        iou: (R, Q) IoU of the first moment with the best true one; 0 without a moment, NaN where
            nothing is to be found or truth is unknown.
        best: (R, Q) the same for the best of the first five moments.
        score: (R, Q) score of the first moment; NaN without.
        absent: (R, Q) probability that there is no such moment; NaN where nothing was said.
        outcome: (R, Q) `Outcome`.
        length: (Q,) seconds of the longest true moment; NaN without.
        position: (Q,) its centre in [0, 1] of the duration; NaN without.
        words: (Q,) words in the sentence.
        duration: (Q,) seconds of the recording.
        vids: names of the recordings, sorted; `recording`: (Q,) place in it.
        text: (Q) what `Filter.text` is looked for in.
        agreement: (Q,) mean IoU of people who timed the same query; NaN where fewer than two did,
            None where nobody is known.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    answers: tuple[tuple[Prediction | None, ...], ...] = field(repr=False)
    given: tuple[tuple[Prediction, ...], ...] = field(repr=False)
    threshold: float
    has_truth: bool
    predicted: Floats = field(repr=False)
    truth: Floats = field(repr=False)
    top: Floats
    iou: Floats
    best: Floats
    score: Floats
    absent: Floats
    outcome: npt.NDArray[np.int8]
    length: Floats
    position: Floats
    words: Ints
    duration: Floats
    vids: tuple[str, ...]
    recording: Ints
    text: tuple[str, ...] = field(repr=False)
    agreement: Floats | None = field(repr=False, default=None)

    @cached_property
    def diagnosed(self) -> tuple[Diagnosis, ...]:
        """Per run: what kind of mistake its answers are."""
        rows = zip(self.predicted, self.absent, strict=True)
        return tuple(
            diagnose(predicted, self.truth, absent, threshold=self.threshold)
            for predicted, absent in rows
        )

    @cached_property
    def overlap(self) -> Floats:
        """(P, Q) IoU of the first moments of every pair of runs; 1 where neither has one."""
        first, second = np.triu_indices(len(self.names), 1)
        a, b = self.top[first], self.top[second]
        neither = np.isnan(a[..., 0]) & np.isnan(b[..., 0])
        return np.where(neither, 1.0, iou(a[..., None, :], b[..., None, :])[..., 0, 0])

    @cached_property
    def asked(self) -> Bools:
        """(Q,) whether something is there to be found."""
        return ~np.isnan(self.length)

    def values(self, metric: str) -> Floats:
        """(R, Q) a metric's value of every query in [0, 1]; NaN where a query does not count.

        Raises:
            BadInput: an unknown metric.
        """
        known("metric", metric, METRICS)
        if metric == "mIoU":
            return self.iou
        overlap = self.iou if metric.startswith("R1") else self.best
        hit = (overlap >= float(metric.partition("@")[2])).astype(np.float64)
        return np.where(np.isnan(overlap), np.nan, hit)

    def run(self, name: str) -> int:
        """Place of a run.

        Raises:
            BadInput: there is none of that name.
        """
        known("run", name, self.names)
        return self.names.index(name)


def compare(
    samples: Sequence[Sample],
    answers: Mapping[str, Sequence[Prediction]],
    *,
    threshold: float = 0.5,
    has_truth: bool = True,
    agreement: Floats | None = None,
) -> Comparison:
    """Samples and predictions by run -> arrays.

    Answers are found by qid and the last one counts, as in the report; by qid and vid where samples
    share a qid, as in a batch that asks every recording the same.
    """
    queries, runs = len(samples), len(answers)
    shared = len({str(s.qid) for s in samples}) < queries
    matched = tuple(_match(samples, given, shared) for given in answers.values())
    windows = [s.windows if has_truth else () for s in samples]
    truth = _spans(windows, max(map(len, windows), default=0))
    asked = np.fromiter(map(bool, windows), bool, queries)
    moments = [[p.moments if p else () for p in row] for row in matched]
    spans = np.stack([_spans(row, KEPT) for row in moments]) if runs else _none(0, queries, 1, 2)
    # (R, Q, 5): each moment with its best true one
    found = iou(spans[:, :, :_FIRST], truth).max(-1)
    overlap = np.where(asked, found[..., 0], np.nan)
    score = _grid([[m[0].score if m else np.nan for m in row] for row in moments], queries)
    absent = _grid([[_absent(p) for p in row] for row in matched], queries)

    said, answered = absent >= ABSENT, ~np.isnan(spans[..., 0, 0])
    outcome = np.select(
        [
            ~answered & ~said,
            np.full((runs, queries), not has_truth),
            overlap >= threshold,
            asked & said,
            np.broadcast_to(asked, (runs, queries)),
            said,
        ],
        [
            Outcome.UNANSWERED,
            Outcome.UNKNOWN,
            Outcome.RIGHT,
            Outcome.ABSENT_CLAIMED,
            Outcome.WRONG,
            Outcome.ABSENT_FOUND,
        ],
        Outcome.ABSENT_MISSED,
    )
    longest = _spans([(max(w, key=lambda m: m.length),) if w else () for w in windows], 1)[:, 0]
    duration = np.array([s.duration for s in samples], np.float64)
    vids, recording = np.unique(np.array([s.vid for s in samples], object), return_inverse=True)
    return Comparison(
        samples=tuple(samples),
        names=tuple(answers),
        answers=matched,
        given=tuple(map(tuple, answers.values())),
        threshold=threshold,
        has_truth=has_truth,
        predicted=spans,
        truth=truth,
        top=spans[..., 0, :],
        iou=overlap,
        best=np.where(asked, found.max(-1), np.nan),
        score=score,
        absent=absent,
        outcome=outcome.astype(np.int8),
        length=longest[:, 1] - longest[:, 0],
        position=np.clip(longest.mean(-1) / duration, 0, 1),
        words=np.fromiter((len(s.query.text.split()) for s in samples), np.int64, queries),
        duration=duration,
        vids=tuple(vids),
        recording=recording.astype(np.int64),
        agreement=agreement,
        text=tuple(f"{s.query.text}\n{s.vid}\n{s.qid}".casefold() for s in samples),
    )


def _match(
    samples: Sequence[Sample], given: Sequence[Prediction], shared: bool
) -> tuple[Prediction | None, ...]:
    if shared:
        both = {(str(p.query.qid), p.query.vid): p for p in given}
        return tuple(both.get((str(s.qid), s.vid)) for s in samples)
    by_qid = {str(p.query.qid): p for p in given}
    return tuple(by_qid.get(str(s.qid)) for s in samples)


def _spans(windows: Sequence[Sequence[Moment]], most: int) -> Floats:
    """(Q) moments -> (Q, most, 2) seconds of the first ones, NaN where there are fewer.

    What `pad_windows` does, without an array per query.
    """
    cut = [w[:most] for w in windows]
    count = np.fromiter(map(len, cut), np.int64, len(cut))
    padded = _none(len(cut), max(most, 1), 2)
    filled = np.arange(padded.shape[1]) < count[:, None]
    padded[filled] = np.array([(m.start, m.end) for w in cut for m in w]).reshape(-1, 2)
    return padded


def _grid(rows: Sequence[Sequence[float]], queries: int) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), queries)


def _none(*shape: int) -> Floats:
    return np.full(shape, np.nan)


def _absent(prediction: Prediction | None) -> float:
    return np.nan if prediction is None or prediction.absent is None else prediction.absent


def known(what: str, value: str, known: Collection[str]) -> None:
    """Raise BadInput unless `value` is one of the `known`."""
    if value not in known:
        raise BadInput(f"{value!r} is no {what} here; there are {', '.join(known) or 'none'}")
