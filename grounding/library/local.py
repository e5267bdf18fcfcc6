"""The engine `local`: worker processes of this machine, each with a thread that feeds it."""

from __future__ import annotations

import queue
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.library.asking import Asker, Here, Reply, clips_of_rows, one_line, told
from grounding.library.fetching import local
from grounding.library.parts import Part, Parts
from grounding.library.queries import Task

Done = tuple[Task, bool]  # and whether its part was there already


def run_here(
    askers: Sequence[Asker | Here],
    parts: Parts,
    tasks: Sequence[Task],
    keys: dict[str, str],
    cut: Path | None,
    stop: Event,
) -> Generator[Done, None, None]:
    """Do the tasks, as many at a time as there are askers -> each when it is finished; the key of
    its part is then in `keys` (by vid).

    Where the caller stops early, `stop` is set, and what is under way is given up.

    Raises:
        BadInput: no recording can be asked.
        OSError: a part cannot be written.
    """
    idle: queue.Queue[Asker | Here] = queue.Queue()
    for asker in askers:
        idle.put(asker)

    def one(task: Task) -> bool:
        asker = idle.get()
        try:
            keys[task.recording.vid], before = _do(asker, parts, task, cut)
            return before
        finally:
            idle.put(asker)

    pool = ThreadPoolExecutor(len(askers))
    futures: dict[Future[bool], Task] = {}
    try:
        futures = {pool.submit(one, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for asker in askers:
            asker.close()


def is_cut(task: Task, part: Part, cut: Path | None) -> bool:
    """Whether all that is to be written of a part's moments is there."""
    if cut is None:
        return True
    return all((cut / name).exists() for name, _ in clips_of_rows(task.recording.vid, part.rows))


def _do(asker: Asker | Here, parts: Parts, task: Task, cut: Path | None) -> tuple[str, bool]:
    with ExitStack() as until_asked:
        known = parts.remembered(task.recording)
        try:
            path, content = until_asked.enter_context(
                local(task.recording, parts.fetched, known=known)
            )
        except UnreachableMedia as error:
            return _failed(parts, task, "unreachable", one_line(error.reason))
        except UnreadableMedia as error:
            return _failed(parts, task, "unreadable", one_line(error.reason))
        except (BadInput, OSError):
            raise  # a package is missing, or this disk is full: every one would fail
        except Exception as error:
            return _failed(parts, task, "error", told(error))
        return _ask(asker, parts, task, path, content, cut)


def _ask(
    asker: Asker | Here, parts: Parts, task: Task, path: Path, content: str, cut: Path | None
) -> tuple[str, bool]:
    key, vid = parts.key(task, content), task.recording.vid
    part = parts.read(key, task)
    if part is not None and part.is_final:
        if is_cut(task, part, cut):
            return key, True
        reply = asker(path, vid, task.sentences, cut=cut, rows=part.rows)
        if reply.problem is None:
            return key, True
        # what was answered stays, but for the reason why nothing is cut
        reply = Reply(part.rows, ("partial", reply.problem[1]), reply.tries)
    else:
        reply = asker(path, vid, task.sentences, cut=cut)
    return _keep(parts, task, content, reply), False


def _failed(parts: Parts, task: Task, kind: str, reason: str) -> tuple[str, bool]:
    return _keep(parts, task, None, Reply(problem=(kind, reason))), False


def _keep(parts: Parts, task: Task, content: str | None, reply: Reply) -> str:
    return parts.write(task, content, reply.rows, reply.problem, reply.tries)
