"""Plain data for one query's timeline: JSON in seconds, nothing left to compute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grounding.export import is_absent
from grounding.timeline import Timeline
from grounding.types import Moment, Prediction, Sample

_CLIP = 2.0  # seconds of one of QVHighlights' clips
_TOP = 4.0  # its annotators give 0 to 4
_MOST = 1e9  # scores and clip numbers beyond are no sensible ones


def timeline(
    sample: Sample,
    answers: Mapping[str, Prediction | None],
    *,
    duration: float | None = None,
    has_truth: bool = True,
) -> dict[str, Any]:
    """One query's lanes, as JSON can hold them; all times in [0, duration], in milliseconds' steps.

    `duration`; `glance`, an instant or None; `saliency`, a list of `start`, `end`, `value` in
    [0, 1] in time order; and `lanes`: the truth first, unless `has_truth` is False, then the runs
    as given. A lane has `kind` ("truth" or "run"), `name`, `note`, and `bars` with `start`, `end`
    and `label`. A run's bars are best first and have `score`, `rank` from 1, and `iou` with the
    best true moment, None where there is none; its lane has a `curve`, one value in [0, 1] per clip
    in time order, between the curve's own least and most, [] without.

    Args:
        answers: by the name of the run; None = it has no answer.
        duration: seconds of the recording as it plays, where that is known better.
    """
    known = duration is not None and math.isfinite(duration) and duration > 0
    seconds = duration if known and duration is not None else sample.duration
    windows = sample.windows if has_truth else ()
    lanes: list[dict[str, Any]] = []
    if has_truth:
        bars = [_bar(w, seconds, "true moment") for w in windows]
        told = windows or "relevant_windows" not in sample.extra
        note = ("" if windows else "not there") if told else "nobody said when"
        lanes.append({"kind": "truth", "name": "truth", "note": note, "bars": bars})
    lanes += [_run(name, answer, windows, seconds) for name, answer in answers.items()]
    glance = sample.glance if has_truth else None
    return {
        "duration": _time(seconds, seconds),
        "lanes": lanes,
        "glance": None if glance is None else _time(glance, seconds),
        "saliency": _saliency(sample, seconds) if has_truth else [],
    }


def _run(
    name: str, answer: Prediction | None, windows: Sequence[Moment], duration: float
) -> dict[str, Any]:
    note = ""
    if answer is not None and is_absent(answer):
        note = f"probably not there ({answer.absent:.2f})"
    elif answer is None or not answer.moments:
        note = "no answer"
    bars = []
    for rank, moment in enumerate(answer.moments if answer else (), 1):
        overlap = round(max(moment.iou(w) for w in windows), 4) if windows else None
        score = min(max(moment.score, -_MOST), _MOST)  # JSON has no infinity
        said = [f"score {moment.score:.2f}"] + ([] if overlap is None else [f"IoU {overlap:.2f}"])
        bar = _bar(moment, duration, f"{rank}.", *said)
        bars.append({**bar, "score": score, "rank": rank, "iou": overlap})
    if bars and bars[0]["iou"] is not None:
        note = " · ".join(filter(None, (f"IoU {bars[0]['iou']:.2f}", note)))
    curve = _scaled(answer.saliency if answer else ())
    return {"kind": "run", "name": name, "note": note, "bars": bars, "curve": curve}


def _bar(moment: Moment, duration: float, first: str, *more: str) -> dict[str, Any]:
    start, end = _time(moment.start, duration), _time(moment.end, duration)
    label = f"{first} {moment.start:.1f}–{moment.end:.1f} s"
    return {"start": start, "end": end, "label": ", ".join((label, *more))}


def _time(seconds: float, duration: float) -> float:
    """To the nearest millisecond, but never past the end."""
    end = math.floor(1000 * duration + 1e-6) / 1000
    return min(max(round(seconds, 3), 0.0), end)


def _scaled(values: Sequence[float]) -> list[float]:
    """Values between their own least and most -> [0, 1]; 0 for what is no number, and for all
    where all are equal.
    """
    x = np.asarray(values, np.float64)
    finite = np.isfinite(x)
    if not finite.any():
        return [0.0] * len(x)
    least, most = x[finite].min(), x[finite].max()
    span = most / 2 - least / 2  # halves, because the whole may not be a number any more
    if not span > 0:
        return [0.0] * len(x)
    unit = np.where(finite, (np.where(finite, x, least) / 2 - least / 2) / span, 0.0)
    return [round(float(v), 4) for v in unit]


def _saliency(sample: Sample, duration: float) -> list[dict[str, float]]:
    """Saliency as files have it: scores of the relevant clips, or one score for every clip of the
    recording; nothing for any other shape.
    """
    rows = [_score(row) for row in sample.saliency or ()]
    clips = sample.extra.get("relevant_clip_ids")
    if not rows:
        return []
    if clips is None:
        flat = [row for row in rows if row is not None]
        if len(flat) < len(rows) or any(isinstance(raw, list) for raw in sample.saliency or ()):
            return []
        values = _scaled(flat)
        edges = Timeline(duration, len(rows)).edges.tolist()
        spans = list(zip(edges[:-1], edges[1:], values, strict=True))
    else:
        if not isinstance(clips, list) or len(clips) != len(rows):
            return []
        spans = [
            (_CLIP * clip, _CLIP * (clip + 1), min(max(row / _TOP, 0.0), 1.0))
            for clip, row in zip(clips, rows, strict=True)
            if row is not None and type(clip) is int and 0 <= clip < _MOST
        ]
    shown = [
        {"start": _time(start, duration), "end": _time(end, duration), "value": round(value, 4)}
        for start, end, value in sorted(spans)
    ]
    return [clip for clip in shown if clip["end"] > clip["start"]]


def _score(raw: object) -> float | None:
    """A clip's score, the mean where several people gave one; None where it is no number."""
    scores: list[Any] = raw if isinstance(raw, list) and raw else [raw]
    if not all(type(score) in (int, float) and abs(score) < _MOST for score in scores):
        return None
    return math.fsum(scores) / len(scores)
