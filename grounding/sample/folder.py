"""The sample corpus in a folder: annotations first, then the media, resumed where it was left."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

from grounding.errors import BadInput
from grounding.files import atomic
from grounding.sample.questions import write_lines
from grounding.sample.script import Script, draw_scripts
from grounding.sample.writing import is_rendered, render

VERSION = 1  # counts up when the same seed gives another corpus
FEWEST = 8  # videos: every split and every kind of file needs one
STALE = 600.0  # seconds after which a half-written file has no writer any more
NAME = "sample.json"

Progress = Callable[[int, int, str], None]


def render_sample(
    folder: str | os.PathLike[str],
    *,
    videos: int = 96,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Renders the sample corpus into a folder, or what is still missing there.

    Args:
        folder: a new or empty folder, or one that this function began.
        videos: how many videos, 8 or more; a fifth of them are the test's.
        seed: the same seed gives the same annotation files, byte for byte.
        workers: processes that render; None = one per processor, 1 = none but this one.
        progress: called with (videos done, videos in all, the last one's vid).

    Raises:
        BadInput: too few videos, or a folder that holds something else.
    """
    if videos < FEWEST:
        raise BadInput(f"videos is {videos}; the sample needs {FEWEST} or more")
    if seed < 0:
        raise BadInput(f"seed is {seed}; it must be 0 or more")
    if workers is not None and workers < 1:
        raise BadInput(f"workers is {workers}; it must be 1 or more")
    root = Path(folder)
    scripts = draw_scripts(videos, seed)
    with _as_bad_input(root):
        _claim(root, {"version": VERSION, "videos": videos, "seed": seed})
        for split, text in write_lines(scripts, seed).items():
            _write_text(root / "annotations" / f"{split}.jsonl", text)
        _sweep(root)
        missing = [script for script in scripts if not is_rendered(root, script)]
    done = videos - len(missing)
    if progress is not None:
        progress(done, videos, "")
    # Closed at once even when `progress` raises, as a user's Ctrl+C may.
    with closing(_render_all(root, missing, workers or os.cpu_count() or 1)) as rendered:
        for vid in rendered:
            done += 1
            if progress is not None:
                progress(done, videos, vid)


@contextmanager
def _as_bad_input(root: Path) -> Iterator[None]:
    """Turns what the file system refuses into a line the user can act on."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"{root}: cannot write the sample there: {reason}") from error


def _claim(root: Path, settings: dict[str, int]) -> None:
    """Makes the folder ours, or refuses one with something else in it."""
    if root.exists() and not root.is_dir():
        raise BadInput(f"{root} is no folder; name a new one")
    note = root / NAME
    if note.exists():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != settings:
            said = ", ".join(f"{k} {v}" for k, v in settings.items())
            has = "unreadable settings"
            if isinstance(found, dict):
                has = ", ".join(f"{k} {v}" for k, v in found.items())
            raise BadInput(
                f"{root} holds a sample with {has}, not {said}; "
                "name another folder or remove this one"
            )
    elif root.exists() and any(root.iterdir()):
        raise BadInput(f"{root} is not empty and holds no sample; name a new or an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    _write_text(note, json.dumps(settings) + "\n")
    for room in ("annotations", "media", "motion"):
        (root / room).mkdir(exist_ok=True)


def _write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all; one that is right already stays untouched."""
    if path.exists() and path.read_bytes() == text.encode():
        return
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())  # as bytes: no platform changes the line ends


def _sweep(root: Path) -> None:
    """Removes half-written files that an earlier, killed run left behind."""
    for part in root.glob("*/.sample-*"):
        if time.time() - part.stat().st_mtime > STALE:
            part.unlink(missing_ok=True)


def _render_all(root: Path, scripts: list[Script], workers: int) -> Generator[str, None, None]:
    """Renders the videos and yields their vids as they come."""
    workers = min(workers, len(scripts))
    if workers <= 1:
        for script in scripts:
            with _as_bad_input(root):
                vid = render(root, script)
            yield vid
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_ignore_interrupts)
    try:
        waiting = scripts[::-1]
        running: set[Future[str]] = set()
        while waiting or running:
            # No more than the workers hold, so that an interrupt waits for little.
            while waiting and len(running) < workers + 1:
                with _interrupts_held():
                    running.add(pool.submit(render, root, waiting.pop()))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                with _as_bad_input(root):
                    vid = future.result()
                yield vid
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl+C reaches every process of a terminal; only the parent may act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Holds Ctrl+C back, also from a process that starts meanwhile and cannot ignore it yet."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
