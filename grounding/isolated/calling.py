"""`call` runs one task in a process of its own; a `Worker` gets ready once and is asked often."""

from __future__ import annotations

import logging
import math
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from grounding import errors
from grounding.errors import BadInput, Interrupted, UnreadableMedia, WorkerLost
from grounding.isolated.process import Child

Progress = Callable[[float, float, str], None]  # done, total, what

LONGEST_LINE = 2000  # characters of an error's message
LONGEST_TEXT = 200  # characters of a progress text
POLL = 0.05  # seconds until a stop is noticed
MB = 1 << 20
OUT_OF_MEMORY = (b"bad_alloc", b"annot allocate memory", b"ut of memory")
MORE_TIME = "try a shorter recording, or allow more time"

logger = logging.getLogger(__name__)


def call(
    task: str,
    arguments: Mapping[str, Any],
    *,
    seconds: float,
    memory: int | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    tasks: str = "grounding.tasks",
) -> Any:
    """Run a task of `grounding.tasks.TASKS` in a process of its own -> its result.

    Arguments and result are what JSON can hold. When this returns or raises, the process and all
    that it started are gone.

    Args:
        seconds: by the clock, from the start of the process to the result.
        memory: bytes beyond what the task's own libraries and models take; None = no limit, as a
            GPU needs it.
        size: bytes of the largest file it may write; None = no limit.
        progress: called in this thread, about ten times a second at most.
        stop: gives the task up when it is set.
        tasks: the module whose `TASKS` names the task; tests have their own.

    Raises:
        BadInput: what the task raised, with its class and its message.
        WorkerLost: it took too long, needed too much memory, or crashed.
        Interrupted: `stop` was set.
        RuntimeError: a bug in the task; its traceback is in the log.
    """
    until = time.monotonic() + seconds
    worker = Worker(task, arguments, memory=memory, size=size, stop=stop, tasks=tasks)
    try:
        worker.get_ready(seconds)
        return worker.ask({}, seconds=seconds, until=until, progress=progress)
    finally:
        worker.close()


class Worker:
    """A process that gets ready for a task once, then does one call after the other.

    Not to be shared by threads. After any exception but `BadInput` of the task itself it is gone;
    take another one.
    """

    def __init__(
        self,
        task: str,
        arguments: Mapping[str, Any],
        *,
        memory: int | None = None,
        size: int | None = None,
        stop: threading.Event | None = None,
        tasks: str = "grounding.tasks",
    ) -> None:
        """Start it; arguments as those of `call`, `memory` on top of what it takes when ready."""
        self._task, self._memory, self._stop = task, memory, stop
        self._child = Child(task, tasks)
        self._child.send(
            {"task": task, "arguments": dict(arguments), "memory": memory, "size": size}
        )

    def get_ready(self, seconds: float) -> None:
        """Wait until it has loaded what it needs; raises what `call` raises."""
        self._receive("ready", seconds, time.monotonic() + seconds, math.inf, None)

    def ask(
        self,
        arguments: Mapping[str, Any],
        *,
        seconds: float,
        until: float | None = None,
        silent: float = math.inf,
        progress: Progress | None = None,
    ) -> Any:
        """One call of the work -> its result; raises what `grounding.isolated.call` raises.

        Args:
            arguments: of the work, by name.
            seconds: by the clock, or until `until` if that is given.
            silent: seconds without any progress after which it counts as hanging.
            progress: called in this thread.
        """
        self._child.send({"arguments": dict(arguments), "seconds": seconds})
        until = time.monotonic() + seconds if until is None else until
        return self._receive("result", seconds, until, silent, progress)

    def close(self) -> None:
        """Kill it with all its children."""
        self._child.end()

    def _receive(
        self, what: str, seconds: float, until: float, silent: float, progress: Progress | None
    ) -> Any:
        heard = time.monotonic()
        while True:
            if self._stop is not None and self._stop.is_set():
                raise Interrupted(f"{self._task}: stopped")
            now = time.monotonic()
            if now > until:  # one that talks without end is late all the same
                raise self._late(f"took longer than {seconds:g} s")
            if now - heard > silent:
                raise self._late(f"hangs: nothing happened for {silent:g} s")
            try:
                message = self._child.message(POLL)
            except queue.Empty:
                continue
            heard = time.monotonic()
            if message is None:
                raise self._died(seconds)
            if "progress" in message:
                told = self._progress(message["progress"])
                if progress is not None:
                    progress(*told)
            elif what in message:
                return message[what]
            elif "error" in message:
                raise self._raised(message)
            else:
                raise RuntimeError(f"{self._task}: answered what it was not asked")

    def _progress(self, told: Any) -> tuple[float, float, str]:
        try:
            done, total, text = told
            return float(done), float(total), _line(str(text))[:LONGEST_TEXT]
        except (TypeError, ValueError):
            raise RuntimeError(f"{self._task}: told progress that is none") from None

    def _raised(self, message: Mapping[str, Any]) -> Exception:
        """The exception for what the task raised."""
        kind, words = message["error"], message.get("words")
        if kind == "MemoryError":
            return self._no_memory()
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return RuntimeError(f"{self._task}: failed and did not say how")
        if kind == "bug":
            logger.error("%s: %s", self._task, "\n".join(words))
            last = _line(words[-1]) if words else ""
            return RuntimeError(f"{self._task}: failed; the log says how ({last.split(':')[0]})")
        found = getattr(errors, str(kind), None)
        if not (isinstance(found, type) and issubclass(found, BadInput)) or found is WorkerLost:
            found = BadInput
        if issubclass(found, UnreadableMedia):
            path, reason = [*words, "", ""][:2]
            return found(path, _line(reason))
        return found(_line(" ".join(words)))

    def _died(self, seconds: float) -> Exception:
        """The exception for a child that ended without a word."""
        code, log = self._child.exit_code(), self._child.log()
        said = log.decode("utf-8", "replace")
        logger.error("%s: ended with code %d: %s", self._task, code, said)
        if code == -getattr(signal, "SIGXCPU", 0):
            return self._late(f"took longer than {seconds:g} s")
        if code < 0 and self._memory and any(word in log for word in OUT_OF_MEMORY):
            return self._no_memory()
        if code == -getattr(signal, "SIGKILL", 0):  # not by us: perhaps there was no memory left
            return WorkerLost("killed", f"{self._task}: was killed, perhaps for want of memory")
        if code < 0:
            return WorkerLost(
                "crash",
                f"{self._task}: its decoder crashed (signal {-code}); the file is damaged or made "
                "to harm",
            )
        return RuntimeError(
            f"{self._task}: ended without a result (code {code}); the log says more"
        )

    def _late(self, how: str) -> WorkerLost:
        return WorkerLost("timeout", f"{self._task}: {how}; {MORE_TIME}")

    def _no_memory(self) -> WorkerLost:
        memory = self._memory
        allowed = "there is" if memory is None else f"the {memory // MB} MB it may have"
        line = f"{self._task}: needs more memory than {allowed}; try a smaller or shorter recording"
        return WorkerLost("memory", line)


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_LINE]
