"""Start processes that work together, and answer for them as if they were one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from grounding.errors import BadInput
from grounding.ranks import Ranks

T = TypeVar("T", covariant=True)
Listener = Callable[..., None]
GRACE = 5.0  # seconds: who fails for the same reason says so within them


class Work(Protocol[T]):
    """What every process does. It must pickle, and so must what the first one returns, the result:
    tensors do not, as they would be shared with a process that is gone.
    """

    def __call__(self, ranks: Ranks, **listeners: Listener | None) -> T:
        """`listeners` as given to `together` in the first process, None in the others."""
        ...


def check_devices(count: int, device: str) -> None:
    """Can so many processes each have their device?

    Raises:
        BadInput: there are fewer GPUs, or another program has started processes already.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise BadInput(
            "WORLD_SIZE is set: processes were started already, by torchrun perhaps; "
            f"call the command once and let --devices {count} start them"
        )
    if device == "cuda" and (there := torch.cuda.device_count()) < count:
        raise BadInput(f"--devices {count}: there are {there} GPUs; take at most so many")


def together(count: int, device: str, work: Work[T], listeners: Mapping[str, Listener | None]) -> T:
    """Let `count` processes do one work; `listeners` are called in this process.

    Errors and log records of the first process come out here, so there is one line of each. When
    one process fails, or this one is interrupted or killed, all end.

    Raises:
        BadInput: as the work raises it; or a process was killed.
        ChildProcessError: a process crashed.
    """
    context = multiprocessing.get_context("spawn")
    heard = {name for name, listener in listeners.items() if listener}
    names = dict.fromkeys(listeners, False) | dict.fromkeys(heard, True)
    processes: list[SpawnProcess] = []
    pipes: list[Connection] = []
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder, "meeting"))
        try:
            with _deaf(), _terse():
                for rank in range(count):
                    here, there = context.Pipe(duplex=False)
                    pipes.append(here)
                    place = Ranks(rank, count)
                    process = context.Process(
                        target=_one, args=(place, device, meeting, there, work, names)
                    )
                    process.start()
                    processes.append(process)
                    there.close()
            result: T = _listen(processes, pipes, listeners)
            for process in processes:
                process.join(GRACE)
            return result
        finally:
            for process in processes:
                process.kill()  # files appear whole or not at all: nothing is left half done
                process.join()
            for pipe in pipes:
                pipe.close()


def _listen(
    processes: list[SpawnProcess],
    pipes: list[Connection],
    listeners: Mapping[str, Listener | None],
) -> Any:
    ranks = {pipe: rank for rank, pipe in enumerate(pipes)}
    results: dict[int, Any] = {}
    failures: dict[int, BaseException] = {}
    failed_at: dict[int, float] = {}
    until = float("inf")
    while ranks and (left := until - time.monotonic()) > 0:
        for pipe in wait(list(ranks), None if left == float("inf") else left):
            assert isinstance(pipe, Connection)
            rank = ranks[pipe]
            try:
                what, *rest = pipe.recv()
            except EOFError:
                processes[rank].join()
                died = _died(rank, processes[rank].exitcode)
                what, rest = "failed", [died, time.monotonic()]
            if what == "heard":
                name, words = rest
                listener = listeners[name]
                assert listener is not None
                listener(*words)
            elif what == "logged":
                (record,) = rest
                logging.getLogger(record.name).handle(record)
            else:
                del ranks[pipe]
                if what == "done":
                    (results[rank],) = rest
                else:
                    failures[rank], failed_at[rank] = rest
        if isinstance(failures.get(0), BadInput | OSError):
            break
        if failures and until == float("inf"):
            until = time.monotonic() + GRACE
    if failures:
        raise _telling(failures, failed_at)
    return results[0]


def _telling(failures: Mapping[int, BaseException], at: Mapping[int, float]) -> BaseException:
    """What a user can act on; else what came first: later ones complain that a partner is gone."""
    by_rank = [failures[rank] for rank in sorted(failures)]
    first = failures[min(failures, key=lambda rank: at[rank])]
    return next((e for e in by_rank if isinstance(e, BadInput | OSError)), first)


def _died(rank: int, code: int | None) -> BaseException:
    if code == -getattr(signal, "SIGKILL", 0):
        return BadInput(
            f"process {rank + 1} was killed, perhaps for want of memory; finished epochs are kept: "
            "go on with --resume and fewer --devices"
        )
    return ChildProcessError(f"process {rank + 1} ended with exit code {code}")


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started here do not hear Ctrl-C: this one does, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _terse() -> Iterator[None]:
    """In processes started here torch reports errors alone: it would warn, once a process, that no
    weight happened to be left out of the first step.
    """
    name = "TORCH_CPP_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ.setdefault(name, "ERROR")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _one(
    ranks: Ranks,
    device: str,
    meeting: str,
    pipe: Connection,
    work: Work[Any],
    names: Mapping[str, bool],
) -> None:
    """The life of one process: meet the others, work, report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()

    def tell(*message: Any) -> None:
        with lock:
            pipe.send(message)

    if ranks.is_first:
        logging.getLogger().handlers = [_Passing(tell)]
        warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1 x 1 kernels
    else:
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")

    def listener(name: str) -> Listener | None:
        if not (ranks.is_first and names[name]):
            return None
        return lambda *words: tell("heard", name, words)

    try:
        ranks.join(meeting, device)
        result = work(ranks, **{name: listener(name) for name in names})
    except (BadInput, OSError) as error:
        tell("failed", error, time.monotonic())
    except Exception:
        what = f"in process {ranks.rank + 1}:\n{traceback.format_exc()}"
        tell("failed", RuntimeError(what), time.monotonic())
    else:
        tell("done", result if ranks.is_first else None)
        ranks.leave()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


class _Passing(logging.Handler):
    """Log records go where the process that started this one has them."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self._tell("logged", record)
