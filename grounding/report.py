"""Predictions + truth -> the report: metrics, intervals, baselines, ceiling, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from grounding.answers import Answers, Finding, answers_of, in_order
from grounding.metrics import baselines
from grounding.metrics.average_precision import KEPT, LENGTHS
from grounding.metrics.calibration import BINS, error_interval, reliability
from grounding.metrics.diagnosis import diagnose
from grounding.metrics.highlights import CLIP
from grounding.metrics.repair import gains
from grounding.metrics.retrieval import (
    Floats,
    absence_counts,
    bootstrap,
    f1,
    precision_recall,
)
from grounding.metrics.text_prior import fit_text_prior
from grounding.scoring import Scored, Truth, highlights, retrieval, score, truth_of
from grounding.timeline import Ints
from grounding.types import Moment, Prediction, Sample

# what is reported apart when lines say what they need: seen (alone or with sound), and heard alone
GROUPS: dict[str, Callable[[Sample], bool]] = {
    "sight or both": lambda s: s.needs in ("sight", "both"),
    "sound": lambda s: s.needs == "sound",
}
PROTOCOL: dict[str, Any] = {
    "order": "by score, best first",
    "mAP": f"IoU 0.5 to 0.95 in steps of 0.05, {KEPT} predictions, mean over queries",
    "lengths": {name: f"({low:g}, {high:g}] s" for name, (low, high) in LENGTHS.items()},
    "HL": f"clips of {CLIP:g} s, mean over annotators",
    "ECE": f"first moment right at IoU 0.5, {BINS} equal bins, queries with a moment",
}
Report = dict[str, Any]
Floors = dict[str, dict[str, float]]  # baseline -> metric -> percent


def evaluate(
    predictions: Sequence[Prediction] | Answers,
    samples: Sequence[Sample],
    *,
    train: Sequence[Sample] | None = None,
    clips: int | None = None,
    candidates: Floats | None = None,
    shared: dict[str, Floors] | None = None,
) -> Report:
    """The report of the contract: keys `n`, `metrics`, `interval95`, `baselines`, `ceiling`,
    `warnings`, `groups`; beside them `mistakes` (queries of each kind and what mending it would
    gain), `reliability` (bins, where scores are probabilities) and `protocol`. The order of the
    samples changes nothing; a metric that no query counts for is left out.

    Args:
        train: what baselines of position and words are fitted on; without it, position alone, on
            the samples themselves (and a warning).
        clips: the model's clip grid, for its ceiling.
        candidates: (P, 2) in [0, 1], where the model has a fixed set of them: a stricter ceiling.
        shared: keeps what is the same for every run on these samples; give all of them the same
            dictionary, empty at first.
    """
    answers = predictions if isinstance(predictions, Answers) else answers_of(predictions)
    samples = sorted(samples, key=_in_order)  # what is drawn at random is drawn in this order
    train = None if train is None else sorted(train, key=_in_order)
    truth = truth_of(samples)
    scored = score(answers, truth)
    findings = [*_of_qids(answers, samples), *answers.warnings, *truth.findings, *scored.findings]
    fitted_on = samples if train is None else train
    if samples and not any(map(_lasting, fitted_on)):
        kind = "no moment to fit position baselines on: there are none"
        findings.append(Finding(kind, len(samples), None))
    elif samples and train is None:
        kind = "position baselines fitted on the evaluated queries (no train split found)"
        findings.append(Finding(kind, len(samples), None))
    shared = {} if shared is None else shared
    floors = _baselines("all", truth, fitted_on, train is not None, shared)
    report = _section(truth, scored, floors, clips, candidates)
    report["warnings"] = [asdict(finding) for finding in findings]
    report["groups"] = {}
    for name, belongs in GROUPS.items():
        chosen = [i for i, s in enumerate(samples) if belongs(s)]
        if chosen and len(chosen) < len(samples):
            part = truth_of([samples[i] for i in chosen])
            floors = _baselines(name, part, fitted_on, train is not None, shared)
            report["groups"][name] = _section(part, score(answers, part), floors, clips, candidates)
    report["mistakes"] = _mistakes(truth, scored)
    report["reliability"] = _reliability(scored)
    report["protocol"] = PROTOCOL
    return report


def _lasting(sample: Sample) -> list[Moment]:
    """Its moments; one without length is a glance that `grounding init` wrote down, and a span
    fitted to such would overlap with nothing.
    """
    return [window for window in sample.windows if window.end > window.start]


def _in_order(sample: Sample) -> tuple[tuple[int, str], str, str]:
    return in_order(sample.qid), sample.vid, sample.query.text


def _of_qids(answers: Answers, samples: Sequence[Sample]) -> list[Finding]:
    """Qids that do not match one to one."""
    known = {str(s.qid): type(s.qid) for s in samples}
    given = Counter(map(str, answers.qids))
    unknown = [q for q in answers.qids if str(q) not in known]
    twice = [q for q, count in given.items() if count > 1]
    other = [q for q in answers.qids if known.get(str(q), type(q)) is not type(q)]
    found: dict[str, Sequence[Any]] = {
        "prediction for an unknown qid": unknown,
        "several predictions for one qid; the last one counts": twice,
        "qid is text in one file and a number in the other": other,
    }
    return [
        Finding(kind, len(qids), min(qids, key=in_order)) for kind, qids in found.items() if qids
    ]


def _baselines(
    name: str,
    truth: Truth,
    fitted_on: Sequence[Sample],
    is_train: bool,
    shared: dict[str, Floors],
) -> Floors:
    """What guessing reaches on these samples; computed once for each name."""
    if name not in shared:
        windows, duration = truth.windows, truth.duration
        floors = {"random": baselines.random_spans(windows, duration)}
        moments = [(s, w) for s in fitted_on for w in _lasting(s)]
        if moments:
            spans = np.array([(w.start / s.duration, w.end / s.duration) for s, w in moments])
            relative = np.clip(spans, 0, 1)
            centre, best = baselines.fit_centre(relative), baselines.fit_span(relative)
            floors["centre-prior"] = _fixed(np.array(centre), truth)
            floors["best-fixed-span"] = _fixed(np.array(best), truth)
            if is_train:  # else it would have read the answers
                prior = fit_text_prior([s.query.text for s, _ in moments], relative)
                guessed = prior.predict([s.query.text for s in truth.samples])
                floors["text-prior"] = _fixed(guessed, truth)
        floors["whole-file"] = _fixed(np.array([0.0, 1.0]), truth)
        if any(judged is not None for judged in truth.judged):
            constant = [np.zeros(0)] * len(truth.samples)
            floors["whole-file"] |= baselines.means(highlights(constant, truth.judged))
            rng = np.random.default_rng(0)
            drawn = [rng.random(0 if j is None else len(j)) for j in truth.judged]
            floors["random"] |= baselines.means(highlights(drawn, truth.judged))
        shared[name] = floors
    return dict(shared[name])


def _fixed(relative: Floats, truth: Truth) -> dict[str, float]:
    """The score of shares of the recording, (2,) or (Q, 2), in [0, 1]."""
    spans = np.broadcast_to(relative, (len(truth.duration), 2)) * truth.duration[:, None]
    return baselines.means(retrieval(spans[:, None], truth.windows))


def metrics_of(truth: Truth, scored: Scored) -> dict[str, float]:
    """Every metric in percent, without intervals."""
    metrics = baselines.means(scored.values)
    if truth.absent.any():
        counts = _absences(truth, scored).sum(0)
        precision, recall = precision_recall(counts)
        metrics["absent-F1"] = _percent(f1(counts))
        metrics["absent-precision"] = _percent(precision)
        metrics["absent-recall"] = _percent(recall)
    error = reliability(scored.confidence, scored.right).error
    if not np.isnan(error):
        metrics["ECE"] = _percent(error)
    return metrics


def _absences(truth: Truth, scored: Scored) -> Floats:
    """(Q, 3) absence counts; nothing where a file does not say whether anything is there."""
    return absence_counts(scored.said, truth.absent) * truth.told[:, None]


def _section(
    truth: Truth, scored: Scored, floors: Floors, clips: int | None, candidates: Floats | None
) -> Report:
    metrics = metrics_of(truth, scored)
    vids = [s.vid for s in truth.samples]
    intervals = bootstrap(scored.values, _absences(truth, scored), vids)
    if "ECE" in metrics:
        low, high = error_interval(scored.confidence, scored.right, vids)
        if not np.isnan(low):
            intervals["ECE"] = (_percent(low), _percent(high))
    return {
        "n": len(truth.samples),
        "metrics": metrics,
        "interval95": intervals,
        "baselines": floors,
        "ceiling": _ceiling(truth, clips, candidates),
    }


def _ceiling(truth: Truth, clips: int | None, candidates: Floats | None) -> dict[str, float]:
    """What the truth itself reaches as an answer under the same protocol; where the model has a
    grid or candidates, what the best of those reach.
    """
    # windows without length, which overlap with nothing, last: R1 looks at the first answer
    order = np.argsort(~(truth.windows[..., 1] > truth.windows[..., 0]), axis=1, kind="stable")
    best = np.take_along_axis(truth.windows, order[..., None], 1)
    reached = baselines.means(retrieval(best, truth.windows))
    if any(judged is not None for judged in truth.judged):
        means = [np.zeros(0) if judged is None else judged.mean(1) for judged in truth.judged]
        reached |= baselines.means(highlights(means, truth.judged))
    if candidates is not None:
        reached |= baselines.candidate_ceiling(truth.windows, truth.duration, candidates)
    elif clips:
        reached |= baselines.grid_ceiling(truth.windows, truth.duration, clips)
    return reached


def _mistakes(truth: Truth, scored: Scored) -> Report:
    """Queries by the kind of their first answer; what mending a kind would gain in R1@0.5.

    Those that a file says nothing about are left out.
    """
    absent = np.where(scored.said, 1.0, np.nan)[truth.told]
    start, end = np.moveaxis(scored.predicted[truth.told, :, :2], -1, 0)
    # one that ends before it starts overlaps with nothing, as an instant does
    spans = np.stack([start, np.maximum(start, end)], -1)
    found = diagnose(spans, truth.windows[truth.told], absent)
    gained = gains(found)
    return {
        "queries": found.query_distribution(),
        "gain": {kind: round(points["R1@0.5"], 2) for kind, points in gained.items()},
    }


def _reliability(scored: Scored) -> list[dict[str, float]]:
    """The bins that are not empty: how sure the answers were, and how often right, in percent."""
    found = reliability(scored.confidence, scored.right)
    return [
        {
            "from": _percent(found.edges[place]),
            "to": _percent(found.edges[place + 1]),
            "n": int(found.count[place]),
            "confidence": _percent(found.confidence[place]),
            "accuracy": _percent(found.accuracy[place]),
        }
        for place in _occupied(found.count)
    ]


def _occupied(count: Ints) -> list[int]:
    return np.flatnonzero(count).tolist()


def _percent(value: float | Floats) -> float:
    return round(100 * float(value), 2)
