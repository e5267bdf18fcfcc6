"""Work that takes longer than a page: one at a time for each key, watched by any visitor."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from grounding.errors import BadInput

WORKERS = 2  # decoders use the cores themselves; more jobs would only be slower together
KEPT = 64  # finished jobs remembered
RETRY = 10.0  # seconds after which a failed job may be tried again

logger = logging.getLogger(__name__)

Work = Callable[[Callable[[float, float, str], None], threading.Event], Any]


class Job:
    """One piece of work: its progress, and in the end `result` or `error`, one line for people."""

    def __init__(self) -> None:
        self.done, self.total, self.what = 0.0, 0.0, ""
        self.result: Any = None
        self.error: str | None = None
        self.finished = threading.Event()
        self.stop = threading.Event()
        self.ended = 0.0

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total > 0 else 0.0

    def tell(self, done: float, total: float, what: str) -> None:
        """Take a step of progress."""
        self.done, self.total, self.what = done, total, what


class Jobs:
    """A queue in front of a few workers; equal keys share one job."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="job")
        self._jobs: OrderedDict[Any, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, key: Any, work: Work) -> Job:
        """The job of this key: the one under way or finished, else a new one."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not self._is_stale(job):
                self._jobs.move_to_end(key)
                return job
            job = self._jobs[key] = Job()
            self._jobs.move_to_end(key)
            for old in [k for k, j in self._jobs.items() if j.finished.is_set()][:-KEPT]:
                del self._jobs[old]
        self._pool.submit(self._run, job, work)
        return job

    def forget(self, key: Any) -> None:
        """Let a finished job's key begin anew: what it made is gone, or somebody asks again."""
        with self._lock:
            if key in self._jobs and self._jobs[key].finished.is_set():
                del self._jobs[key]

    def close(self) -> None:
        """Stop what is under way and start nothing more."""
        with self._lock:
            for job in self._jobs.values():
                job.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _is_stale(job: Job) -> bool:
        # one that a person has stopped begins again when a person says so
        failed = job.finished.is_set() and job.error is not None and not job.stop.is_set()
        return failed and time.monotonic() - job.ended > RETRY

    @staticmethod
    def _run(job: Job, work: Work) -> None:
        try:
            job.result = work(job.tell, job.stop)
        except BadInput as error:
            job.error = str(error)
        except KeyboardInterrupt:  # how a stopped task says so
            job.error = "stopped"
        except Exception as error:
            logger.error("a job failed", exc_info=error)
            job.error = "something went wrong; the terminal that runs `grounding app` says what"
        finally:
            job.ended = time.monotonic()
            job.finished.set()
