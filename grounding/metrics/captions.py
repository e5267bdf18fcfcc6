"""Dense captions: SODA_c, and sentence scores averaged over tIoU thresholds.

Which sentence score is used is the caller's choice (`caption_scores` has METEOR and CIDEr).
Sources: SODA (ECCV 2020); the ActivityNet Captions evaluator (densevid_eval).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from grounding.errors import BadInput
from grounding.metrics.retrieval import Floats, iou

TIOUS = (0.3, 0.5, 0.7, 0.9)
# what the evaluator compares a caption with that meets no true window
UNMATCHED = "abc123!@#"

Similarity = Callable[[Sequence[str], Sequence[str]], Floats]  # (N), (N) -> (N,): told, true
Corpus = Callable[[Sequence[str], Sequence[str]], float]  # told, true -> one score


class Told(NamedTuple):
    """What somebody said about one video: (N, 2) seconds and N sentences."""

    windows: Floats
    sentences: Sequence[str]


def time_ordered_matching(values: Floats) -> tuple[float, list[tuple[int, int]]]:
    """The matching of rows with columns, both in time order and never crossing, of largest sum.

    Args:
        values: (P, R), not negative.

    Returns:
        The sum, and its pairs in time order.

    >>> time_ordered_matching(np.array([[0.0, 0.9], [0.8, 0.0]]))
    (0.9, [(0, 1)])
    """
    rows, columns = values.shape
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        here = np.maximum(best[i, 1:], best[i, :-1] + values[i])
        best[i + 1, 1:] = np.maximum.accumulate(here)
    pairs = []
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return float(best[rows, columns]), pairs[::-1]


def soda_c(
    predicted: Sequence[Told], references: Sequence[Sequence[Told]], similarity: Similarity
) -> dict[str, Floats]:
    """Story-oriented score of every video: time-ordered matching of IoU x sentence similarity.

    precision = sum / captions told, recall = sum / captions true, F their harmonic mean; with
    several sets of references the one with the best F. SODA_c is the mean F over videos; a video
    about which nothing was told has 0. The authors' program gives METEOR its two sentences the
    other way round: `lambda told, true: meteor(true, told)` follows it. (Its first release summed
    over all videos before dividing; later evaluators take the mean over videos, as here.)

    Args:
        predicted: one per video.
        references: one or more per video, each with at least one sentence.
        similarity: in [0, 1], asked once for all pairs whose windows overlap.

    Returns:
        `precision`, `recall`, `F`: (V,) in [0, 1].

    Raises:
        BadInput: unequal lengths, or a video without references.
    """
    _check(predicted, references)
    tasks = [
        (video, _sorted(told), _sorted(true))
        for video, told in enumerate(predicted)
        for true in references[video]
    ]
    overlaps = [iou(told.windows, true.windows) for _, told, true in tasks]
    places = [np.argwhere(overlap > 0) for overlap in overlaps]
    said = [told.sentences[i] for (_, told, _), p in zip(tasks, places, strict=True) for i, _ in p]
    meant = [true.sentences[j] for (_, _, true), p in zip(tasks, places, strict=True) for _, j in p]
    alike = np.asarray(similarity(said, meant) if said else np.zeros(0), np.float64)

    found = np.zeros((len(predicted), 3))
    start = 0
    for (video, told, true), overlap, place in zip(tasks, overlaps, places, strict=True):
        values = np.zeros(overlap.shape)
        own = alike[start : start + len(place)]
        values[place[:, 0], place[:, 1]] = overlap[place[:, 0], place[:, 1]] * own
        start += len(place)
        total, _ = time_ordered_matching(values)
        if total > 0:
            precision, recall = total / len(told.sentences), total / len(true.sentences)
            f = 2 * precision * recall / (precision + recall)
            if f > found[video, 2]:
                found[video] = precision, recall, f
    return dict(zip(("precision", "recall", "F"), found.T, strict=True))


def dense_scores(
    predicted: Sequence[Told],
    references: Sequence[Sequence[Told]],
    scorers: Mapping[str, Corpus],
    thresholds: Sequence[float] = TIOUS,
) -> dict[str, dict[str, Floats]]:
    """Sentence scores at each tIoU, as the ActivityNet Captions evaluator pairs sentences.

    At a threshold every told sentence is paired with every true one whose window it meets with a
    larger IoU; one that meets none in a set of references (nor in the sets before) is paired with
    garbage. A scorer sees the pairs of one video at a time (so CIDEr counts documents within a
    video); a video about which nothing was told has 0.

    Returns:
        scorer -> `tIoU 0.3` ... and `mean` -> (V,) values of the videos; their mean is the figure.

    Raises:
        BadInput: unequal lengths, or a video without references.
    """
    _check(predicted, references)
    overlaps = [
        [iou(_spans(told), _spans(true)) for true in true_sets]
        for told, true_sets in zip(predicted, references, strict=True)
    ]
    found: dict[str, dict[str, Floats]] = {}
    for name, score in scorers.items():
        by_threshold = {}
        for least in thresholds:
            values = np.zeros(len(predicted))
            for video, told in enumerate(predicted):
                said, meant = _pair(told, references[video], overlaps[video], least)
                if said:
                    values[video] = score(said, meant)
            by_threshold[f"tIoU {least}"] = values
        mean = np.mean(list(by_threshold.values()), axis=0)
        found[name] = {**by_threshold, "mean": mean}
    return found


def _pair(
    told: Told, references: Sequence[Told], overlaps: Sequence[Floats], least: float
) -> tuple[list[str], list[str]]:
    said, meant = [], []
    for i, sentence in enumerate(told.sentences):
        met = False
        for true, overlap in zip(references, overlaps, strict=True):
            # larger, not equal: the evaluator's IoU has 1e-8 added to its union
            for j in np.flatnonzero(overlap[i] > least).tolist():
                said.append(sentence)
                meant.append(true.sentences[j])
                met = True
            if not met:
                said.append(sentence)
                meant.append(UNMATCHED)
    return said, meant


def _check(predicted: Sequence[Told], references: Sequence[Sequence[Told]]) -> None:
    if len(predicted) != len(references):
        raise BadInput(f"{len(predicted)} videos told, {len(references)} with references")
    for video, true_sets in enumerate(references):
        if not true_sets or not all(len(true.sentences) for true in true_sets):
            raise BadInput(f"video {video} has no true captions; leave it out")
        for told in (predicted[video], *true_sets):
            if len(told.windows) != len(told.sentences):
                raise BadInput(
                    f"video {video}: {len(told.windows)} windows for "
                    f"{len(told.sentences)} sentences; give one window each"
                )


def _spans(told: Told) -> Floats:
    return np.asarray(told.windows, np.float64).reshape(-1, 2)


def _sorted(told: Told) -> Told:
    windows = _spans(told)
    order = np.argsort(windows[:, 0], kind="stable")
    return Told(windows[order], [told.sentences[i] for i in order])
