"""Charades-STA queries timed again by several people (Otani et al., BMVC 2020).

CSV with HITId, video_id, description, start, end; one row per person, times in percent of the
video. Source: "Uncovering Hidden Challenges in Query-Based Video Moment Retrieval".
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grounding.errors import AnnotationError

COLUMNS = ("HITId", "video_id", "description", "start", "end")


@dataclass(slots=True)
class Retimed:
    """One query and what each person said.

    Attributes:
        vid: name of the video, without its suffix.
        text: the sentence.
        duration: seconds of the video.
        windows: start and end in seconds, one per person.
        line: where the first person's row stands in its file.
    """

    vid: str
    text: str
    duration: float
    windows: list[tuple[float, float]] = field(default_factory=list)
    line: int = 0


def read_reannotated(paths: Iterable[str | Path], durations: Mapping[str, float]) -> list[Retimed]:
    """Read the files as one, in their order; one HIT of a query is one query.

    Args:
        durations: seconds of every video.

    Raises:
        AnnotationError: naming file, line and value: no such columns, no number, a time outside
            0 to 100 percent, an end before its start, a video of unknown duration.
    """
    queries: dict[tuple[str, str, str], Retimed] = {}
    for path in map(Path, paths):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise AnnotationError(f"{path}: no such file") from None
        except UnicodeDecodeError as error:
            raise AnnotationError(
                f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8"
            ) from None
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = next(rows, [])
            if tuple(header) != COLUMNS:
                raise AnnotationError(
                    f"{path}:1: the columns are {','.join(header)[:80]!r}; "
                    f"they must be {','.join(COLUMNS)}"
                )
            for row in rows:
                _add(queries, row, f"{path}:{rows.line_num}", rows.line_num, durations)
        except csv.Error as error:
            raise AnnotationError(f"{path}:{rows.line_num}: {error}; correct the quotes") from None
    return list(queries.values())


def _add(
    queries: dict[tuple[str, str, str], Retimed],
    row: list[str],
    place: str,
    line: int,
    durations: Mapping[str, float],
) -> None:
    if len(row) != len(COLUMNS):
        raise AnnotationError(f"{place}: {len(row)} columns instead of {len(COLUMNS)}; correct it")
    hit, file, sentence, *times = row
    vid = file.removesuffix(".mp4")
    try:
        start, end = (float(t) for t in times)
    except ValueError:
        raise AnnotationError(
            f"{place}: {str(times)[:60]} are no two numbers; correct the line"
        ) from None
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start <= end <= 100):
        raise AnnotationError(
            f"{place}: {start:g} to {end:g} is no part of 0 to 100 percent; correct the line"
        )
    if not sentence.strip():
        raise AnnotationError(f"{place}: the sentence is empty; correct the line")
    if vid not in durations:
        raise AnnotationError(f"{place}: no duration is known of video {vid[:60]!r}; add it")
    seconds = durations[vid]
    query = queries.setdefault((hit, vid, sentence), Retimed(vid, sentence, seconds, [], line))
    query.windows.append((start * seconds / 100, end * seconds / 100))
