"""Several people timed the same queries: how far they agree, and what that makes of a score.

Q queries, A people; annotations are (Q, A, 2) seconds, NaN where somebody did not answer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.metrics.groups import bootstrap_means
from grounding.metrics.retrieval import RECALLS, Floats, iou, query_values

Interval = tuple[float, float, float]  # percent, and its 95 % interval over videos


def pairwise(annotations: Floats) -> Floats:
    """(Q, A, 2) -> (Q,) mean IoU of all pairs of people, in [0, 1]; NaN where fewer than two
    answered.

    Two people who gave the same instant (start = end) do not overlap: such a pair has 0.
    """
    overlap = iou(annotations, annotations)
    given = ~np.isnan(annotations[..., 0])
    first, second = np.triu_indices(annotations.shape[1], 1)
    both = given[:, first] & given[:, second]
    total = np.where(both, overlap[:, first, second], 0.0).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / both.sum(1))


def multi_reference(predicted: Floats, annotations: Floats) -> dict[str, Floats]:
    """Per-query values of predictions against several people, (Q,) in [0, 1].

    Two readings of every metric, both with the protocol of one reference:
    `R1@0.5 best` and so on: what somebody said counts as right (the best person);
    `R1@0.5 mean` and so on: the mean over the people, each of them alone as the truth.

    Args:
        predicted: (Q, P, 2 or more) seconds, best first, NaN = no prediction.
        annotations: (Q, A, 2); a query that nobody answered is NaN.
    """
    best = query_values(predicted, annotations)
    overlap = iou(predicted[..., :2], annotations)  # (Q, P, A)
    given = ~np.isnan(annotations[..., 0])
    alone = {
        f"R{k}@{least}": (overlap[:, :k] >= least).any(1).astype(np.float64) for k, least in RECALLS
    }
    alone["mIoU"] = overlap[:, 0]
    found = {f"{name} best": value for name, value in best.items()}
    with np.errstate(invalid="ignore"):
        for name, value in alone.items():
            mean = np.where(given, value, 0.0).sum(1) / given.sum(1)
            found[f"{name} mean"] = mean
    return found


def human_ceiling(annotations: Floats) -> dict[str, Floats]:
    """Per-query values of the people themselves: each answers, the others are the references.

    The mean over the people of `multi_reference`, with one window an answer (so R5 is not given).
    `best` has one reference fewer than a model has and is therefore a little low; `mean` is not.

    Returns:
        `R1@0.3 best` ... `mIoU mean` -> (Q,) in [0, 1]; NaN where fewer than two answered.

    Raises:
        BadInput: fewer than two people.
    """
    if annotations.shape[1] < 2:
        raise BadInput(f"{annotations.shape[1]} person alone has no ceiling; give two or more")
    totals: dict[str, Floats] = {}
    counts = np.zeros(len(annotations))
    for person in range(annotations.shape[1]):
        rest = np.delete(annotations, person, axis=1)
        answered = ~np.isnan(annotations[:, person, 0]) & ~np.isnan(rest[..., 0]).all(1)
        counts += answered
        for name, value in multi_reference(annotations[:, person : person + 1], rest).items():
            if not name.startswith("R5"):
                totals[name] = totals.get(name, 0.0) + np.where(answered, value, 0.0)
    with np.errstate(invalid="ignore"):
        return {name: np.asarray(total / counts) for name, total in totals.items()}


def people_as_answers(annotations: Floats, truth: Floats) -> dict[str, Floats]:
    """Per-query values of the people against a data set's own windows, under its own protocol.

    What stands beside a published score: the mean over the people of R1 and mIoU.

    Args:
        truth: (Q, M, 2) seconds, NaN = no window.

    Returns:
        `R1@0.3`, `R1@0.5`, `R1@0.7`, `mIoU` -> (Q,) in [0, 1]; NaN where nobody answered or
        nothing is to be found.
    """
    given = ~np.isnan(annotations[..., 0])
    people = [
        query_values(annotations[:, person : person + 1], truth)
        for person in range(annotations.shape[1])
    ]
    with np.errstate(invalid="ignore"):
        return {
            name: sum(
                (np.where(given[:, a], values[name], 0.0) for a, values in enumerate(people)),
                np.zeros(len(truth)),
            )
            / given.sum(1)
            for name in (people[0] if people else {})
            if not name.startswith("R5")
        }


def with_intervals(values: dict[str, Floats], vids: npt.ArrayLike) -> dict[str, Interval]:
    """Means in percent with 95 % bootstrap intervals over the queries' videos.

    Args:
        values: name -> (Q,) in [0, 1], NaN where a query does not count.
        vids: (Q,) names of the videos.
    """
    rows = np.stack(list(values.values())) if values else np.zeros((0, 0))
    found = {}
    for (name, value), (low, high) in zip(
        values.items(), 100 * bootstrap_means(rows, vids), strict=True
    ):
        mean = 100 * float(np.nanmean(value)) if (~np.isnan(value)).any() else np.nan
        found[name] = (mean, float(low), float(high))
    return found
