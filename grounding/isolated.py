"""Tasks in a process of their own, with limits of time and memory.

Recordings come from strangers, and decoders are written in C: one that hangs, eats the memory or
crashes costs its own process alone. Everything that crosses over is JSON: a child that a recording
has taken over can send nothing that would run here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from grounding import errors
from grounding.errors import BadInput, Interrupted, UnreadableMedia

Progress = Callable[[float, float, str], None]  # done, total, what

LONGEST_MESSAGE = 64 << 20  # bytes
LONGEST_LINE = 2000  # characters of an error's message
LONGEST_TEXT = 200  # characters of a progress text
KEPT_LOG = 64 << 10  # bytes of what the child says on stderr
TOLD_EVERY = 0.1  # seconds between two messages of progress
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
        BadInput: what the task raised, with its class and its message; or it took too long, needed
            too much memory, or crashed.
        Interrupted: `stop` was set.
        RuntimeError: a bug in the task; its traceback is in the log.
    """
    request = json.dumps(
        {
            "task": task,
            "arguments": dict(arguments),
            "seconds": seconds,
            "memory": memory,
            "size": size,
        }
    )
    child = _Child(task, tasks, request, time.monotonic() + seconds)
    try:
        while True:
            if stop is not None and stop.is_set():
                raise Interrupted(f"{task}: stopped")
            try:
                message = child.message(POLL)
            except queue.Empty:
                if child.is_late():
                    raise BadInput(f"{task}: took longer than {seconds:g} s; {MORE_TIME}") from None
                continue
            if message is None:
                raise _died(task, child, seconds, memory)
            if "progress" in message:
                done, total, text = _progress(task, message["progress"])
                if progress is not None:
                    progress(done, total, text)
            elif "result" in message:
                return message["result"]
            else:
                raise _raised(task, message, memory)
            if child.is_late():  # one that talks without end is late all the same
                raise BadInput(f"{task}: took longer than {seconds:g} s; {MORE_TIME}")
    finally:
        child.end()


class _Child:
    """The process of one task, and what it says."""

    def __init__(self, task: str, tasks: str, request: str, deadline: float) -> None:
        # The folder of our packages, so that the child finds the same ones wherever it starts;
        # -P, so that the folder it starts in adds none. Arenas would count as memory taken.
        root = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._task, self._deadline = task, deadline
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "grounding.isolated", tasks],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **threads, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "2"},
        )
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue(16)
        self._log: deque[bytes] = deque()
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._logger = threading.Thread(target=self._keep_log, daemon=True)
        self._listener.start()
        self._logger.start()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is dead already: that is found out by listening
            # stays open: when we die it closes, and the child ends itself
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()

    def is_late(self) -> bool:
        """Tell whether its time is over."""
        return time.monotonic() > self._deadline

    def message(self, seconds: float) -> dict[str, Any] | None:
        """The next message; None when there will be no more.

        Raises:
            queue.Empty: none comes in so many seconds.
        """
        return self._messages.get(timeout=seconds)

    def exit_code(self) -> int:
        """Its exit code, negative where a signal ended it."""
        try:
            return self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:  # it has closed its pipe and goes on
            return 1

    def log(self) -> bytes:
        """The end of what it said on stderr."""
        self._logger.join(timeout=1)
        return b"".join(self._log)[-KEPT_LOG:]

    def end(self) -> None:
        """Kill it with all its children."""
        self._over.set()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        for thread in (self._listener, self._logger):
            thread.join(timeout=1)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while line := pipe.readline(LONGEST_MESSAGE + 1):
                self._put(_read(line))
        except (OSError, ValueError) as error:
            logger.error("%s: sent what is no message: %s", self._task, error)
        self._put(None)

    def _put(self, message: dict[str, Any] | None) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                return self._messages.put(message, timeout=0.1)

    def _keep_log(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        kept = 0
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(pipe.fileno(), 4096):
                self._log.append(data)
                kept += len(data)
                while kept - len(self._log[0]) > KEPT_LOG:
                    kept -= len(self._log.popleft())


def _read(line: bytes) -> dict[str, Any]:
    """One line of the child -> message.

    Raises:
        ValueError: it is too long, or no message.
    """
    if not line.endswith(b"\n"):
        raise ValueError("a line too long or cut off")
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(message, dict) or not {"progress", "result", "error"} & set(message):
        raise ValueError("neither progress nor result nor error")
    return message


def _progress(task: str, told: Any) -> tuple[float, float, str]:
    try:
        done, total, text = told
        return float(done), float(total), _line(str(text))[:LONGEST_TEXT]
    except (TypeError, ValueError):
        raise RuntimeError(f"{task}: told progress that is none") from None


def _raised(task: str, message: dict[str, Any], memory: int | None) -> Exception:
    """The exception for what the task raised."""
    kind, words = message["error"], message.get("words")
    if kind == "MemoryError":
        return _memory(task, memory)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return RuntimeError(f"{task}: failed and did not say how")
    if kind == "bug":
        logger.error("%s: %s", task, "\n".join(words))
        return RuntimeError(f"{task}: failed; the log says how")
    found = getattr(errors, str(kind), None)
    if not (isinstance(found, type) and issubclass(found, BadInput)):
        found = BadInput
    if issubclass(found, UnreadableMedia):
        path, reason = [*words, "", ""][:2]
        return found(path, _line(reason))
    return found(_line(" ".join(words)))


def _died(task: str, child: _Child, seconds: float, memory: int | None) -> Exception:
    """The exception for a child that ended without a word."""
    code, log = child.exit_code(), child.log()
    logger.error("%s: ended with code %d: %s", task, code, log.decode("utf-8", "replace"))
    if code == -getattr(signal, "SIGXCPU", 0):
        return BadInput(f"{task}: took longer than {seconds:g} s; {MORE_TIME}")
    killed = code == -getattr(signal, "SIGKILL", 0)  # not by us: the system had no memory left
    if killed or (code < 0 and memory and any(word in log for word in OUT_OF_MEMORY)):
        return _memory(task, memory)
    if code < 0:
        return BadInput(
            f"{task}: its decoder crashed (signal {-code}); the file is damaged or made to harm"
        )
    return RuntimeError(f"{task}: ended without a result (code {code}); the log says more")


def _memory(task: str, memory: int | None) -> BadInput:
    allowed = "there is" if memory is None else f"the {memory // MB} MB it may have"
    return BadInput(f"{task}: needs more memory than {allowed}; try a smaller or shorter recording")


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_LINE]


