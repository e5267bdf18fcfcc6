"""What a worker process does: it gets ready for one task, then does call after call.

python -m grounding.isolated.child MODULE, with messages on stdin and stdout.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from grounding import errors
from grounding.errors import BadInput, UnreadableMedia

NO_MEMORY = ("allocate memory", "start new thread", "failed to map segment", "bad_alloc")
TOLD_EVERY = 0.1  # seconds between two messages of progress

Send = Callable[[dict[str, Any]], None]


def main() -> None:
    """Read a task from stdin, get ready, then answer one call a line until stdin closes."""
    asked, out = _own_pipes()
    request = json.loads(asked.readline())
    calls: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(asked, calls), daemon=True).start()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with lock:
            out.write(data)
            out.flush()

    try:
        work = importlib.import_module(sys.argv[1]).TASKS[request["task"]](**request["arguments"])
        _limit(request["memory"], request["size"])
    except BaseException as error:
        send(_told(error))
        os._exit(0)  # a thread still waits for the parent
    send({"ready": True})
    while True:
        call = calls.get()
        try:
            _limit_time(call["seconds"])
            message = {"result": work(_Teller(send), **call["arguments"])}
        except BaseException as error:
            message = _told(error)
        send(message)


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


def _listen(asked: IO[bytes], calls: queue.Queue[dict[str, Any]]) -> None:
    """Take in calls until the parent closes its end, if only by dying; then end with all
    children.
    """
    for line in asked:
        calls.put(json.loads(line))
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _at_most(kind: int, soft: int) -> None:
    import resource

    _, hard = resource.getrlimit(kind)
    most = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(kind, (most, hard))


def _limit(memory: int | None, size: int | None) -> None:
    """From here on: memory on top of what is taken, size of files, no core dump."""
    try:
        import resource
    except ImportError:  # Windows has none of it; the parent still counts the seconds
        return
    _at_most(resource.RLIMIT_CORE, 0)
    if size is not None:
        _at_most(resource.RLIMIT_FSIZE, size)
    status = Path("/proc/self/statm")
    if memory is not None and status.exists():
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        _at_most(resource.RLIMIT_AS, taken + memory)


def _limit_time(seconds: float) -> None:
    """Processor time from here on. The parent counts by the clock: this is for when it cannot."""
    try:
        import resource
    except ImportError:
        return
    # threads count together
    more = math.ceil(seconds) * (os.cpu_count() or 1) + 5
    _at_most(resource.RLIMIT_CPU, math.ceil(time.process_time()) + more)


class _Teller:
    """Sends progress, but not more often than anybody can read."""

    def __init__(self, send: Send) -> None:
        self._send, self._last = send, -math.inf

    def __call__(self, done: float, total: float, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= TOLD_EVERY or done >= total:
            self._last = now
            self._send({"progress": [float(done), float(total), text]})


def wants_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; most libraries have words of their own."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)


def _told(error: BaseException) -> dict[str, Any]:
    """What the task raised, as a message."""
    if wants_memory(error):
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
