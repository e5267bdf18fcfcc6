"""What one actor of the engine `ray` does: it asks the recordings it is handed.

Orders and answers are JSON: the driver may lie on another machine, and file names may hold bytes
that are no Unicode.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.library.addresses import place_of
from grounding.library.asking import Asker, Limits, Reply, one_line, told
from grounding.library.fetching import local
from grounding.library.parts import Job
from grounding.library.recordings import Recording

Order = dict[str, Any]  # number, place, there, vid, sentences, content, rows
Answer = dict[str, Any]  # number, content, seen, rows, problem, tries; or fatal; or bug


@dataclass(frozen=True, slots=True)
class Pool:
    """What all actors are made from, and how many there are at most."""

    model: str
    device: str
    top: int
    limits: Limits
    workers: int


class Actor:
    """Holds one `Asker`, and with it a worker process that holds the model."""

    def __init__(
        self, pool: Pool, job: Job, known: frozenset[str], cut: str | None, folder: str
    ) -> None:
        """`known` are the keys of parts that are there already; `folder` is where the command was
        started, from which relative paths count.
        """
        with suppress(OSError):  # a node without it can still do what is named by whole paths
            os.chdir(folder)
        self._asker = Asker(pool.model, pool.device, pool.top, pool.limits)
        self._job, self._known = job, known
        self._fetched = Path(tempfile.gettempdir())
        self._cut = None if cut is None else Path(cut)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """A batch of orders -> their answers, in the column `answer`."""
        return {"answer": [json.dumps(self._answer(json.loads(text))) for text in batch["order"]]}

    def _answer(self, order: Order) -> Answer:
        try:
            answer = self._do(order)
        except BadInput as error:
            answer = {"fatal": str(error)}
        except Exception:
            answer = {"bug": traceback.format_exc()}
        return {"number": order["number"], **answer}

    def _do(self, order: Order) -> Answer:
        place = place_of(order["place"])
        if order["there"] and not os.path.lexists(place):
            node = f"not at this path on node {platform.node()}, but where the batch was started"
            return _reply(None, Reply(problem=("unreachable", node)))
        recording = Recording(order["vid"], place)
        with ExitStack() as until_asked:
            try:
                path, content = until_asked.enter_context(
                    local(recording, self._fetched, known=order["content"])
                )
            except UnreachableMedia as error:
                return _reply(None, Reply(problem=("unreachable", one_line(error.reason))))
            except UnreadableMedia as error:
                return _reply(None, Reply(problem=("unreadable", one_line(error.reason))))
            except BadInput:
                raise  # a package is missing: every one would fail
            except Exception as error:
                return _reply(None, Reply(problem=("error", told(error))))
            sentences, rows = order["sentences"], order["rows"]
            if order["content"] is None and self._job.key(content, sentences) in self._known:
                return {"content": content, "seen": True}
            reply = self._asker(path, order["vid"], sentences, cut=self._cut, rows=rows)
            return _reply(content, reply)


def _reply(content: str | None, reply: Reply) -> Answer:
    return {
        "content": content,
        "seen": False,
        "rows": reply.rows,
        "problem": reply.problem,
        "tries": reply.tries,
    }
