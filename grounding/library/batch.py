"""`run_batch`: every query of many recordings; what is finished is never done again."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from grounding import model_file
from grounding.errors import BadInput, Interrupted, UnreachableMedia, UnreadableMedia
from grounding.features import Progress, content_hash
from grounding.library.fetching import local
from grounding.library.parts import Job, Parts, answers, queries_hash
from grounding.library.queries import Task, assign, read_queries
from grounding.library.recordings import Recording, find_recordings, printable
from grounding.library.results import Failure, write_results
from grounding.predict import Grounder

REASON = 300  # characters of a failure's reason
PROBLEMS = 3  # of a partial recording that are told


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
    device: str = "cpu",
    progress: Progress | None = None,
) -> BatchSummary:
    """Ask every recording its queries and write the results to the folder `out`.

    A recording that fails costs only itself. What an earlier run of the same job finished is kept,
    unless `fresh`; of the failures, those that may end otherwise are tried again. The results are
    the same bytes whatever the number of `workers` (threads that decode). `top` moments a query.

    Raises:
        BadInput: sources, queries or model cannot be used, or `out` belongs to another job.
        OSError: a result cannot be written.
        Interrupted: Ctrl-C; recordings under way were finished, and the results so far written.
    """
    asked = read_queries(Path(queries))
    recordings = find_recordings(sources)
    tasks, unmatched = assign(recordings, asked)
    if not tasks:
        raise BadInput(_nobody_asked(Path(queries), unmatched[0], recordings))
    grounder = Grounder.from_run(model, device)
    recipe = grounder.trained.recipe
    weights = Path(model) / model_file.NAME if Path(model).is_dir() else Path(model)
    job = Job(content_hash(weights), recipe.key, queries_hash(asked), top)
    parts = Parts(Path(out), job, fresh=fresh)
    keys = _finished(parts, tasks)
    resumed = len(keys)

    def write() -> tuple[int, list[Failure]]:
        here = (task for task in tasks if task.recording.vid in keys)
        read = ((task, parts.read(keys[task.recording.vid], task)) for task in here)
        found = ((task, part) for task, part in read if part is not None)
        return write_results(Path(out), found, str(recipe), printable(str(model)))

    try:
        resumed += _work(_Asker(grounder, parts), tasks, keys, workers, progress)
    except KeyboardInterrupt:
        write()
        raise Interrupted(
            f"interrupted: {len(keys)} of {len(tasks)} recordings are finished and kept in {out}; "
            f"go on with the same command{', without --fresh' * fresh}"
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


class _Asker:
    """Asks one recording, in any thread: decoding goes on beside the model, which answers one
    recording at a time.
    """

    def __init__(self, grounder: Grounder, parts: Parts) -> None:
        self._grounder, self._parts = grounder, parts
        self._model = threading.Lock()

    def __call__(self, task: Task) -> tuple[str, bool]:
        """-> key of the part, and whether it was there already.

        Raises:
            BadInput: no recording can be asked; OSError: the part cannot be written.
        """
        with ExitStack() as until_asked:
            fetched = local(
                task.recording, self._parts.fetched, known=self._parts.remembered(task.recording)
            )
            try:
                path, content = until_asked.enter_context(fetched)
            except UnreachableMedia as error:
                return self._parts.write(task, None, (), ("error", _line(error.reason))), False
            except UnreadableMedia as error:
                return self._parts.write(task, None, (), ("unreadable", _line(error.reason))), False
            except (BadInput, OSError):
                raise  # a package is missing, or this disk is full: every one would fail
            except Exception as error:
                return self._parts.write(task, None, (), ("error", _what(error))), False
            return self._asked(task, path, content)

    def _asked(self, task: Task, path: Path, content: str) -> tuple[str, bool]:
        key = self._parts.key(task, content)
        part = self._parts.read(key, task)
        if part is not None and part.is_final:
            return key, True
        problem, predictions = None, []
        try:
            features = self._grounder.features(path)
            with self._model:
                predictions = self._grounder.ground_features(
                    features, task.recording.vid, task.sentences, top=self._parts.job.top
                )
            if features.problems:
                problem = "partial", _line(_first(features.problems))
        except UnreadableMedia as error:
            problem = "unreadable", _line(error.reason)
        except BadInput:
            raise  # it is not about this recording: every one would fail
        except Exception as error:
            problem = "error", _what(error)
        return self._parts.write(task, content, answers(predictions), problem), False


def _work(
    ask: _Asker,
    tasks: Sequence[Task],
    keys: dict[str, str],
    workers: int,
    progress: Progress | None,
) -> int:
    """Do the tasks that are not in `keys` (vid -> key) and add them -> how many of them were
    finished before all the same.
    """
    resumed = 0
    told = progress or (lambda done, total, what: None)
    told(len(keys), len(tasks), "")
    pool = ThreadPoolExecutor(workers)
    futures: dict[Future[tuple[str, bool]], str] = {}
    try:
        for task in tasks:
            if task.recording.vid not in keys:
                futures[pool.submit(ask, task)] = task.recording.vid
        for future in as_completed(futures):
            vid = futures[future]
            keys[vid], before = future.result()
            resumed += before
            told(len(keys), len(tasks), vid)
    except KeyboardInterrupt:
        told(len(keys), len(tasks), "stopping when the recordings under way are done")
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for future, vid in futures.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                keys[vid] = future.result()[0]
    return resumed


def _finished(parts: Parts, tasks: Sequence[Task]) -> dict[str, str]:
    """vid -> key of the parts that can be found without reading recordings."""
    keys = {}
    for task in tasks:
        content = parts.remembered(task.recording)
        if content is not None:
            key = parts.key(task, content)
            part = parts.read(key, task)
            if part is not None and part.is_final:
                keys[task.recording.vid] = key
    return keys


def _nobody_asked(queries: Path, vid: str, recordings: Sequence[Recording]) -> str:
    near = difflib.get_close_matches(vid, [each.vid for each in recordings[:1000]], 1)
    hint = f"did you mean {near[0]!r}?" if near else "correct vid, or leave it out to ask all"
    return f"{queries}: no query names a recording that is there (vid {vid!r}); {hint}"


def _first(problems: Sequence[str]) -> str:
    more = len(problems) - PROBLEMS
    return "; ".join(problems[:PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _what(error: Exception) -> str:
    return _line(f"{type(error).__name__}: {error}")


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:REASON]
