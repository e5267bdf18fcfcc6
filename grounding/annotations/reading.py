"""Any annotation file -> samples, and samples -> any annotation file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grounding.annotations.checking import Problem, repaired
from grounding.annotations.durations import Recording, measure, read_durations, timed
from grounding.annotations.formats import format_named, sniff
from grounding.annotations.row import Options, Row
from grounding.annotations.samples import numbered, samples_of
from grounding.annotations.writing import write_files
from grounding.errors import AnnotationError
from grounding.types import Sample

Durations = Mapping[str, float] | str | Path
PLAIN = Options()
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's rows with their durations, before they are judged.

    Attributes:
        path: the file.
        format: its name.
        rows: in the order of the file.
        media: the recordings by vid; None where nobody named their folder.
    """

    path: Path
    format: str
    rows: list[Row]
    media: dict[str, Recording] | None = None

    def repaired(self) -> tuple[list[Row], list[Problem]]:
        """As `grounding.annotations.checking.repaired`."""
        return repaired(self.rows, media=self.media)


def read_rows(path: str | Path, format: str | None = None, options: Options = PLAIN) -> list[Row]:
    """A file's rows as they stand; its format is found out where it is not named.

    Raises:
        AnnotationError: naming file and line.
        BadInput: there is no such format.
    """
    path = Path(path)
    rows = numbered(format_named(format or sniff(path)).read(path, options))
    for row in rows:
        for name, value in (("vid", row.vid), ("sentence", row.text), ("qid", str(row.qid))):
            if not value.isascii():
                _require_text(path, row, name, value)
    return rows


def _require_text(path: Path, row: Row, name: str, value: str) -> None:
    """JSON can spell half a character, which nothing can be written with."""
    try:
        value.encode()
    except UnicodeEncodeError:
        where = f"{row.source or path}:{row.line}"
        raise AnnotationError(
            f"{where}: {name} {value[:40]!r} holds half a character; correct it"
        ) from None


def opened(
    path: str | Path,
    format: str | None = None,
    *,
    durations: Durations | None = None,
    media: str | Path | None = None,
    options: Options = PLAIN,
    progress: Progress | None = None,
) -> Opened:
    """A file's rows with their durations.

    `durations` (vid -> seconds, or a CSV of them) go before the file's own; recordings in the
    folder `media` are measured, and tell durations that nobody else does.

    Raises:
        AnnotationError: naming file and line.
        BadInput: there is no such format or folder.
    """
    path = Path(path)
    name = format or sniff(path)
    rows = read_rows(path, name, options)
    table = read_durations(durations) if isinstance(durations, str | Path) else durations
    found = None
    if media is not None:
        found = measure(media, (row.vid for row in rows), progress)
    return Opened(path, name, timed(rows, table, found), found)


def read(
    path: str | Path,
    format: str | None = None,
    durations: Durations | None = None,
    media: str | Path | None = None,
    clamp: bool = False,
    options: Options = PLAIN,
    *,
    lenient: bool = False,
) -> list[Sample]:
    """Read an annotation file of any known format.

    `clamp` repairs times (see `grounding.annotations.checking.repaired`); `lenient` keeps moments
    that end after the recording as they are. Without either they are errors.

    Raises:
        AnnotationError: naming file, line and value.
        BadInput: there is no such format or folder.
    """
    file = opened(path, format, durations=durations, media=media, options=options)
    rows = file.repaired()[0] if clamp else file.rows
    return samples_of(rows, path=file.path, lenient=lenient)


def write(
    path: str | Path, samples: Sequence[Sample], format: str, options: Options = PLAIN
) -> list[Path]:
    """Write annotations -> the files, each whole or not at all.

    A format of one recording a file makes `path` a folder, unless its name ends as the format's do.

    Raises:
        BadInput: the format cannot be written, or cannot hold the samples.
    """
    return write_files(Path(path), samples, format_named(format, writing=True), options)
