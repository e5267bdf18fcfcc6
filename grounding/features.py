"""FeatureStore: extract once, keep with the recipe and the content hash, refuse a mismatch."""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput, UnreadableMedia
from grounding.feature_files import Features, Recipe, read_features, write_features
from grounding.files import write_text
from grounding.media.container import require_readable
from grounding.media.video import FrameBatch, VideoReader, open_video

__all__ = [
    "FeatureStore",
    "Features",
    "FrameEncoder",
    "Progress",
    "Recipe",
    "Seconds",
    "content_hash",
    "encode_video",
    "frame_encoder",
    "read_features",
    "recipe_of",
    "write_features",
]

Progress = Callable[[int, int, str], None]  # done, total, what
Seconds = Callable[[float, float, str], None]  # seconds done, seconds in all, what

logger = logging.getLogger(__name__)


class FrameEncoder(Protocol):
    """Turns frames into rows of features; `before` is the frame shown before the first one."""

    name: str
    weights: str | None
    version: str
    size: str
    width: int
    short_side: int

    def encode(
        self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8] | None
    ) -> npt.NDArray[np.float32]:
        """(N, H, W, 3) -> (N, width)."""
        ...


def frame_encoder(name: str) -> FrameEncoder:
    """The frame encoder of that name.

    Raises:
        BadInput: no encoder is called so.
    """
    from grounding import encoders  # it knows this module's protocol

    return encoders.frame_encoder(name)


def recipe_of(encoder: FrameEncoder, rate: float) -> Recipe:
    """What the encoder makes at `rate` frames per second.

    Weights given by path count by their hash alone: the same file elsewhere is the same recipe.
    """
    name = encoder.name.partition("//")[0]  # open_clip:MODEL//absolute/path
    return Recipe(name, encoder.weights, rate, encoder.size, encoder.version)


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        UnreadableMedia: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableMedia(path, f"{error.strerror}; check the path") from None


def _ahead(batches: Iterator[FrameBatch], depth: int = 2) -> Iterator[FrameBatch]:
    """The same batches, decoded by a thread up to `depth` ahead of the one in use."""
    ready: queue.Queue[FrameBatch | BaseException | None] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: FrameBatch | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            for batch in batches:
                put(batch)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=decode, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def encode_video(
    reader: VideoReader,
    encoder: FrameEncoder,
    recipe: Recipe,
    batch: int = 32,
    progress: Seconds | None = None,
) -> Features:
    """Sample, encode and stack a whole recording; decoding runs ahead of encoding.

    `progress` is told the seconds of the recording that are encoded.

    Raises:
        UnreadableMedia: not one frame decodes.
    """
    rows, times, before = [], [], None
    for frames, shown in _ahead(reader.iter_frames(rate=recipe.rate, batch=batch)):
        rows.append(encoder.encode(frames, before).astype(np.float16))
        times.append(shown)
        before = frames[-1]
        if progress is not None:
            progress(float(shown[-1]), reader.info.duration, "looking at the frames")
    if not rows:
        raise UnreadableMedia(reader.info.path, "not one frame decodes")
    return Features(
        np.concatenate(rows),
        np.concatenate(times),
        reader.info.duration,
        recipe,
        tuple(reader.problems),
    )


class FeatureStore:
    """Features on disk: `folder/<recipe>/<content hash>.safetensors`.

    Two processes may fill the same store at once: files appear whole, and the same content and
    recipe give the same file. What is there is never computed again.
    """

    def __init__(self, folder: str | Path, encoder: FrameEncoder, rate: float) -> None:
        self.encoder = encoder
        self.recipe = recipe_of(encoder, rate)
        self.folder = Path(folder) / self.recipe.key
        self._hashes = Path(folder) / "content.json"
        self._known: dict[str, str] | None = None
        self._lock = threading.Lock()

    def path(self, media: Path) -> Path:
        """Where the features of a recording are, or will be."""
        return self.folder / f"{self._hash(media)[:32]}.safetensors"

    def get(self, media: Path, progress: Seconds | None = None) -> Features:
        """Features of a recording: read, or extracted and kept; `progress` is that of extracting.

        Raises:
            UnreadableMedia: it cannot be decoded.
            RecipeMismatch: the stored file says it was made by another recipe.
        """
        stored = self.path(media)
        if stored.exists():
            try:
                features = read_features(stored)
            except BadInput as error:
                logger.warning("%s; extracting it again", error)
            else:
                features.require(self.recipe, str(stored))
                return features
        with open_video(media, short_side=self.encoder.short_side) as reader:
            features = encode_video(reader, self.encoder, self.recipe, progress=progress)
        write_features(stored, features)
        return features

    def extract(
        self, media: Sequence[Path], *, workers: int = 2, progress: Progress | None = None
    ) -> dict[Path, Features | UnreadableMedia]:
        """Features of many recordings; one that cannot be read costs only itself.

        Decoders release the interpreter's lock, so threads keep all cores busy. An interrupt
        finishes the recordings under way, keeps them, and stops.
        """
        results: dict[Path, Features | UnreadableMedia] = {}

        def one(path: Path) -> Features | UnreadableMedia:
            try:
                return self.get(path)
            except UnreadableMedia as error:
                return error

        pool = ThreadPoolExecutor(workers)
        try:
            waiting: dict[Future[Features | UnreadableMedia], Path] = {
                pool.submit(one, path): path for path in media
            }
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    path = waiting.pop(future)
                    results[path] = future.result()
                    if progress:
                        progress(len(results), len(media), path.name)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            self._save_hashes()
        return {path: results[path] for path in media}

    def _hash(self, media: Path) -> str:
        """The content hash, remembered by path, size and time of change so that a big file is read
        once.
        """
        require_readable(media)  # or a pipe would keep it waiting for ever
        stat = media.stat()
        mark = f"{media.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        with self._lock:
            if self._known is None:
                self._known = self._load_hashes()
            if mark in self._known:
                return self._known[mark]
        digest = content_hash(media)
        with self._lock:
            assert self._known is not None
            self._known[mark] = digest
        return digest

    def _load_hashes(self) -> dict[str, str]:
        try:
            known = json.loads(self._hashes.read_text())
        except (OSError, ValueError):
            return {}  # only a memory of work done: without it, files are hashed again
        return known if isinstance(known, dict) else {}

    def _save_hashes(self) -> None:
        with self._lock:
            if self._known:
                merged = {**self._load_hashes(), **self._known}
                write_text(self._hashes, json.dumps(merged, indent=0, sort_keys=True))
