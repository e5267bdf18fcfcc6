"""Rows -> samples: typed, checked, with the line in every error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from grounding.annotations.checking import END_SLACK, repaired
from grounding.annotations.durations import timed
from grounding.annotations.row import Row
from grounding.errors import AnnotationError
from grounding.types import Moment, Query, Sample

CLAMP = "correct it, or repair all with `grounding annotations convert --clamp`"


def numbered(rows: Iterable[Row]) -> list[Row]:
    """Rows that have a qid each: their place, from 0, where the file gives none."""
    return [
        row if row.qid is not None else replace(row, qid=place) for place, row in enumerate(rows)
    ]


def sample_of(row: Row, *, lenient: bool = False) -> Sample:
    """One row -> Sample.

    `lenient` keeps moments that end after the recording as they are.

    Raises:
        ValueError: a value is wrong.
    """
    if row.qid is None:
        raise ValueError("it has no qid; give it one")
    if row.duration is None:
        raise ValueError("nobody says how long the recording is; pass --durations or --media")
    sample = Sample(
        query=Query(row.text, row.qid, row.vid),
        duration=float(row.duration),
        windows=tuple(_moment(start, end) for start, end in row.windows),
        glance=row.glance,
        needs=row.needs,
        saliency=row.saliency,
        extra=row.extra,
    )
    for window in sample.windows:
        if window.end > sample.duration + END_SLACK and not lenient:
            raise ValueError(
                f"end {window.end} s is after the recording ({sample.duration} s); {CLAMP}"
            )
    return sample


def _moment(start: float, end: float) -> Moment:
    try:
        return Moment(start, end)
    except ValueError as error:
        raise ValueError(f"{error}; {CLAMP}") from None


def samples_of(
    rows: Iterable[Row],
    *,
    path: Path,
    durations: Mapping[str, float] | None = None,
    clamp: bool = False,
    lenient: bool = False,
) -> list[Sample]:
    """The rows of the file `path` -> samples.

    `durations` (vid -> seconds) go before the file's own. `clamp` repairs times (see
    `grounding.annotations.checking.repaired`, which also tells what it repaired); `lenient` keeps
    moments that end after the recording as they are.

    Raises:
        AnnotationError: naming file, line, recording and value.
    """
    rows = timed(numbered(rows), durations)  # before any is left out
    if clamp:
        rows = repaired(rows)[0]
    samples: list[Sample] = []
    seen: dict[int | str, Row] = {}
    for row in rows:
        try:
            sample = sample_of(row, lenient=lenient)
            first = seen.setdefault(sample.qid, row)
            if first is not row:
                raise ValueError(f"qid {sample.qid!r} stands in line {first.line} too; change one")
        except ValueError as error:
            wrong = str(error) if ";" in str(error) else f"{error}; correct it"
            where = f"{row.source or path}:{row.line}: {row.vid[:60]!r}"
            raise AnnotationError(f"{where}: {wrong}") from None
        samples.append(sample)
    return samples
