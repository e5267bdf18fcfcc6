"""Predictions as arrays, read as they are: what is wrong with them is counted, not dropped.

For evaluation; `grounding.annotations.read_predictions` is for everything else, and strict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from grounding.annotations.fields import identity, items, shown
from grounding.annotations.walking import objects_of
from grounding.errors import AnnotationError
from grounding.metrics.average_precision import KEPT
from grounding.metrics.retrieval import Floats
from grounding.timeline import Ints
from grounding.types import Prediction, Sample

UNSORTED = "list was not sorted by score"
Qid = int | str
_NUMBERS = {int, float}
_FARTHEST = 1e12  # seconds; lengths of moments beyond overflow


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a score depends on: its kind, how many queries have it, and the first of
    their qids (see `in_order`).
    """

    kind: str
    count: int
    example: Any


def in_order(qid: Qid) -> tuple[int, str]:
    """What qids are sorted by: numbers as numbers, whatever the order of a file's lines."""
    name = str(qid)
    return len(name), name


@dataclass(frozen=True, eq=False)
class Answers:
    """N lists of moments, best first.

    A moment with a time that is not finite becomes [0, 0): it keeps its place and overlaps with
    nothing; times beyond 10^12 s are drawn in. A score that is not finite is the worst. Lists are
    sorted by score; the best ten count.

    Attributes:
        qids: (N,) as the file has them.
        vids: (N,) the recording each names; None where it names none.
        windows: (N, P, 3) start and end in seconds and score, NaN = no moment; P is ten at most.
        absent: (N,) probability that there is no such moment; NaN where nothing is said.
        saliency: (N,) one score per clip; empty where there is none.
        warnings: what was found in the lists themselves.
    """

    qids: tuple[Qid, ...]
    vids: tuple[str | None, ...]
    windows: Floats
    absent: Floats
    saliency: tuple[Floats, ...]
    warnings: tuple[Finding, ...] = ()

    def match(self, samples: Sequence[Sample]) -> Ints:
        """(Q,) the list that answers each sample, by qid, the last one of several; -1 = none.

        Qids are compared as text: 7 and "7" are the same.
        """
        place = {str(qid): row for row, qid in enumerate(self.qids)}
        return np.fromiter((place.get(str(s.qid), -1) for s in samples), np.int64, len(samples))

    def of(self, rows: Ints) -> tuple[Floats, Floats]:
        """(Q, P, 3) moments and (Q,) absence of these lists; NaN where the row is -1."""
        windows = np.full((len(rows), max(self.windows.shape[1], 1), 3), np.nan)
        absent = np.full(len(rows), np.nan)
        known = rows >= 0
        windows[known, : self.windows.shape[1]] = self.windows[rows[known]]
        absent[known] = self.absent[rows[known]]
        return windows, absent


def read_answers(path: str | Path) -> Answers:
    """Read a prediction file.

    Raises:
        AnnotationError: naming file and line: no JSON, a key that is missing, a list that holds
            something else than numbers.
    """
    path = Path(path)
    building = _Building()
    for line, row in objects_of(path):
        try:
            building.add(row)
        except KeyError as error:
            raise AnnotationError(f"{path}:{line}: the key {error} is missing; add it") from None
        except OverflowError:
            raise AnnotationError(
                f"{path}:{line}: a number is larger than 10^308; correct the line"
            ) from None
        except (ValueError, TypeError) as error:
            raise AnnotationError(f"{path}:{line}: {error}; correct the line") from None
    return building.done()


def answers_of(predictions: Sequence[Prediction], unsorted: int = 0) -> Answers:
    """Predictions that are there already, `unsorted` of whose lists their reader had to sort."""
    building = _Building()
    for p in predictions:
        moments = np.array([(m.start, m.end, m.score) for m in p.moments], np.float64)
        building.append(
            p.query.qid,
            p.query.vid,
            moments.reshape(-1, 3),
            p.absent,
            np.array(p.saliency, np.float64),
        )
    found = building.done()
    if not unsorted:
        return found
    said = Finding(UNSORTED, unsorted, None)
    return replace(found, warnings=(said, *found.warnings))


