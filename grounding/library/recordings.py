"""SOURCE ... -> recordings, each with a name of its own."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import BadInput
from grounding.media import RECORDINGS


@dataclass(frozen=True, slots=True)
class Recording:
    """A file and its name in every result (`vid`)."""

    vid: str
    path: Path


def find_recordings(sources: Sequence[str | Path]) -> list[Recording]:
    """Files, and what lies in folders and their subfolders but hidden ones; sorted by vid.

    The vid is the stem. Recordings that share one are told apart by the path below SOURCE without
    suffix, then with it, then with SOURCE's name before it, at last by the whole path.

    Raises:
        BadInput: a source is not there, or none holds a recording.
        OSError: a folder cannot be read.
    """
    names: dict[Path, tuple[str, ...]] = {}
    for source in map(Path, sources):
        if not (source.exists() or source.is_symlink()):
            raise BadInput(f"{source}: no such file or folder; check the path")
        for path in _below(source) if source.is_dir() else (source,):
            where = path.parent.resolve() / path.name  # two sources may overlap
            names.setdefault(where, _names(path, source))
    if not names:
        folders = ", ".join(map(str, sources))
        raise BadInput(f"{folders}: no recording in it; known are {', '.join(RECORDINGS)}")
    found = [Recording(vid, path) for path, vid in _tell_apart(names).items()]
    return sorted(found, key=lambda recording: recording.vid)


def normal(vid: str) -> str:
    """What two spellings of one name share: some systems take letters and their accents apart."""
    return unicodedata.normalize("NFC", vid)


def printable(text: str) -> str:
    """The text as UTF-8 can hold it: bytes of file names that are no Unicode become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if path.suffix.lower() in RECORDINGS and not name.startswith("."):
                yield path


def _names(path: Path, source: Path) -> tuple[str, ...]:
    """Names the recording could have, from the shortest to one that no other can have."""
    below = Path(path.name) if path == source else path.relative_to(source)
    root = source.resolve().name if path != source else source.resolve().parent.name
    names = (below.stem, below.with_suffix(""), below, Path(root, below), path.absolute())
    return tuple(printable(Path(name).as_posix()) for name in names)


def _tell_apart(names: dict[Path, tuple[str, ...]]) -> dict[Path, str]:
    """The first name of each recording, a later one for those that share it."""
    choice = dict.fromkeys(names, 0)
    while True:
        vids = {path: names[path][level] for path, level in choice.items()}
        count = Counter(map(normal, vids.values()))
        shared = [
            path
            for path, vid in vids.items()
            if count[normal(vid)] > 1 and choice[path] < len(names[path]) - 1
        ]
        if not shared:
            return vids
        for path in shared:
            choice[path] += 1
