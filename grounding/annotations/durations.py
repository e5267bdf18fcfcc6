"""How long recordings are, for annotations that do not say: a table, or the recordings."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from grounding.annotations.fields import seconds
from grounding.annotations.row import Row
from grounding.annotations.source import read_text
from grounding.errors import AnnotationError, BadInput, UnreadableMedia
from grounding.media import RECORDINGS

VID = ("vid", "video", "video_id", "id", "name")
DURATION = ("duration", "length", "seconds", "dur")


class Recording(NamedTuple):
    """What was found out about a recording, in seconds."""

    duration: float
    frame: float


def read_durations(path: str | Path) -> dict[str, float]:
    """vid -> seconds, from a CSV whose first two columns they are, or that names them.

    Charades_v1_train.csv (columns `id` and `length`, among others) is such a file.

    Raises:
        AnnotationError: naming file and line.
    """
    path = Path(path)
    table = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    found: dict[str, float] = {}
    columns: tuple[int, int] | None = None
    try:
        for cells in table:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns, is_heading = _columns(cells)
                if is_heading:
                    continue
            vid, duration = _duration(cells, columns)
            if found.setdefault(vid, duration) != duration:
                raise ValueError(f"{vid!r} has {found[vid]:.10g} s further up")
    except (csv.Error, ValueError) as error:
        raise AnnotationError(
            f"{path}:{table.line_num}: {error}; write vid,duration on each line"
        ) from None
    return found


def _columns(cells: list[str]) -> tuple[tuple[int, int], bool]:
    """Where vid and duration stand, and whether this line is a heading."""
    names = [cell.strip().casefold() for cell in cells]
    vid = next((names.index(name) for name in VID if name in names), None)
    duration = next((names.index(name) for name in DURATION if name in names), None)
    if vid is not None and duration is not None:
        return (vid, duration), True
    return (0, 1), False


def _duration(cells: list[str], columns: tuple[int, int]) -> tuple[str, float]:
    if len(cells) <= max(columns):
        raise ValueError(f"it has {len(cells)} columns, not {max(columns) + 1}")
    duration = seconds(cells[columns[1]], "duration")
    if duration <= 0:
        raise ValueError(f"duration {duration:.10g} s is not positive")
    return cells[columns[0]].strip(), duration


def measure(
    folder: str | Path,
    vids: Iterable[str],
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Recording]:
    """vid -> its recording, for those that lie in the folder or below and can be read.

    A vid is a recording's name with or without its suffix.

    Raises:
        BadInput: there is no such folder, two recordings have a vid's name, or not one vid has a
            recording that can be read.
    """
    from grounding.media.probe import probe

    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; name the folder of the recordings")
    named: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in RECORDINGS and path.is_file():
            named.setdefault(path.stem, []).append(path)
            named.setdefault(path.name, []).append(path)
    wanted = list(dict.fromkeys(vids))
    found: dict[str, Recording] = {}
    trouble = ""
    for done, vid in enumerate(wanted, 1):
        paths = named.get(vid, [])
        if len(paths) > 1:
            raise BadInput(f"{paths[1]}: {paths[0]} has the same name; move one of them away")
        for path in paths:
            try:
                info = probe(path)
                found[vid] = Recording(info.duration, 1 / info.rate if info.rate else 0.0)
            except UnreadableMedia as error:
                trouble = trouble or f" ({error})"
        if progress is not None:
            progress(done, len(wanted), vid)
    if wanted and not found:
        raise BadInput(
            f"{folder}: no recording of these annotations, as {wanted[0]!r}, can be read in it"
            f"{trouble}; name the folder of their recordings"
        )
    return found


def timed(
    rows: Iterable[Row],
    durations: Mapping[str, float] | None = None,
    media: Mapping[str, Recording] | None = None,
) -> list[Row]:
    """Rows with their durations: those given, else the file's own, else the recording's.

    Where a row's moment is all of the recording, its end is the duration.
    """
    return [_timed(row, durations or {}, media or {}) for row in rows]


def _timed(row: Row, durations: Mapping[str, float], media: Mapping[str, Recording]) -> Row:
    duration = durations.get(row.vid, row.duration)
    if duration is None and row.vid in media:
        duration = media[row.vid].duration
    if duration is not None and any(end == float("inf") for _, end in row.windows):
        windows = [(a, duration if b == float("inf") else b) for a, b in row.windows]
        return replace(row, duration=duration, windows=windows)
    return row if duration == row.duration else replace(row, duration=duration)