class _Building:
    """Lists one after the other; what they have in common is looked at in the end."""

    def __init__(self) -> None:
        self.qids: list[Qid] = []
        self.vids: list[str | None] = []
        self.lists: list[Floats] = []
        self.absent: list[float] = []
        self.odd: list[int] = []  # lists that say something else than a probability of absence
        self.saliency: list[Floats] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """One line of a prediction file."""
        windows = items(row["pred_relevant_windows"], "pred_relevant_windows")
        for window in windows:
            if type(window) is not list or len(window) != 3:
                raise ValueError(
                    f"pred_relevant_windows holds {shown(window)}; each must be a list of 3 numbers"
                )
        _only_numbers(chain.from_iterable(windows), "pred_relevant_windows")
        given = row.get("pred_saliency_scores")
        saliency = items([] if given is None else given, "pred_saliency_scores")
        _only_numbers(saliency, "pred_saliency_scores")
        absent = row.get("pred_absent")
        _only_numbers([] if absent is None else [absent], "pred_absent")
        vid = row.get("vid")
        self.append(
            identity(row["qid"], "qid"),
            None if vid is None else str(identity(vid, "vid")),
            np.array(windows, np.float64).reshape(-1, 3),
            absent,
            np.array(saliency, np.float64),
        )

    def append(
        self,
        qid: Qid,
        vid: str | None,
        moments: Floats,
        absent: float | None,
        saliency: Floats,
    ) -> None:
        """`moments`: (P, 3)."""
        self.qids.append(qid)
        self.vids.append(vid)
        self.lists.append(moments)
        if absent is not None and not 0 <= absent <= 1:
            self.odd.append(len(self.absent))
            absent = None
        self.absent.append(np.nan if absent is None else absent)
        self.saliency.append(saliency)

    def done(self) -> Answers:
        """All lists as arrays, sorted, with what was found."""
        lengths = np.array([len(m) for m in self.lists], np.int64)
        flat = np.concatenate(self.lists) if self.lists else np.zeros((0, 3))
        owner = np.repeat(np.arange(len(self.lists)), lengths)
        absent = np.array(self.absent, np.float64)
        found = dict(self._found(flat, owner, lengths))
        finite = np.asarray(np.isfinite(flat))
        flat[~finite[:, :2].all(-1), :2] = 0.0
        flat[~finite[:, 2], 2] = -np.inf
        flat[:, :2] = flat[:, :2].clip(-_FARTHEST, _FARTHEST)
        # by list, then by score; equal scores stay as they are
        order = np.lexsort((-flat[:, 2], owner))
        place = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = place < KEPT
        windows = np.full((len(lengths), min(int(lengths.max(initial=0)), KEPT), 3), np.nan)
        windows[owner[kept], place[kept]] = flat[order][kept]
        warnings = tuple(
            Finding(kind, len(rows), min((self.qids[row] for row in rows), key=in_order))
            for kind, rows in found.items()
            if len(rows)
        )
        return Answers(
            tuple(self.qids), tuple(self.vids), windows, absent, tuple(self.saliency), warnings
        )

    def _found(self, flat: Floats, owner: Ints, lengths: Ints) -> Iterator[tuple[str, Ints]]:
        """Kinds of faults, and the lists that have them."""
        start, end, score = flat.T
        rising = (owner[1:] == owner[:-1]) & (score[1:] > score[:-1])
        yield UNSORTED, np.unique(owner[1:][rising])
        yield "a time or score is no number", np.unique(owner[~np.isfinite(flat).all(-1)])
        yield "predicted moment starts before 0", np.unique(owner[start < 0])
        yield "predicted moment ends before it starts", np.unique(owner[end < start])
        yield "predicted moment has no length", np.unique(owner[end == start])
        yield (
            f"list has more than {KEPT} moments; the best {KEPT} count",
            np.flatnonzero(lengths > KEPT),
        )
        yield "pred_absent is no probability", np.array(self.odd, np.int64)
        broken = [i for i, s in enumerate(self.saliency) if not np.isfinite(s).all()]
        yield "a saliency score is no number", np.array(broken, np.int64)


def _only_numbers(values: Any, name: str) -> None:
    for value in values:
        if type(value) not in _NUMBERS:
            raise ValueError(f"{name} holds {shown(value)}; each must be a number")
