"""What a picture says in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grounding.explaining.seeing import Seen
from grounding.export import is_absent
from grounding.types import Moment


def span(moment: Moment) -> str:
    """Start to end in seconds."""
    digits = 1 if moment.length >= 1 else 2
    return f"{moment.start:.{digits}f}–{moment.end:.{digits}f} s"


def facts(seen: Seen) -> list[str]:
    """Two lines: the query with its truth, the model with its answer."""
    sample = seen.sample
    asked = [f"query {sample.qid} of {seen.split}", f"recording {sample.vid}"]
    asked += [f"{seen.line.duration:.1f} s"]
    if sample.needs is not None:
        asked.append(f"needs {sample.needs}")
    there = ", ".join(map(span, sample.windows)) or "the moment is not there"
    asked.append(f"truth: {there}")
    if sample.glance is not None:
        asked.append(f"glance at {sample.glance:.1f} s")
    return [" · ".join(asked), " · ".join(_answered(seen))]


def _answered(seen: Seen) -> list[str]:
    prediction = seen.prediction
    method = f"head {seen.head}, weights of epoch {seen.epoch}"
    if seen.epochs is not None:
        method += f", prior of epoch {seen.epochs}"
    said = [f"run {seen.run}", method]
    if prediction.moments:
        best = prediction.moments[0]
        iou = seen.iou(best)
        said.append(f"best answer: {span(best)}, score {best.score:.2f}")
        if iou is not None:
            said.append(f"IoU {iou:.2f}")
    if prediction.absent is not None:
        verdict = "probably not there" if is_absent(prediction) else "there"
        said.append(f"says: {verdict} (probability of absence {prediction.absent:.2f})")
    return said


def moved(history: npt.NDArray[np.bool_]) -> list[str]:
    """(E, N) centres of a prior after each epoch -> what became of those of the first epoch.

    >>> moved(np.array([[True, True, False], [False, True, True]]))
    ['2 after epoch 1', '2 now', '1 came, 1 went']
    """
    first, last = history[0], history[-1]
    came, went = int((last & ~first).sum()), int((first & ~last).sum())
    return [f"{first.sum()} after epoch 1", f"{last.sum()} now", f"{came} came, {went} went"]
