"""The process of a worker as its parent sees it: pipes, messages, the end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 64 << 20  # bytes
KEPT_LOG = 64 << 10  # bytes of what the child says on stderr

logger = logging.getLogger(__name__)


class Child:
    """The process of one task, and what it says. Messages are lines of JSON, both ways."""

    def __init__(self, task: str, tasks: str) -> None:
        # The folder of our packages, so that the child finds the same ones wherever it starts;
        # -P, so that the folder it starts in adds none. Arenas would count as memory taken.
        root = str(Path(__file__).resolve().parent.parent.parent)
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._task = task
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "grounding.isolated.child", tasks],
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

    def send(self, message: Mapping[str, Any]) -> None:
        """One message to the child; a dead one is found out by listening."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            # stays open: when we die it closes, and the child ends itself
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

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
    if not isinstance(message, dict) or not {"progress", "ready", "result", "error"} & set(message):
        raise ValueError("neither progress nor ready nor result nor error")
    return message
