"""What is wrong with annotations, by kind and line, and what of it can be repaired."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grounding.annotations.durations import Recording
from grounding.annotations.row import Row

END_SLACK = 1e-3  # seconds by which a time may lie past the end: times are written with two digits

EMPTY_TEXT = "empty text"
MISSING_DURATION = "missing duration"
NO_RECORDING = "no recording"
DURATION_DIFFERS = "duration differs from the recording"
INVERTED = "start >= end"
NEGATIVE = "negative time"
PAST_END = "past the end"
GLANCE_OUTSIDE_MOMENT = "glance outside its moment"
GLANCE_OUTSIDE_RECORDING = "glance outside the recording"
DISJOINT = "same query, disjoint moment"
REPEATED = "same sentence twice"

# in the order in which they are listed
KINDS = (
    EMPTY_TEXT,
    MISSING_DURATION,
    NO_RECORDING,
    DURATION_DIFFERS,
    INVERTED,
    NEGATIVE,
    PAST_END,
    GLANCE_OUTSIDE_MOMENT,
    GLANCE_OUTSIDE_RECORDING,
    DISJOINT,
    REPEATED,
)

Span = tuple[float, float]
Media = Mapping[str, Recording]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: one of `KINDS`.
        line: where, from 1.
        vid: name of the recording.
        text: the sentence.
        value: what is wrong, with the values, in one line.
        source: the file, where it is not the one that was named.
    """

    kind: str
    line: int
    vid: str
    text: str
    value: str
    source: Path | None = None


def check(rows: Iterable[Row], *, media: Media | None = None) -> list[Problem]:
    """What is wrong with the rows, by kind, then in the order of the file; in linear time.

    `media` holds the recordings that were found, by vid; None = nobody looked.
    """
    rows = list(rows)
    found = [_problem(row, *fault) for row in rows for fault in _faults(row, media)]
    found += _lost(rows, media)
    found += _repeats(rows)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda problem: order[problem.kind])  # stable: lines stay in order


def repaired(rows: Iterable[Row], *, media: Media | None = None) -> tuple[list[Row], list[Problem]]:
    """Rows with times brought inside their recording, and what was changed.

    A start after its end changes places with it; times are clamped to the recording and glances to
    the nearest moment; a duration that differs from the recording's gives way to it. A moment of
    which nothing remains is left out, and a query that had moments and keeps none too. What cannot
    be repaired (texts, missing durations, repeated queries) stays as it is.
    """
    kept: list[Row] = []
    changes: list[Problem] = []
    for row in rows:
        better, changed = _repair(row, media)
        changes += changed
        if better is not None:
            kept.append(better)
    return kept, changes


def _problem(row: Row, kind: str, value: str) -> Problem:
    return Problem(kind, row.line, row.vid, row.text, value, row.source)


def _s(time: float) -> str:
    """Seconds to the millisecond: closer than that nothing is called wrong."""
    return f"{time:.3f}".rstrip("0").rstrip(".") if abs(time) < 1e9 else f"{time:.6g}"


def _said(span: Span) -> str:
    return f"{_s(span[0])} to {_s(span[1])} s"


def _differs(row: Row, media: Media | None) -> tuple[float, float] | None:
    """The row's duration and its recording's, where they are more than a frame apart."""
    recording = media.get(row.vid) if media else None
    if recording is None or row.duration is None:
        return None
    # a frame's length is stored rounded
    if abs(recording.duration - row.duration) <= recording.frame * 1.001:
        return None
    return row.duration, recording.duration


def _window_kinds(span: Span, duration: float | None, is_click: bool) -> list[str]:
    start, end = span
    kinds = []
    if start >= end and not (is_click and start == end):
        kinds.append(INVERTED)
    if min(start, end) < 0:
        kinds.append(NEGATIVE)
    if duration is not None and max(start, end) > duration + END_SLACK:
        kinds.append(PAST_END)
    return kinds


def _glance_kind(glance: float, windows: Sequence[Span], duration: float | None) -> str | None:
    if glance < 0 or (duration is not None and glance > duration + END_SLACK):
        return GLANCE_OUTSIDE_RECORDING
    inside = any(min(span) <= glance <= max(span) for span in windows)
    return GLANCE_OUTSIDE_MOMENT if windows and not inside else None


