"""Short names for files, told apart where they meet."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote


def tell_apart(names: Sequence[Sequence[str]]) -> list[str]:
    """The first name of each, a later one for those that share it; a number if none is left."""
    choice = [0] * len(names)
    while True:
        chosen = [options[at] for options, at in zip(names, choice, strict=True)]
        count = Counter(unicodedata.normalize("NFC", name) for name in chosen)
        shared = [
            i
            for i, name in enumerate(chosen)
            if count[unicodedata.normalize("NFC", name)] > 1 and choice[i] < len(names[i]) - 1
        ]
        if not shared:
            break
        for i in shared:
            choice[i] += 1
    taken: set[str] = set()
    for i, name in enumerate(chosen):
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        chosen[i] = name if name not in taken else next(n for n in numbered if n not in taken)
        taken.add(chosen[i])
    return chosen


def endings(path: Path) -> list[str]:
    """The path's last name, its last two, ..., all of it."""
    parts = [part for part in path.parts if part != path.anchor] or ["root"]
    return ["/".join(parts[-n:]) for n in range(1, len(parts) + 1)]


def slug(name: str) -> str:
    """A name as an address can hold it."""
    return re.sub(r"[^\w./:~-]+", "-", name)


# what Windows, macOS or Linux cannot hold in a name, and the sign of our own escape
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]|\A[. ]|[. ]\Z')
_DEVICE = re.compile(r"(?i)\A(con|prn|aux|nul|com\d|lpt\d)(?=\.|\Z)")
_LONGEST = 200  # bytes, which leaves room for a suffix and a temporary name


def _escaped(match: re.Match[str]) -> str:
    return f"%{ord(match[0][0]):02X}{match[0][1:]}"


def file_stem(name: str, is_twin: bool = False) -> str:
    """A recording's name as a file's, without any folder; `name_of` gives it back.

    A twin, whose name differs from another's in what some file systems do not see, is escaped
    altogether.

    >>> file_stem("../a/b")
    '%2E.%2Fa%2Fb'

    Raises:
        ValueError: the name is empty, too long or no Unicode.
    """
    try:
        stem = _DEVICE.sub(_escaped, _UNSAFE.sub(_escaped, name))
        if is_twin:
            stem = "".join(f"%{byte:02X}" for byte in name.encode())
        if 0 < len(stem.encode()) <= _LONGEST:
            return stem
    except UnicodeEncodeError:
        pass
    raise ValueError(f"{name[:40]!a} cannot name a file; give the recording another name")


def name_of(stem: str) -> str:
    """The recording's name behind a file's; one that nobody escaped stays as it is."""
    try:
        return unquote(stem, errors="strict")
    except UnicodeDecodeError:
        return stem


def recording_names(path: Path, root: Path) -> list[str]:
    """As `grounding.library.recordings` names them, which cannot be imported without torch."""
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    names = (below.stem, below.with_suffix(""), below, Path(root.name, below), path)
    return [Path(name).as_posix().encode("utf-8", "backslashreplace").decode() for name in names]


def called(vid: str, paths: Iterable[Path]) -> tuple[Path, ...]:
    """The recordings whose path, with or without its suffix, ends with the name."""
    ending = "/" + unicodedata.normalize("NFC", vid).lstrip("/")
    spelled = ((path, unicodedata.normalize("NFC", path.as_posix())) for path in paths)
    return tuple(
        path
        for path, name in spelled
        if name.endswith(ending) or name.removesuffix(path.suffix).endswith(ending)
    )
