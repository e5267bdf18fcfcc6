"""Answers beside the truth as arrays, and every metric's value for every query.

Q queries, P moments of an answer, M true windows, L clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.answers import FARTHEST, Answers, Finding
from grounding.metrics.average_precision import precisions
from grounding.metrics.calibration import is_probability
from grounding.metrics.highlights import clip_count, clip_scores, highlight_values
from grounding.metrics.retrieval import Floats, iou, pad_windows, query_values
from grounding.types import Sample

ABSENT = 0.5  # said to be absent at this probability and above
RIGHT = 0.5  # least IoU of a first answer that counts as right, for calibration
_MOST_CLIPS = 100_000  # of a recording with highlights: 55 hours
_LARGEST = 1e6  # that a person may give a clip
_LATE = 0.05  # seconds that a moment may end after its recording: rounding
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Truth:
    """What Q queries should be answered.

    Attributes:
        samples: (Q,).
        windows: (Q, M, 2) seconds, NaN = no window.
        duration: (Q,) seconds.
        told: (Q,) the file says what is to be found, or that nothing is; False for TVSum's lines.
        absent: (Q,) nothing is to be found.
        judged: per query, (L, A) what people gave its clips; None where nobody did.
        findings: what is odd about it.
    """

    samples: Sequence[Sample]
    windows: Floats
    duration: Floats
    told: Bools
    absent: Bools
    judged: tuple[Floats | None, ...]
    findings: tuple[Finding, ...]


def truth_of(samples: Sequence[Sample]) -> Truth:
    """Samples -> arrays."""
    windows = pad_windows([[(w.start, w.end) for w in s.windows] for s in samples])
    windows = windows.clip(max=FARTHEST)
    duration = np.array([s.duration for s in samples], np.float64)
    told = [bool(s.windows) or "relevant_windows" not in s.extra for s in samples]
    absent = np.array(told, bool) & np.isnan(windows[..., 0]).all(-1)
    judged, unusable = [], []
    for sample in samples:
        scores = judged_clips(sample)
        if scores is None and sample.saliency:
            unusable.append(sample.qid)
        judged.append(scores)
    with np.errstate(invalid="ignore"):
        empty = (windows[..., 1] == windows[..., 0]).any(1)
        late = (windows[..., 1] > duration[:, None] + _LATE).any(1)
    found = {
        "true window without length: IoU 0 with everything": [
            samples[i].qid for i in np.flatnonzero(empty).tolist()
        ],
        "true window ends after the recording": [
            samples[i].qid for i in np.flatnonzero(late).tolist()
        ],
        "saliency of the truth does not fit its clips: no highlight score": unusable,
    }
    findings = tuple(Finding(kind, len(qids), qids[0]) for kind, qids in found.items() if qids)
    return Truth(samples, windows, duration, np.array(told, bool), absent, tuple(judged), findings)


def judged_clips(sample: Sample) -> Floats | None:
    """(L, A) what people gave the clips of a QVHighlights line; None where there is nothing, or it
    does not fit.
    """
    ids, scores = sample.extra.get("relevant_clip_ids"), sample.saliency
    if not isinstance(ids, list) or not scores or len(ids) != len(scores):
        return None
    try:
        table, place = np.array(list(scores)), np.array(ids)
    except ValueError:  # lists of unequal length
        return None
    if table.ndim != 2 or not table.shape[1] or place.ndim != 1:
        return None
    if table.dtype.kind not in "if" or place.dtype.kind != "i":
        return None
    clips = clip_count(sample.duration)
    if clips > _MOST_CLIPS or not (np.abs(table) <= _LARGEST).all():
        return None
    return clip_scores(clips, place.tolist(), table)


@dataclass(frozen=True, eq=False)
class Scored:
    """Every metric of every query.

    Attributes:
        predicted: (Q, P, 3) moments as they count, NaN = none.
        values: metric -> (Q,) in [0, 1]; NaN where a query does not count.
        said: (Q,) the answer is that there is no such moment.
        confidence: (Q,) score of the first moment where calibration is judged; NaN elsewhere.
        right: (Q,) whether that moment's IoU with a true window is 0.5 at least.
        findings: what is odd about the answers to these queries.
    """

    predicted: Floats
    values: dict[str, Floats]
    said: Bools
    confidence: Floats
    right: Bools
    findings: tuple[Finding, ...]


def score(answers: Answers, truth: Truth) -> Scored:
    """Every metric that these answers and this truth have."""
    rows = answers.match(truth.samples)
    predicted, absent = answers.of(rows)
    values = retrieval(predicted, truth.windows)
    known = [i for i, judged in enumerate(truth.judged) if judged is not None]
    saliency = [answers.saliency[row] if row >= 0 else np.zeros(0) for row in rows]
    has_saliency = any(len(saliency[i]) for i in known)
    if has_saliency:
        values |= highlights(saliency, truth.judged)
    asked = ~np.isnan(truth.windows[..., 0]).all(-1)
    first = predicted[:, 0, 2]
    confidence = np.where(asked & np.isfinite(first), first, np.nan)
    findings = []

    def tell(kind: str, places: npt.ArrayLike) -> None:
        at = np.flatnonzero(places).tolist()
        if at:
            findings.append(Finding(kind, len(at), truth.samples[at[0]].qid))

    tell("no prediction for a query", rows < 0)
    silent = np.isnan(predicted[:, 0, 0]) & ~(absent >= ABSENT)
    tell("prediction without a moment, and not said to be absent", (rows >= 0) & silent)
    named = [answers.vids[row] if row >= 0 else None for row in rows.tolist()]
    other = [vid is not None and vid != s.vid for vid, s in zip(named, truth.samples, strict=True)]
    tell("prediction names another recording than the annotations: the same files?", other)
    with np.errstate(invalid="ignore"):
        late = predicted[..., 1] > truth.duration[:, None] + _LATE
    tell("prediction ends past the end of the recording", late.any(1))
    if has_saliency:
        wanted = np.array([0 if j is None else len(j) for j in truth.judged])
        given = np.array([len(s) for s in saliency])
        tell(
            "saliency has another length than the recording has clips",
            (wanted > 0) & (given > 0) & (wanted != given),
        )
    if not is_probability(confidence[~np.isnan(confidence)]):
        tell("scores are no probabilities (outside 0 to 1): no ECE", ~np.isnan(confidence))
        confidence = np.full(len(confidence), np.nan)
    right = iou(predicted[:, :1, :2], truth.windows)[:, 0].max(-1) >= RIGHT
    return Scored(predicted, values, absent >= ABSENT, confidence, right, tuple(findings))


def retrieval(predicted: Floats, truth: Floats) -> dict[str, Floats]:
    """R1, R5, mIoU and mAP of every query, by length of the true window too."""
    values = query_values(predicted, truth)
    values |= precisions(predicted, truth)
    return values


def highlights(saliency: Sequence[Floats], judged: Sequence[Floats | None]) -> dict[str, Floats]:
    """Highlight metrics of every query; NaN where nobody judged its clips."""
    known = [i for i, scores in enumerate(judged) if scores is not None]
    found = highlight_values(
        [saliency[i] for i in known], [scores for scores in judged if scores is not None]
    )
    values = {name: np.full(len(judged), np.nan) for name in found}
    for name, value in found.items():
        values[name][known] = value
    return values