def _faults(row: Row, media: Media | None) -> Iterator[tuple[str, str]]:
    if not row.text.strip():
        yield EMPTY_TEXT, "there is no sentence"
    duration = row.duration
    if duration is None or duration <= 0:
        yield MISSING_DURATION, "none is given" if duration is None else f"it is {_s(duration)} s"
        duration = None
    if lengths := _differs(row, media):
        yield DURATION_DIFFERS, f"{_s(lengths[0])} s; the recording has {_s(lengths[1])} s"
    ends = "" if duration is None else f"; the recording ends at {_s(duration)} s"
    for span in row.windows:
        for kind in _window_kinds(span, duration, _is_click(row)):
            yield kind, _said(span) + (ends if kind == PAST_END else "")
    glance = row.glance
    if glance is not None and (outside := _glance_kind(glance, row.windows, duration)):
        moments = "; its moment is " + ", ".join(map(_said, row.windows[:3]))
        about = ends if outside == GLANCE_OUTSIDE_RECORDING else moments
        yield outside, f"{_s(glance)} s{about}"


def _is_click(row: Row) -> bool:
    """Whether its moment is one instant on purpose: `grounding init` writes a click so."""
    return row.extra.get("supervision") == "glance"


def _lost(rows: Iterable[Row], media: Media | None) -> Iterator[Problem]:
    if media is None:
        return
    first = {row.vid: row for row in reversed(list(rows)) if row.vid not in media}
    for row in reversed(first.values()):
        yield _problem(row, NO_RECORDING, "there is none of that name")


def _repeats(rows: Iterable[Row]) -> Iterator[Problem]:
    """Queries that were asked of the same recording before, each held against the first."""
    first: dict[tuple[str, str], tuple[Row, list[Span]]] = {}
    for row in rows:
        key = row.vid, " ".join(row.text.casefold().split())
        if not key[1]:
            continue
        if key not in first:
            first[key] = row, _union(row.windows)
            continue
        before, union = first[key]
        away = bool(union and row.windows) and not any(_meets(union, s) for s in row.windows)
        there, here = (", ".join(map(_said, each.windows[:3])) for each in (before, row))
        where = f" in line {before.line}" if before.line != row.line else ""
        value = f"{here or 'no moment'}; first{where}: {there or 'no moment'}"
        yield _problem(row, DISJOINT if away else REPEATED, value)


def _union(windows: Iterable[Span]) -> list[Span]:
    """Sorted intervals without overlap that cover the same time."""
    union: list[Span] = []
    for start, end in sorted((min(span), max(span)) for span in windows):
        if union and start <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end)
        else:
            union.append((start, end))
    return union


def _meets(union: Sequence[Span], span: Span) -> bool:
    """Whether the interval shares time with the union; an instant does where it lies in it."""
    start, end = min(span), max(span)
    at = bisect_right(union, (end, math.inf)) - 1
    while at >= 0 and union[at][1] >= start:
        first, last = union[at]
        if min(last, end) > max(first, start) or start == end or first == last:
            return True
        at -= 1  # they touch only; at most one more can
    return False


def _repair(row: Row, media: Media | None) -> tuple[Row | None, list[Problem]]:
    changes = []
    if lengths := _differs(row, media):
        value = f"{_s(lengths[0])} s -> {_s(lengths[1])} s"
        changes.append(_problem(row, DURATION_DIFFERS, value))
        row = replace(row, duration=lengths[1])
    limit = row.duration if row.duration is not None and row.duration > 0 else None
    end = math.inf if limit is None else limit
    windows: list[Span] = []
    for span in row.windows:
        kinds = _window_kinds(span, limit, _is_click(row))
        times = sorted(min(max(time, 0.0), end) for time in span)
        better = (times[0], times[1]) if kinds else span
        gone = better[0] == better[1] and span[0] != span[1]
        if better != span:
            after = "left out" if gone else _said(better)
            changes += [_problem(row, kind, f"{_said(span)} -> {after}") for kind in kinds]
        if not gone:
            windows.append(better)
    if row.windows and not windows:
        return None, changes
    if windows != row.windows:
        row = replace(row, windows=windows)
    if row.glance is not None and (kind := _glance_kind(row.glance, windows, limit)):
        glance = _nearest(row.glance, windows or [(0.0, end)])
        changes.append(_problem(row, kind, f"{_s(row.glance)} s -> {_s(glance)} s"))
        row = replace(row, glance=glance)
    return row, changes


def _nearest(time: float, windows: Iterable[Span]) -> float:
    inside = (min(max(time, start), end) for start, end in windows)
    return min(inside, key=lambda each: abs(each - time))
