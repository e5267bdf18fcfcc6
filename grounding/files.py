"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.errors import BadInput

# mkstemp makes private files; finished ones get the permissions any new file would. Asked for
# once, here,
# because asking means setting it for a moment, which threads would see.
_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it takes the place of `path` when the block
    succeeds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
    except OSError as error:  # name what the user knows, not our temporary file
        raise OSError(error.errno, error.strerror, str(path)) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # writing names no file
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: Path, name: str) -> None:
    """Make a folder and find out, before the work, that its results can be kept there.

    Raises:
        BadInput: they cannot; `name` is the option that gave it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"{name} {folder}: {error.strerror}; give a folder that can be written to"
        ) from None


def make_room(files: Iterable[Path], most: int) -> int:
    """Remove those of the files that changed longest ago until the rest hold at most `most` bytes.

    Files that others remove meanwhile count as removed.

    Returns:
        how many are gone.
    """
    there: list[tuple[float, int, Path]] = []
    for path in files:
        with contextlib.suppress(OSError):
            status = path.lstat()
            there.append((status.st_mtime, status.st_size, path))
    left, removed = sum(size for _, size, _ in there), 0
    for _, size, path in sorted(there):
        if left <= most:
            break
        path.unlink(missing_ok=True)
        left, removed = left - size, removed + 1
    return removed


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
