"""The engine `ray`: actors of a cluster ask; this process alone keeps what comes of it.

An actor that is lost, with its node or alone, costs what it had in hand; that is asked again.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from grounding.errors import BadInput
from grounding.library.local import Done, is_cut
from grounding.library.parts import Parts
from grounding.library.queries import Task
from grounding.library.ray_actor import Actor, Answer, Order, Pool
from grounding.library.ray_cluster import cluster, gpu_share, last_line, packages, settings

LOSSES = 3  # of actors that had the same recording in hand; of all at once without an answer
BLOCKS = 10_000  # at most; up to there one a recording, so that a lost actor costs one

KILLED = ("killed", f"{LOSSES} actors of Ray were lost that had it, perhaps for want of memory")

logger = logging.getLogger(__name__)


def run_on_ray(
    pool: Pool, parts: Parts, tasks: Sequence[Task], keys: dict[str, str], cut: Path | None
) -> Generator[Done, None, None]:
    """Do the tasks -> each when it is finished; the key of its part is then in `keys` (by vid).

    The model, `cut` and recordings that are files lie at the same paths on every node; parts are
    written here.
    Where the caller stops early, the actors end, and what they had in hand is given up.

    Raises:
        BadInput: there is no cluster, or it is lost, or no recording can be asked.
        OSError: a part cannot be written.
    """
    left = dict(enumerate(tasks))
    known = frozenset(path.stem for path in (parts.out / "parts").glob("[!.]*.jsonl"))
    contents: dict[int, str] = {}  # told by actors, of tasks that are then asked once more
    losses, idle = Counter[int](), 0
    with cluster(min(pool.workers, len(tasks))):
        while left:
            orders = [_order(n, task, parts, contents.get(n), cut) for n, task in left.items()]
            silent = {order["number"]: order for order in orders}
            fault: Exception | None = None
            with closing(_answers(pool, parts, known, orders, cut)) as answers:
                for answer in answers:
                    if isinstance(answer, Exception):
                        fault = answer
                        continue
                    order = silent.pop(answer["number"], None)
                    if order is None:
                        continue  # of a block that was made twice
                    idle, task = 0, left[order["number"]]
                    settled = _settle(parts, task, order, answer, cut)
                    if settled is None:
                        contents[order["number"]] = answer["content"]
                        continue
                    del left[order["number"]]
                    keys[task.recording.vid], before = settled
                    yield task, before
            if fault is not None:
                idle += 1
                if idle == LOSSES:
                    raise BadInput(
                        f"the Ray cluster does not answer ({last_line(fault)}); see if its nodes "
                        "live, and go on with the same command"
                    )
            else:
                losses.update(silent.keys())
            for number in [n for n in silent if losses[n] == LOSSES]:
                task = left.pop(number)
                key = parts.write(task, contents.get(number), (), KILLED, LOSSES)
                keys[task.recording.vid] = key
                yield task, False
            if silent and left:
                logger.warning("actors of Ray were lost; recordings asked again: %d", len(left))


def _order(number: int, task: Task, parts: Parts, content: str | None, cut: Path | None) -> Order:
    """What an actor is told of a task; `rows` where they are known and only cuts are missing."""
    recording = task.recording
    content = content or parts.remembered(recording)
    part = parts.read(parts.key(task, content), task) if cut and content else None
    return {
        "number": number,
        "place": str(recording.place),
        "there": isinstance(recording.place, Path) and recording.place.exists(),
        "vid": recording.vid,
        "sentences": task.sentences,
        "content": content,
        "rows": part.rows if part and part.is_final else None,
    }


def _settle(
    parts: Parts, task: Task, order: Order, answer: Answer, cut: Path | None
) -> tuple[str, bool] | None:
    """Keep an answer -> key of the part, and whether it was there already; None when the recording,
    whose content is known by now, must be asked once more.

    Raises:
        BadInput: the actor found that no recording can be asked.
        OSError: the part cannot be written.
    """
    if "fatal" in answer:
        raise BadInput(answer["fatal"])
    if "bug" in answer:
        raise RuntimeError(f"an actor of Ray failed:\n{answer['bug']}")
    content = answer["content"]
    if answer["seen"]:
        key = parts.key(task, content)
        part = parts.read(key, task)
        is_done = part is not None and part.is_final and is_cut(task, part, cut)
        return (key, True) if is_done else None
    rows, problem = answer["rows"], answer["problem"] and tuple(answer["problem"])
    if order["rows"] is not None and content is not None:
        if problem is None:
            return parts.key(task, content), True
        # what was answered stays, but for the reason why nothing is cut
        rows, problem = order["rows"], ("partial", problem[1])
    return parts.write(task, content, rows, problem, answer["tries"]), False


def _answers(
    pool: Pool, parts: Parts, known: frozenset[str], orders: Sequence[Order], cut: Path | None
) -> Generator[Answer | Exception, None, None]:
    """Have all orders done by actors -> answers as they come, but for those that were lost; at the
    end the error that ended it early, if any.
    """
    import ray.data
    from ray.data.exceptions import SystemException
    from ray.exceptions import RayError

    with settings():
        size = min(pool.workers, len(orders))
        rows = [{"order": json.dumps(order)} for order in orders]
        asked = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
            Actor,
            fn_constructor_args=(pool, parts.job, known, cut and str(cut), str(Path.cwd())),
            # min_size: those that find no room, as after the loss of a node, are not waited for
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1
            ),
            batch_size=None,
            num_cpus=1,
            num_gpus=gpu_share(pool.device, size),
            # A lost actor starts anew where there is room; what it had in hand would wait for that,
            # perhaps for ever, so it fails at once and is asked again in the end.
            max_restarts=-1,
            max_task_retries=0,
            runtime_env=packages(),
        )
    batches = iter(asked.iter_batches(batch_size=None, prefetch_batches=0))
    try:
        for batch in batches:
            for text in batch["answer"]:
                yield json.loads(text)
    except (RayError, SystemException) as error:
        yield error
    finally:
        batches.close()
