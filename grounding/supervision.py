"""Supervision: which facts of an annotation a training may know. What is not chosen never reaches
a batch.

`full` = the true moments, `saliency` = what people gave each clip of two seconds (QVHighlights),
`glance` = one instant, `none` = only that the sentence belongs to the recording, `best` = the
strongest of these that each query has, so that mixed data works. A sentence that is annotated as
absent from its recording says so under any of them: it is an annotation without times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from grounding.errors import BadInput
from grounding.metrics.highlights import CLIP
from grounding.scoring import judged_clips
from grounding.settings import Supervision
from grounding.timeline import Floats, Timeline
from grounding.types import Sample
from models.records import pad

_TOP = 4.0  # the best that a person can give a clip
_LACKS = {
    "glance": "no line has a glance; add some",
    "full": "no line has relevant_windows that last; add some",
    "saliency": "no line has saliency_scores with relevant_clip_ids; add some",
    "none": "every line is about what is not there; add sentences that belong to a recording",
}
_LACKS["best"] = _LACKS["none"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a training may know about one query; of the times at most one kind is there.

    Attributes:
        glance: one instant, seconds.
        spans: the true moments, (start, end) in seconds.
        saliency: the mean over people of each clip of two seconds, in [0, 1].
        absent: nothing in the recording fits the sentence.
    """

    glance: float | None = None
    spans: tuple[tuple[float, float], ...] = ()
    saliency: tuple[float, ...] = ()
    absent: bool = False


def facts_of(sample: Sample, supervision: Supervision) -> Facts | None:
    """The facts of a query under a kind of supervision; None where it has not what is asked for.

    Windows without length are glances that an intake wrote down, not boundaries.

    Raises:
        BadInput: saliency is asked for, and the query's is no table over its clips.
    """
    if is_absent(sample):
        return Facts(absent=True)
    best = supervision == "best"
    if best or supervision == "full":
        spans = tuple((w.start, w.end) for w in sample.windows if w.end > w.start)
        if spans:
            return Facts(spans=spans)
    if (best or supervision == "saliency") and sample.saliency:
        scores = _mean_scores(sample)
        if max(scores) > 0:
            return Facts(saliency=scores)
    if (best or supervision == "glance") and sample.glance is not None:
        return Facts(glance=sample.glance)
    return Facts() if best or supervision == "none" else None


def check(source: str | Path, samples: Iterable[Sample], supervision: Supervision) -> None:
    """Refuse queries that cannot be learned from, before any recording is looked at.

    Raises:
        BadInput: names `source`; a fact that is asked for is broken, or no query has it.
    """
    try:
        facts = [facts_of(sample, supervision) for sample in samples]
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    if all(f is None or f.absent for f in facts):
        raise BadInput(f"{source}: {_LACKS[supervision]}")


def is_absent(sample: Sample) -> bool:
    """Whether the annotation says that nothing in the recording fits: its `relevant_windows` are
    there and empty, and nothing else points at a moment.
    """
    told = "relevant_windows" not in sample.extra
    return told and not sample.windows and sample.glance is None and not sample.saliency


def resample(scores: Sequence[float], duration: float, clips: int) -> Floats:
    """Scores of clips of two seconds -> (clips,) of a recording in equal parts: each is the mean
    over its time.

    Scores past the recording's end are left out; where they end before it, 0 follows.
    """
    source, target = Timeline.every(duration, CLIP), Timeline(duration, clips)
    given = np.zeros(source.clips)
    known = min(len(scores), source.clips)
    given[:known] = scores[:known]
    ends = np.minimum(target.edges[1:, None], source.edges[None, 1:])
    starts = np.maximum(target.edges[:-1, None], source.edges[None, :-1])
    shared = (ends - starts).clip(min=0)  # (clips, source) seconds
    mean: Floats = shared @ given / shared.sum(1)
    return mean


def _mean_scores(sample: Sample) -> tuple[float, ...]:
    judged = judged_clips(sample)
    if judged is None or judged.min() < 0:
        raise BadInput(
            f"query {sample.qid!r}: saliency_scores must hold as many lists of numbers from 0 to "
            "4 as relevant_clip_ids has clips of 2 s; correct them or choose another supervision"
        )
    return tuple((judged.mean(1) / _TOP).tolist())


class Supervised:
    """The facts of many queries as tensors over the unit interval.

    Attributes:
        facts: (Q,); None where the query is not used.
        usable: (Q,) True where training uses the query.
        glance: (Q,) in [0, 1]; NaN where there is none.
        spans: (Q, M, 2) in [0, 1]; NaN rows are padding.
        absent: (Q,) True where nothing in the recording fits.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        durations: Sequence[float],
        clips: int,
        supervision: Supervision,
        absence: bool,
    ) -> None:
        """`absence`: what is not there is used too."""
        self.clips = clips
        self.supervision: Supervision = supervision
        self.facts = [facts_of(sample, supervision) for sample in samples]
        known = [f or Facts() for f in self.facts]
        lines = [Timeline(duration, 1) for duration in durations]
        self.absent = torch.tensor([f.absent for f in known], dtype=torch.bool)
        used = torch.tensor([f is not None for f in self.facts], dtype=torch.bool)
        self.usable = used & ~self.absent if not absence else used
        self.glance = torch.tensor(
            [
                float("nan") if f.glance is None else float(line.to_unit(f.glance))
                for f, line in zip(known, lines, strict=True)
            ],
            dtype=torch.float32,
        )
        spans = [
            torch.from_numpy(line.to_unit(f.spans).reshape(-1, 2)).float()
            for f, line in zip(known, lines, strict=True)
        ]
        padded = pad([*spans, torch.zeros(1, 2)])  # at least one column, whatever there is
        self.spans = padded.x.masked_fill(~padded.mask[..., None], float("nan"))[:-1]
        # only the queries that have one: nothing is kept for a glance
        self._saliency = {
            row: torch.from_numpy(resample(f.saliency, duration, clips)).float()
            for row, (f, duration) in enumerate(zip(known, durations, strict=True))
            if f.saliency
        }

    def saliency(self, index: Tensor) -> Tensor:
        """(Q,) places -> (Q, L) score of each clip in [0, 1]; NaN where there is none."""
        nothing = torch.full((self.clips,), float("nan"))
        rows = [self._saliency.get(row, nothing) for row in index.tolist()]
        return torch.stack(rows) if rows else nothing.new_empty(0, self.clips)
