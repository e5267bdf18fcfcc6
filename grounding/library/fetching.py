"""A recording as a file of this machine, and its content hash; those elsewhere are fetched first.

with local(recording, folder) as (path, content):
    ...
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.features import content_hash
from grounding.library.addresses import parse
from grounding.library.recordings import Recording
from grounding.library.remote import Limits, OwnDiskError, file_system, info, patiently, version
from grounding.media import RECORDINGS
from grounding.media.container import require_readable

CHUNK = 8 << 20  # bytes read at a time
ASKED_AT_ONCE = 16
GIVEN_UP = 3  # unreachable files of a host, after which its others are not asked for

DEFAULT = Limits()


def mark(recording: Recording, limits: Limits = DEFAULT) -> str | None:
    """What tells without reading it whether a recording is still the one it was; None where
    nothing does.

    A file's path, size and time of change; elsewhere the URL without secrets, the size, and the
    ETag or what else the server says of the content.
    """
    try:
        return _mark(recording, limits)
    except BadInput:
        return None


def marks(recordings: Sequence[Recording], limits: Limits = DEFAULT) -> list[str | None]:
    """The mark of each; many servers' answers are waited for at once, and a host that is not
    there is not waited for again and again.
    """
    lost = Counter[str]()

    def ask(recording: Recording) -> str | None:
        host = "" if isinstance(recording.place, Path) else _host(recording.place)
        if lost[host] >= GIVEN_UP:
            return None
        try:
            return _mark(recording, limits)
        except UnreachableMedia:
            lost[host] += 1
        except BadInput:
            pass
        return None

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return list(pool.map(ask, recordings))


@contextmanager
def local(
    recording: Recording,
    folder: Path,
    limits: Limits = DEFAULT,
    *,
    known: str | None = None,
) -> Iterator[tuple[Path, str]]:
    """Yield a recording's file and the SHA-256 of its bytes, in hexadecimal.

    A file of this machine is used where it is, and not read where its hash is `known`. Others are
    fetched to a temporary file in `folder`, which is removed afterwards. A connection that breaks
    is taken up where it broke if the server can do that and the content is still the same.

    Raises:
        UnreachableMedia: it cannot be got now, after `limits.attempts` attempts.
        UnreadableMedia: it cannot be got or opened at all, or is larger than `limits.size`.
        BadInput: its protocol needs a package that is missing.
        OSError: the temporary file cannot be written.
    """
    if isinstance(recording.place, Path):
        require_readable(recording.place)
        yield recording.place, known or content_hash(recording.place)
        return
    folder.mkdir(parents=True, exist_ok=True)
    suffix = parse(recording.place).suffix
    handle, name = tempfile.mkstemp(suffix if suffix in RECORDINGS else "", ".fetched-", folder)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            content = _Fetch(recording.place, recording.shown, target, limits).run()
        yield temporary, content
    finally:
        temporary.unlink(missing_ok=True)


def _mark(recording: Recording, limits: Limits) -> str | None:
    if isinstance(recording.place, Path):
        try:
            status = recording.place.stat()
        except (OSError, ValueError):
            return None
        return f"{str(recording.place)!a}|{status.st_size}|{status.st_mtime_ns}"
    url, told = recording.place, recording.version
    if told is None:
        once = Limits(timeout=limits.timeout, attempts=1)
        found = patiently(lambda: info(*file_system(url, once)), url, once)
        # what stands behind the question mark may be what tells one file from another
        told = version(found, exact=bool(parse(url).query))
    return told and f"{recording.shown!a}|{told}"


def _host(url: str) -> str:
    address = parse(url)
    return f"{address.protocol}://{address.path.partition('/')[0]}"


class _Fetch:
    """A download, to be gone on with after a break."""

    def __init__(self, url: str, name: str, target: IO[bytes], limits: Limits) -> None:
        self._url, self._name, self._target, self._limits = url, name, target, limits
        self._version: str | None = None
        self._restart()

    def run(self) -> str:
        """Fetch it all -> SHA-256."""
        try:
            patiently(self._step, self._url, self._limits)
        except OwnDiskError as error:
            assert isinstance(error.__cause__, OSError)
            raise error.__cause__ from None
        return self._digest.hexdigest()

    def _step(self) -> None:
        fs, path = file_system(self._url, self._limits)
        found = info(fs, path)
        if found.get("type") == "directory":
            raise UnreadableMedia(self._name, "is a folder, not a recording")
        size = found.get("size")
        self._require_small(size or 0)
        now = version(found, exact=True)
        if now is None or now != self._version:
            self._restart()
        self._version = now
        with self._opened(fs, path, size) as source:
            while chunk := source.read(CHUNK):
                self._require_small(self._done + len(chunk))
                self._keep(chunk)
        if size is not None and self._done != size:
            raise ConnectionError(None, f"it ended after {self._done} of {size} bytes")
        if self._done == 0:
            raise UnreadableMedia(self._name, "is empty (0 bytes)")

    def _opened(self, fs: Any, path: str, size: int | None) -> Any:
        """The source, from the first byte that is not there yet."""
        if not parse(self._url).is_plain_web:
            source = fs.open(path, "rb", block_size=CHUNK)
            source.seek(self._done)
            return source
        # one request for all of it: reading in blocks asks for each anew
        headers = dict(fs.kwargs.get("headers", {}))
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
        source = fs.open(path, "rb", block_size=0, size=size, headers=headers)
        begins = source.r.headers.get("Content-Range", "").startswith(f"bytes {self._done}-")
        if self._done and not (source.r.status == 206 and begins):
            self._restart()  # the server sends all of it again
        return source

    def _restart(self) -> None:
        self._done, self._digest = 0, hashlib.sha256()
        self._write(lambda: (self._target.seek(0), self._target.truncate()))

    def _keep(self, chunk: bytes) -> None:
        self._write(lambda: self._target.write(chunk))
        self._digest.update(chunk)
        self._done += len(chunk)

    def _write(self, what: Any) -> None:
        try:
            what()
        except OSError as error:
            raise OwnDiskError from error

    def _require_small(self, size: int) -> None:
        most = self._limits.size
        if most is not None and size > most:
            raise UnreadableMedia(self._name, f"has more than the {most} bytes it may have")
