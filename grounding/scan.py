"""A bounded look at folders: which files a workspace could use; and their contents, read once."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from grounding.annotations import read_predictions, read_samples
from grounding.annotations.reannotated import COLUMNS
from grounding.errors import BadInput, ConfigError
from grounding.media import RECORDINGS
from grounding.types import Prediction, Sample

DEPTH = 6  # folders below a root
ENTRIES = 50_000  # looked at before giving up: well below a second
_HEAD = 1 << 16  # bytes that tell what a file is

T = TypeVar("T")
Key = tuple[str, str | None, str]  # qid, vid, sentence


@dataclass
class Found:
    """What lies below the roots; resolved paths, each once.

    Attributes:
        lines: JSONL files.
        sheets: CSV files.
        runs: run folders.
        recordings: with the root each was found under.
        warnings: what was not looked at, and why.
    """

    lines: list[Path] = field(default_factory=list)
    sheets: list[Path] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    recordings: dict[Path, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def scan(
    roots: Sequence[Path],
    store: Path,
    may_read: Callable[[Path], bool],
    *,
    depth: int = DEPTH,
    entries: int = ENTRIES,
) -> Found:
    """Look below the (resolved) roots, nearest first; not into hidden folders and not into `store`.

    Links are followed where `may_read` allows their target, and no folder is entered twice. After
    so many `entries` it stops, with a warning.
    """
    found = Found()
    seen: set[Path] = set()
    todo = deque((root, root, 0) for root in roots)
    outside: list[str] = []
    closed: list[str] = []
    looked = 0
    while todo:
        folder, root, level = todo.popleft()
        if folder in seen:
            continue
        seen.add(folder)
        if folder.is_file():
            _file(folder, root.parent, found)
            continue
        try:
            with os.scandir(folder) as listing:
                inside = []
                for entry in listing:
                    looked += 1
                    if looked > entries:
                        break
                    if not entry.name.startswith("."):
                        inside.append(entry)
        except OSError as error:
            closed.append(f"{folder}: skipped ({error.strerror})")
            continue
        names = {entry.name for entry in inside}
        if "config.yaml" in names and names & {"predictions", "model.safetensors"}:
            found.runs.append(folder)
        if "batch.json" in names:  # its parts hold what its predictions hold
            inside = [entry for entry in inside if entry.name != "parts"]
        for entry in sorted(inside, key=lambda entry: entry.name):
            try:
                path, linked = Path(entry.path), entry.is_symlink()
                if linked:
                    path = path.resolve(strict=True)
                    if not may_read(path):
                        outside.append(entry.path)
                        continue
                if entry.is_dir():
                    if path != store and level < depth:
                        todo.append((path, root, level + 1))
                elif entry.is_file() and path not in seen:
                    seen.add(path)
                    _file(path, root, found)
            except (OSError, RuntimeError):  # a link to nowhere, or to itself
                continue
        if looked > entries:
            found.warnings.append(
                f"{folder}: stopped looking after {entries} files and folders; "
                "give a folder further down"
            )
            break
    for paths, what in (
        (closed, "; check its permissions"),
        (outside, ": leads outside the workspace; add what it leads to to the command"),
    ):
        if paths:
            more = f" (and {len(paths) - 1} more like it)" if len(paths) > 1 else ""
            found.warnings.append(f"{paths[0]}{what}{more}")
    return found


def _file(path: Path, root: Path, found: Found) -> None:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        found.lines.append(path)
    elif suffix == ".csv":
        found.sheets.append(path)
    elif suffix in RECORDINGS:
        found.recordings[path] = root


def is_retimed(path: Path) -> bool:
    """Whether a CSV file holds queries that several people timed, by its first line.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.readline(_HEAD)
    return head.decode("utf-8-sig", "replace").strip().split(",") == list(COLUMNS)


def kind_of(path: Path) -> str | None:
    """Whether a JSONL file holds "answers" or "questions", by its first lines; None = neither.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if b'"pred_relevant_windows"' in head:
        return "answers"
    return "questions" if b'"relevant_windows"' in head else None


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    stamp: tuple[int, int] | None = None
    value: Any = None
    error: BadInput | None = None


class ReadOnce:
    """What was made of files, kept until their size or time changes; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[tuple[str, Path], _Slot] = {}

    def __call__(self, path: Path, read: Callable[[Path], T]) -> T:
        """What `read(path)` gives, from memory where the file is as it was; its errors too.

        Raises:
            BadInput: the file cannot be read or is wrong.
        """
        with self._lock:
            slot = self._slots.setdefault((read.__qualname__, path), _Slot())
        with slot.lock:  # others wait for this file alone
            try:
                status = path.stat()
                stamp = status.st_size, status.st_mtime_ns
                if slot.stamp != stamp:
                    slot.value, slot.error = None, None
                    try:
                        slot.value = read(path)
                    except BadInput as error:
                        slot.error = error
                    slot.stamp = stamp
            except OSError as error:
                raise BadInput(f"{path}: {error.strerror}; check the file") from None
            if slot.error is not None:
                raise slot.error.with_traceback(None)
            value: T = slot.value
            return value

    def forget(self, kept: Iterable[Path]) -> None:
        """Drop all but what was made of these files."""
        keep = set(kept)
        with self._lock:
            self._slots = {key: slot for key, slot in self._slots.items() if key[1] in keep}


@dataclass(frozen=True, slots=True)
class Lines(Generic[T]):
    """A file's lines and what tells them from another file's."""

    items: tuple[T, ...]
    keys: frozenset[Key]
    unsorted: int = 0  # lists of moments that had to be sorted by score


def questions_in(path: Path) -> Lines[Sample]:
    """An annotation file's samples."""
    samples = read_samples(path)
    return Lines(tuple(samples), frozenset((str(s.qid), s.vid, s.query.text) for s in samples))


def answers_in(path: Path) -> Lines[Prediction]:
    """A predictions file's predictions."""
    found, unsorted = read_predictions(path)
    keys = frozenset((str(p.query.qid), p.query.vid, p.query.text) for p in found)
    return Lines(tuple(found), keys, unsorted)


def asked_in(path: Path) -> Lines[Sample]:
    """What a predictions file was asked, as samples without windows; the longest predicted end of a
    recording stands for its duration.
    """
    found, _ = read_predictions(path)
    ends: dict[str | None, float] = {}
    for each in found:
        last = max((m.end for m in each.moments), default=0.0)
        ends[each.query.vid] = max(ends.get(each.query.vid, 0.0), last)
    queries = {(str(p.query.qid), p.query.vid): p.query for p in found}
    # a recording without any moment still needs a duration
    samples = tuple(Sample(q, ends[q.vid] or 1.0) for q in queries.values())
    return Lines(samples, frozenset())


def config_in(path: Path) -> dict[str, Any]:
    """A run's config as it stands; `grounding.config` would check it, and import the heads."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{path}: is no YAML; the run is shown without its dataset") from None
    return loaded if isinstance(loaded, dict) else {}


def media_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """vid -> its recordings in a dataset's folder, as `DatasetFolder` finds them; that is one."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in RECORDINGS:
            found[path.stem] = (*found.get(path.stem, ()), path)
    return found
