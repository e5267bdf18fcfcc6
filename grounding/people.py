"""Predictions beside several people who timed the same queries."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.annotations.reannotated import read_reannotated
from grounding.answers import Answers
from grounding.errors import BadInput
from grounding.metrics import agreement
from grounding.metrics.retrieval import Floats, pad_windows
from grounding.scoring import truth_of
from grounding.timeline import Ints
from grounding.types import Sample

# What people reach on Charades-STA's test queries, as a model is scored: 1000 of them, each timed
# again by five people (Otani et al., BMVC 2020). Measured by `judge` on their files, see the test.
CHARADES_STA = {"R1@0.3": 72.2, "R1@0.5": 44.0, "R1@0.7": 18.2, "mIoU": 44.7}
_CHARADES = re.compile(r"[A-Z0-9]{5}", re.ASCII)


def is_charades(samples: Sequence[Sample]) -> bool:
    """Whether the recordings are named as those of Charades are: five capitals and digits, few of
    them digits alone (as KIT's are).
    """
    names = {s.vid for s in samples}
    lettered = sum(not name.isdecimal() for name in names)
    return 2 * lettered > len(names) and all(map(_CHARADES.fullmatch, names))


class NobodyAgrees(BadInput):
    """The people timed other queries than these."""


@dataclass(frozen=True, eq=False)
class People:
    """What several people said of some of the samples.

    Attributes:
        rows: (N,) the samples that they timed, in rising order.
        windows: (N, A, 2) seconds, NaN where somebody did not answer.
        unknown: queries of the files that no sample has.
    """

    rows: Ints
    windows: Floats
    unknown: int

    def agreement(self, queries: int) -> Floats:
        """(Q,) mean IoU of two people, of all `queries`; NaN where fewer than two timed one."""
        found = np.full(queries, np.nan)
        found[self.rows] = agreement.pairwise(self.windows)
        return found

    def ceiling(self, samples: Sequence[Sample]) -> dict[str, list[float]]:
        """A person against the data set's own windows, as a model is scored: metric -> percent and
        its 95 % interval, which several recordings have.
        """
        timed = [samples[row] for row in self.rows.tolist()]
        values = agreement.people_as_answers(self.windows, truth_of(timed).windows)
        return _rounded(values, [s.vid for s in timed])


def people_of(paths: Sequence[str | Path], samples: Sequence[Sample]) -> People:
    """Read the files and find each query's sample by its recording and sentence.

    A query that was timed in two rounds counts with all that was said.

    Raises:
        AnnotationError: naming file and line.
        NobodyAgrees: none of the samples was timed by two people.
    """
    durations = {s.vid: s.duration for s in samples}
    place = {(s.vid, " ".join(s.query.text.split())): i for i, s in enumerate(samples)}
    said: dict[int, list[tuple[float, float]]] = {}
    unknown = 0
    files = {Path(path).resolve(): path for path in paths}  # nobody counts twice
    for query in read_reannotated(files.values(), durations, lenient=True):
        row = place.get((query.vid, " ".join(query.text.split())))
        if row is None:
            unknown += 1
        else:
            said.setdefault(row, []).extend(query.windows)
    if max(map(len, said.values()), default=0) < 2:
        raise NobodyAgrees(
            f"{paths[0]}: times none of the queries twice; are the annotations of the same videos?"
        )
    rows = sorted(said)
    return People(np.array(rows, np.int64), pad_windows([said[row] for row in rows]), unknown)


def judge(
    paths: Sequence[str | Path], answers: Answers, samples: Sequence[Sample]
) -> dict[str, Any]:
    """How far people agree, and what that makes of a score; percent, with 95 % intervals where
    several recordings are there.

    Keys: `queries`, `people`, `unknown`; `agreement` (mean IoU of two people); `ceiling` (a person
    against the data set's own windows, as a model is scored: what stands beside a published score);
    `human` (a person against the others) and `model` (the predictions against all people), both
    against the best and the mean person.

    Raises:
        AnnotationError, NobodyAgrees: as `people_of`.
    """
    people = people_of(paths, samples)
    timed = [samples[row] for row in people.rows.tolist()]
    vids = [s.vid for s in timed]
    predicted, _ = answers.of(answers.match(timed))
    parts = {
        "agreement": {"mIoU": agreement.pairwise(people.windows)},
        "human": agreement.human_ceiling(people.windows),
        "model": agreement.multi_reference(predicted, people.windows),
    }
    return {
        "queries": len(timed),
        "people": int(people.windows.shape[1]),
        "unknown": people.unknown,
        "ceiling": people.ceiling(samples),
        **{name: _rounded(values, vids) for name, values in parts.items()},
    }


def _rounded(values: dict[str, Floats], vids: Sequence[str]) -> dict[str, list[float]]:
    """Percent and the two ends of its interval; the percent alone where queries of one recording
    count, and nothing where none does. JSON knows no NaN.
    """
    found = agreement.with_intervals(values, vids)
    told = {
        name: [round(x, 2) for x in three if not math.isnan(x)] for name, three in found.items()
    }
    return {name: numbers for name, numbers in told.items() if numbers}
