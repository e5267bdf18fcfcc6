"""Answers with a place: grounded questions (NExT-GQA), reasoning about time (RTL), judged text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.groups import bootstrap_means
from grounding.metrics.retrieval import Floats, iou

LEAST = (0.3, 0.5)


def iop(predicted: Floats, truth: Floats) -> Floats:
    """Intersection over the prediction's own length, with the best true window, in [0, 1].

    As NExT-GQA's evaluator: an instant (start = end) inside a true window has 1, outside 0. A long
    window can only lose by it and a tiny one only win: read it beside mIoU.

    Args:
        predicted: (Q, 2) seconds, NaN = no answer, which has 0.
        truth: (Q, M, 2) seconds, NaN = no window.

    Returns:
        (Q,); NaN where there is no true window.

    >>> iop(np.array([[2.0, 6.0]]), np.array([[[4.0, 20.0]]]))
    array([0.5])
    """
    start, end = predicted[:, None, 0], predicted[:, None, 1]
    shared = np.minimum(end, truth[..., 1]) - np.maximum(start, truth[..., 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(end > start, np.maximum(shared, 0) / (end - start), shared >= 0)
    best = np.nan_to_num(share, nan=0.0).max(-1, initial=0.0)
    return np.where(np.isnan(truth[..., 0]).all(-1), np.nan, best)


def grounded_answers(predicted: Floats, truth: Floats, right: npt.ArrayLike) -> dict[str, Floats]:
    """Per-question values of grounded question answering, (Q,) in [0, 1].

    `Acc@GQA`: the answer is right and its window has IoP >= 0.5. Besides it `Acc@QA`, `mIoP`,
    `IoP@0.3`, `IoP@0.5`, `mIoU`, `IoU@0.3`, `IoU@0.5`. Their means are the figures of NExT-GQA; a
    question without a prediction counts as wrong (its evaluator leaves it out).

    Args:
        predicted: (Q, 2) seconds, NaN = no window.
        truth: (Q, M, 2) seconds, NaN = no window; a question without any is NaN everywhere.
        right: (Q,) whether the answer is right.

    Raises:
        BadInput: unequal numbers of questions.
    """
    correct = np.asarray(right, bool)
    if not len(predicted) == len(truth) == len(correct):
        raise BadInput(
            f"{len(predicted)} windows, {len(truth)} truths and {len(correct)} answers; "
            "give one of each per question"
        )
    inside = iop(predicted, truth)
    known = ~np.isnan(inside)
    overlap = iou(predicted[:, None], truth)[:, 0].max(-1, initial=0.0)
    values = {
        "Acc@QA": correct,
        "Acc@GQA": correct & (inside >= 0.5),
        "mIoP": inside,
        **{f"IoP@{least}": inside >= least for least in LEAST},
        "mIoU": overlap,
        **{f"IoU@{least}": overlap >= least for least in LEAST},
    }
    return {name: np.where(known, value, np.nan) for name, value in values.items()}


def per_video(values: Floats, vids: npt.ArrayLike) -> Floats:
    """(Q,) values -> (V,) their means by video, in the order of sorted names; NaN do not count."""
    _, group = np.unique(np.asarray(vids), return_inverse=True)
    counted = ~np.isnan(values)
    total = int(group.max(initial=-1)) + 1
    sums = np.bincount(group, np.where(counted, values, 0.0), total)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.bincount(group, counted.astype(np.float64), total))


def rtl(
    predicted: Floats, truth: Floats, vids: npt.ArrayLike
) -> dict[str, tuple[float, float, float]]:
    """ActivityNet-RTL as LITA scores it: the mean of each video first, then over videos.

    Args:
        predicted: (Q, 2) seconds; NaN = no answer, which has IoU 0. (LITA puts the whole video
            where a text names no two times.)
        truth: (Q, 2) seconds.
        vids: (Q,) names of the videos.

    Returns:
        `mIoU` and `P@0.5` (IoU >= 0.5): percent and its 95 % interval over videos (NaN for one).
    """
    overlap = iou(predicted[:, None], truth[:, None])[:, 0, 0]
    found = {"mIoU": overlap, "P@0.5": (overlap >= 0.5).astype(np.float64)}
    means = np.stack([per_video(value, vids) for value in found.values()])
    intervals = 100 * bootstrap_means(means, np.arange(means.shape[1]))
    return {
        name: (100 * float(mean.mean()) if mean.size else np.nan, float(low), float(high))
        for name, mean, (low, high) in zip(found, means, intervals, strict=True)
    }


class Judge(Protocol):
    """Whoever marks a free answer: a person's marks, or a language model asked elsewhere."""

    def __call__(self, question: str, reference: str, answer: str) -> float:
        """Mark in [0, 1]: how well the answer says what the reference says."""
        ...


def judged(judge: Judge, answers: Sequence[tuple[str, str, str]]) -> Floats:
    """(question, reference, answer) triples -> (Q,) marks.

    Raises:
        BadInput: a mark outside [0, 1], naming the question.
    """
    marks = np.array([judge(*answer) for answer in answers], np.float64)
    wrong = ~((marks >= 0) & (marks <= 1))
    if wrong.any():
        place = int(wrong.argmax())
        raise BadInput(
            f"the judge gave {marks[place]} for {answers[place][0]!r}; marks lie in [0, 1]"
        )
    return marks
