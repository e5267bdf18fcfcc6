"""`run_batch`: every query of many recordings; what is finished is never done again."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grounding import model_file
from grounding.errors import BadInput, Interrupted
from grounding.features import Progress, content_hash
from grounding.library.asking import Asker, Here, Limits
from grounding.library.local import Done, is_cut, run_here
from grounding.library.on_ray import run_on_ray
from grounding.library.parts import Job, Parts, queries_hash
from grounding.library.queries import Task, assign, read_queries
from grounding.library.ray_actor import Pool
from grounding.library.ray_cluster import require_ray
from grounding.library.recordings import Recording, find_recordings, printable
from grounding.library.results import Failure, write_results

WRITE_EVERY = 30.0  # seconds between two writings of the results so far
MOST_WRITING = 0.05  # share of the time that may go into them


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a batch did.

    Attributes:
        recordings: that were asked anything, failed ones included.
        idle: recordings that no query asks about.
        resumed: recordings that were finished before.
        predictions: lines of predictions.jsonl.
        failures: lines of failures.jsonl.
        unmatched: the `vid` of every query that names no recording.
    """

    recordings: int
    idle: int
    resumed: int
    predictions: int
    failures: tuple[Failure, ...]
    unmatched: tuple[str, ...]


def run_batch(
    sources: Sequence[str | Path],
    queries: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    workers: int = 2,
    top: int = 5,
    fresh: bool = False,
    cut: Path | None = None,
    limits: Limits | None = None,
    device: str = "cpu",
    engine: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
) -> BatchSummary:
    """Ask every recording its queries and write the results to the folder `out`.

    A recording that fails costs only itself. What an earlier run of the same job finished is kept,
    unless `fresh`; of the failures, those that may end otherwise are tried again. The results are
    the same bytes whatever the number of `workers`; they appear whole, now and then while it runs
    and in the end.

    Args:
        workers: processes, each with the model, that ask one recording at a time; 0 = this one,
            without limits.
        top: moments a query.
        cut: a folder; every moment is written there as a playable file.
        limits: of one recording.
        engine: "local" takes processes of this machine, "ray" actors of a Ray cluster, which find
            everything at the same paths (see `run_on_ray`); the results are the same.

    Raises:
        BadInput: sources, queries or model cannot be used, or `out` belongs to another job.
        OSError: a result cannot be written.
        Interrupted: Ctrl-C; what was finished is kept, and the results so far are written.
    """
    if engine == "ray":
        if workers == 0:
            raise BadInput("--workers 0: the engine ray needs at least one worker")
        require_ray()
    asked = read_queries(Path(queries))
    recordings = find_recordings(sources)
    tasks, unmatched = assign(recordings, asked)
    if not tasks:
        raise BadInput(_nobody_asked(Path(queries), unmatched[0], recordings))
    recipe = model_file.load(model).recipe
    weights = Path(model) / model_file.NAME if Path(model).is_dir() else Path(model)
    job = Job(content_hash(weights), recipe.key, queries_hash(asked), top)
    parts = Parts(Path(out), job, fresh=fresh)
    try:
        parts.look([task.recording for task in tasks])
        keys = _finished(parts, tasks, cut)
        resumed = len(keys)
        told = progress or (lambda done, total, what: None)
        told(len(keys), len(tasks), "")

        def write() -> tuple[int, list[Failure]]:
            here = (task for task in tasks if task.recording.vid in keys)
            read = ((task, parts.read(keys[task.recording.vid], task)) for task in here)
            found = ((task, part) for task, part in read if part is not None)
            return write_results(Path(out), found, str(recipe), printable(str(model)))

        rest = [task for task in tasks if task.recording.vid not in keys]
        again = _Now()

        def work() -> Generator[Done, None, None]:
            if engine == "ray":
                pool = Pool(str(model), device, top, limits or Limits(), workers)
                return run_on_ray(pool, parts, rest, keys, cut)
            stop = threading.Event()
            askers = _askers(str(model), device, top, limits or Limits(), stop, workers, len(rest))
            return run_here(askers, parts, rest, keys, cut, stop)

        try:
            if rest:
                with closing(work()) as done:
                    for task, before in done:
                        resumed += before
                        told(len(keys), len(tasks), task.recording.vid)
                        if again.is_due():
                            write()
                            again.done()
        except KeyboardInterrupt:
            write()
            raise Interrupted(
                f"interrupted: {len(keys)} of {len(tasks)} recordings are finished and kept in "
                f"{out}; go on with the same command{', without --fresh' * fresh}"
            ) from None
        count, failures = write()
        return BatchSummary(
            recordings=len(tasks),
            idle=len(recordings) - len(tasks),
            resumed=resumed,
            predictions=count,
            failures=tuple(failures),
            unmatched=tuple(unmatched),
        )
    finally:
        parts.close()


def _askers(
    model: str,
    device: str,
    top: int,
    limits: Limits,
    stop: threading.Event,
    workers: int,
    tasks: int,
) -> list[Asker | Here]:
    if workers == 0:
        return [Here(model, device, top)]
    return [Asker(model, device, top, limits, stop) for _ in range(min(workers, tasks))]


class _Now:
    """When results are written again: every so often, and for a small share of the time however
    long it takes.
    """

    def __init__(self) -> None:
        self._began, self._next = 0.0, time.monotonic() + WRITE_EVERY

    def is_due(self) -> bool:
        self._began = time.monotonic()
        return self._began > self._next

    def done(self) -> None:
        now = time.monotonic()
        self._next = now + max(WRITE_EVERY, (1 / MOST_WRITING - 1) * (now - self._began))


def _finished(parts: Parts, tasks: Sequence[Task], cut: Path | None) -> dict[str, str]:
    """vid -> key of the parts that can be found without reading recordings."""
    keys = {}
    for task in tasks:
        content = parts.remembered(task.recording)
        if content is not None:
            key = parts.key(task, content)
            part = parts.read(key, task)
            if part is not None and part.is_final and is_cut(task, part, cut):
                keys[task.recording.vid] = key
    return keys


def _nobody_asked(queries: Path, vid: str, recordings: Sequence[Recording]) -> str:
    near = difflib.get_close_matches(vid, [each.vid for each in recordings[:1000]], 1)
    hint = f"did you mean {near[0]!r}?" if near else "correct vid, or leave it out to ask all"
    return f"{queries}: no query names a recording that is there (vid {vid!r}); {hint}"
