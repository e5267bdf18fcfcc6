"""Features that lie in object storage, or in WebDataset shards: read as a stream, kept nowhere.

Recordings come one at a time, in the order in which they lie there; what is made of each, its
clips, is all that stays in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from grounding.errors import BadInput
from grounding.feature_files import Features, features_in
from grounding.field_features import BARE, FeatureSource, RowCheck, require
from grounding.layouts import LAYOUTS, Layout

AHEAD = 4  # files asked for beyond the one in use: a store answers late, but many at once


def is_streamed(file: str) -> bool:
    """Whether `features.file` names an address or shards, not a file or folder here."""
    return "://" in file or file.endswith(".tar")


def streamed(file: str, root: Path, layout: str | None) -> FeatureSource:
    """The features at an address (`s3://bucket/features/`, a file a recording), or in shards
    (`shards-{000..007}.tar`, here or at an address).

    Args:
        root: what a path without an address is relative to.

    Raises:
        BadInput: an extra is not installed, or nothing of that kind is there.
    """
    wanted = LAYOUTS[layout] if layout else None
    where = file if "://" in file else str(root / file)
    if file.endswith(".tar"):
        return Shards(where, wanted)
    return RemoteFolder(where, wanted)


class RemoteFolder:
    """A folder at an address, with `<vid>.npy` (`.npz`, `.safetensors`, `.pt`, `.pth`) in it."""

    def __init__(self, url: str, layout: Layout | None) -> None:
        """Lists the folder."""
        import fsspec

        self._url = url
        self._check = RowCheck(layout)
        with _reading(url):
            self._system, path = fsspec.core.url_to_fs(url)
            listed = sorted(map(PurePosixPath, self._system.ls(path, detail=False)))
        self._files = {file.stem: str(file) for file in listed if file.suffix in BARE}
        if not self._files:
            raise BadInput(
                f"{url}: holds no {', '.join(BARE)}; name a folder with <vid>.npy a recording, or "
                "shards that end in .tar"
            )

    def each(self, vids: Sequence[str]) -> Iterator[tuple[str, Features]]:
        """As `FeatureSource`; nothing is read where some are missing."""
        require(vids, self._files.keys(), self._url)
        waiting: deque[tuple[str, Future[bytes]]] = deque()
        with ThreadPoolExecutor(AHEAD) as pool:
            try:
                for vid in vids:
                    waiting.append((vid, pool.submit(self._system.cat_file, self._files[vid])))
                    if len(waiting) > AHEAD:
                        yield self._received(*waiting.popleft())
                while waiting:
                    yield self._received(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _received(self, vid: str, data: Future[bytes]) -> tuple[str, Features]:
        name = f"{self._url.rstrip('/')}/{PurePosixPath(self._files[vid]).name}"
        with _reading(name):
            features = features_in(data.result(), name)
        self._check(features.x, name)
        return vid, features


class Shards:
    """Tar files whose members are `<vid>.npy` (`.npz`, `.safetensors`, `.pt`, `.pth`), in any
    folder; `<vid>.<word>.npy` too, as WebDataset names the parts of a sample. Others are passed
    over.
    """

    def __init__(self, pattern: str, layout: Layout | None) -> None:
        """`pattern`: one tar file, or many as `{000..007}`."""
        self._pattern, self._check = pattern, RowCheck(layout)
        try:
            from webdataset.shardlists import expand_urls
        except ImportError as error:
            raise BadInput(
                f"{pattern}: reading shards needs {error.name}; install the extra: "
                "pip install -e '.[shards]'"
            ) from None
        with _reading(pattern):
            self._shards: list[str] = expand_urls(pattern)

    def each(self, vids: Sequence[str]) -> Iterator[tuple[str, Features]]:
        """As `FeatureSource`, in the order of the shards and no further than needed.

        Raises:
            BadInput: also where a recording is there twice.
        """
        found: dict[str, str] = {}
        names: set[str] = set()
        missing = set(vids)
        for shard in self._shards:
            if not missing:
                break
            for member, data in self._members(shard):
                name = PurePosixPath(member)
                vid = name.stem if name.stem in found or name.stem in missing else _key(name.name)
                where = f"{shard}#{member}"
                names.add(name.stem)
                if vid in found:
                    raise BadInput(f"{where}: {vid!r} is also {found[vid]}; keep one of them")
                if vid not in missing:
                    continue
                features = features_in(data, where)
                self._check(features.x, where)
                missing.remove(vid)
                found[vid] = where
                yield vid, features
        if missing:
            require(vids, names | found.keys(), self._pattern)

    def _members(self, shard: str) -> Iterator[tuple[str, bytes]]:
        import fsspec
        from webdataset.tariterators import tar_file_expander

        def is_array(name: str) -> bool:
            return PurePosixPath(name).suffix in BARE

        with _reading(shard), fsspec.open(shard, "rb") as stream:
            source = [{"url": shard, "stream": stream}]
            for member in tar_file_expander(source, select_files=is_array, eof_value=None):
                yield member["fname"], member["data"]


def _key(name: str) -> str:
    """What WebDataset calls the sample of a member: all before the first dot."""
    return name.partition(".")[0]


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Whatever goes wrong at an address is one line: each store and library has its own errors."""
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except ImportError as error:
        protocol = where.partition("://")[0]
        raise BadInput(
            f"{where}: reading {protocol}:// needs a package that is not there ({_first(error)}); "
            "install the extra for s3 and https: pip install -e '.[remote]'"
        ) from None
    except FileNotFoundError:
        raise BadInput(
            f"{where}: no such file or folder; name what is there with --features.file ADDRESS"
        ) from None
    except Exception as error:
        raise BadInput(
            f"{where}: cannot be read ({_first(error)}); check the address, the access to it, and "
            "whether the file is whole"
        ) from None


def _first(error: Any) -> str:
    text = " ".join(str(error).split())[:160]
    return text or type(error).__name__
