"""Predictions + truth -> the report: metrics, intervals, baselines, ceiling, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grounding.metrics import baselines
from grounding.metrics.retrieval import (
    Floats,
    absence_counts,
    bootstrap,
    f1,
    pad_windows,
    query_values,
)
from grounding.types import Prediction, Sample

# what is reported apart when lines say what they need: seen (alone or with sound), and heard alone
GROUPS: dict[str, Callable[[Sample], bool]] = {
    "sight or both": lambda s: s.needs in ("sight", "both"),
    "sound": lambda s: s.needs == "sound",
}
Report = dict[str, Any]
Floors = dict[str, dict[str, float]]  # baseline -> metric -> percent


def evaluate(
    predictions: Sequence[Prediction],
    samples: Sequence[Sample],
    *,
    train: Sequence[Sample] | None = None,
    clips: int | None = None,
    candidates: Floats | None = None,
    unsorted: int = 0,
    shared: dict[str, Floors] | None = None,
) -> Report:
    """The report of the contract; keys `n`, `metrics`, `interval95`, `baselines`, `ceiling`,
    `warnings`, `groups`.

    Args:
        train: what position-only baselines are fitted on; the samples themselves (and a warning)
            without it.
        clips: the model's clip grid, for its ceiling.
        candidates: (P, 2) in [0, 1], where the model has a fixed set of them: a stricter ceiling.
        unsorted: lists that the reader had to sort.
        shared: keeps what is the same for every run on these samples; give all of them the same
            dictionary, empty at first.
    """
    warnings: list[dict[str, Any]] = []

    def warn(kind: str, examples: Sequence[Any]) -> None:
        if examples:
            warnings.append({"kind": kind, "count": len(examples), "example": examples[0]})

    answers = {str(p.query.qid): p for p in predictions}
    known = {str(s.qid) for s in samples}
    warn("no prediction for a query", [s.qid for s in samples if str(s.qid) not in answers])
    warn("prediction for an unknown qid", [q for q in answers if q not in known])
    twice = Counter(str(p.query.qid) for p in predictions)
    warn("several predictions for one qid", [q for q, count in twice.items() if count > 1])
    if unsorted:
        warnings.append(
            {"kind": "list was not sorted by score", "count": unsorted, "example": None}
        )
    warn(
        "zero-length true window", [s.qid for s in samples if any(w.length == 0 for w in s.windows)]
    )
    late = [s.qid for s in samples if any(m.end > s.duration + 0.05 for m in _moments(answers, s))]
    warn("prediction ends past the end of the recording", late)
    if train is None and samples:
        warnings.append(
            {
                "kind": "position baselines fitted on the evaluated queries (no train split found)",
                "count": len(samples),
                "example": None,
            }
        )
    fitted_on = samples if train is None else train
    shared = {} if shared is None else shared
    floors = _baselines("all", samples, fitted_on, shared)
    report = _section(answers, samples, floors, clips, candidates)
    report["warnings"] = warnings
    report["groups"] = {}
    for name, belongs in GROUPS.items():
        chosen = [s for s in samples if belongs(s)]
        if chosen and len(chosen) < len(samples):
            floors = _baselines(name, chosen, fitted_on, shared)
            report["groups"][name] = _section(answers, chosen, floors, clips, candidates)
    return report


def _baselines(
    name: str, samples: Sequence[Sample], fitted_on: Sequence[Sample], shared: dict[str, Floors]
) -> Floors:
    """What guessing reaches on these samples; computed once for each name."""
    if name not in shared:
        truth = pad_windows([[(w.start, w.end) for w in s.windows] for s in samples])
        duration = np.array([s.duration for s in samples])
        spans = [[w.start / s.duration, w.end / s.duration] for s in fitted_on for w in s.windows]
        floors = {"random": baselines.random_spans(truth, duration)}
        if spans:
            relative = np.clip(np.asarray(spans), 0, 1)
            centre, best = baselines.fit_centre(relative), baselines.fit_span(relative)
            floors["centre-prior"] = baselines.fixed(centre, truth, duration)
            floors["best-fixed-span"] = baselines.fixed(best, truth, duration)
        floors["whole-file"] = baselines.fixed((0.0, 1.0), truth, duration)
        shared[name] = floors
    return dict(shared[name])


def _moments(answers: dict[str, Prediction], sample: Sample) -> tuple[Any, ...]:
    answer = answers.get(str(sample.qid))
    return answer.moments if answer else ()


def _section(
    answers: dict[str, Prediction],
    samples: Sequence[Sample],
    floors: Floors,
    clips: int | None,
    candidates: Floats | None,
) -> Report:
    predicted = pad_windows([[(m.start, m.end) for m in _moments(answers, s)] for s in samples])
    truth = pad_windows([[(w.start, w.end) for w in s.windows] for s in samples])
    duration = np.array([s.duration for s in samples])
    values = query_values(predicted, truth)
    metrics = baselines.means(values)
    said = [(a := answers.get(str(s.qid))) is not None and (a.absent or 0) >= 0.5 for s in samples]
    counts = absence_counts(said, [not s.windows for s in samples])
    if any(not s.windows for s in samples):
        metrics["absent-F1"] = round(100 * float(f1(counts.sum(0))), 2)
    ceiling: dict[str, float] = {}
    if candidates is not None:
        ceiling = baselines.candidate_ceiling(truth, duration, candidates)
    elif clips:
        ceiling = baselines.grid_ceiling(truth, duration, clips)
    return {
        "n": len(samples),
        "metrics": metrics,
        "interval95": bootstrap(values, counts, [s.vid for s in samples]),
        "baselines": floors,
        "ceiling": ceiling,
    }