def main() -> None:
    """What the child does: one task, read from stdin."""
    asked, out = _own_pipes()
    request = json.loads(asked.readline())
    threading.Thread(target=_end_with_parent, args=(asked,), daemon=True).start()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with lock:
            out.write(data)
            out.flush()

    try:
        work = importlib.import_module(sys.argv[1]).TASKS[request["task"]](**request["arguments"])
        _limit(request["seconds"], request["memory"], request["size"])
        message = {"result": work(_Teller(send))}
    except BaseException as error:
        message = _told(error)
    send(message)
    os._exit(0)  # a thread still waits for the parent


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes from and to the parent, taken off stdin and stdout: what libraries print goes to
    stderr, and processes started from here inherit neither.
    """
    asked, out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(asked, "rb"), os.fdopen(out, "wb")


def _end_with_parent(asked: IO[bytes]) -> None:
    """Wait until the parent closes its end, if only by dying; then end with all children."""
    asked.read(1)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _limit(seconds: float, memory: int | None, size: int | None) -> None:
    """From here on: processor time, memory on top of what is taken, size of files, no core dump."""
    try:
        import resource
    except ImportError:  # Windows has none of it; the parent still counts the seconds
        return

    def at_most(kind: int, soft: int, slack: int = 0) -> None:
        _, hard = resource.getrlimit(kind)
        most = soft + slack if hard == resource.RLIM_INFINITY else min(soft + slack, hard)
        resource.setrlimit(kind, (min(soft, most), most))

    # Threads count together. The parent counts by the clock: this is for when it cannot.
    at_most(resource.RLIMIT_CPU, math.ceil(seconds) * (os.cpu_count() or 1) + 5, slack=5)
    at_most(resource.RLIMIT_CORE, 0)
    if size is not None:
        at_most(resource.RLIMIT_FSIZE, size)
    status = Path("/proc/self/statm")
    if memory is not None and status.exists():
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        at_most(resource.RLIMIT_AS, taken + memory)


class _Teller:
    """Sends progress, but not more often than anybody can read."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send, self._last = send, -math.inf

    def __call__(self, done: float, total: float, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= TOLD_EVERY or done >= total:
            self._last = now
            self._send({"progress": [float(done), float(total), text]})


def _told(error: BaseException) -> dict[str, Any]:
    """What the task raised, as a message."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error):  # torch's is no such
        return {"error": "MemoryError"}
    if isinstance(error, UnreadableMedia):
        return {"error": "UnreadableMedia", "words": [error.path, error.reason]}
    if isinstance(error, BadInput):
        known = (
            kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__
        )
        return {"error": next(known), "words": [str(error)]}
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        line = f"{where}{error.strerror}; check the path, its permissions and the free space"
        return {"error": "BadInput", "words": [line]}
    return {"error": "bug", "words": traceback.format_exception(error)}


if __name__ == "__main__":
    main()
