"""Processes that torchrun started, here and on other machines: they meet, and speak with one voice.

torchrun has started them, sees who dies, and ends the rest; it cannot know which of them should
tell the user what is wrong. Whoever fails first says so; the others hear of it and end without a
word.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grounding.devices import resolve
from grounding.errors import BadInput

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

    from grounding.ranks import Ranks

LOOK = 0.2  # seconds between two looks at how the others are
FAREWELL = 3.0  # seconds in which the others have looked
_NEEDED = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def started() -> bool:
    """Whether this is one of several processes that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def repeats() -> bool:
    """Whether another process on this machine was given the same words and is the one to answer."""
    return started() and os.environ.get("LOCAL_RANK", "0") != "0"


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Meet the others; all go through the block, or none to its end.

    Args:
        device: as `--device` has it; with cuda each process has the GPU of its place.

    Raises:
        BadInput: as the block raises it, in the process that found it first; torchrun's variables
            are not complete, or a machine has too few GPUs.
        SystemExit: in the others, with the same exit code.
        Interrupted: by Ctrl-C, in the first process alone.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else a warning a process; see processes
    import torch.distributed
    from torch.distributed.rendezvous import rendezvous

    ranks = _place()
    store, _, _ = next(rendezvous("env://"))
    voice = _Voice(store, ranks)
    try:
        with voice.heard():
            ranks.join(store, _device(device, ranks))
            _quieten(ranks)
            yield ranks
            torch.distributed.barrier()  # nobody's end is taken for a failure
            ranks.leave()
    except (BadInput, OSError):
        voice.say_or_exit(2)
        raise
    except KeyboardInterrupt:
        voice.say_or_exit(130)
        raise
    except Exception as error:
        voice.say_or_exit(1)
        if "gloo" in str(error) or isinstance(error, torch.distributed.DistError):
            raise BadInput(
                "another process is gone, killed perhaps for want of memory; finished epochs are "
                "kept: go on with torchrun ... -m apps -- train --run DIR --resume"
            ) from None
        raise


def _place() -> Ranks:
    from grounding.ranks import Ranks

    if missing := [name for name in _NEEDED if name not in os.environ]:
        raise BadInput(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {missing[0]} is not set; start the "
            "processes with torchrun, or unset WORLD_SIZE"
        )
    count, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    ranks = Ranks(int(os.environ["RANK"]), count, count // here)
    if count % here or ranks.local != int(os.environ["LOCAL_RANK"]):
        raise BadInput(
            f"{here} of {count} processes are on this machine; give torchrun the same "
            "--nproc-per-node on each"
        )
    return ranks


def _device(name: str, ranks: Ranks) -> str:
    import torch

    device = resolve(name)
    if device == "cuda" and (there := torch.cuda.device_count()) < ranks.here:
        raise BadInput(f"--nproc-per-node {ranks.here}: there are {there} GPUs; take at most that")
    return device


def _quieten(ranks: Ranks) -> None:
    if ranks.is_first:
        warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1 x 1 kernels
        return
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if ranks.local:  # Ctrl-C is for the first on each machine; it ends the others
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Voice:
    """Who may say what is wrong, agreed on in the store that torchrun's processes share."""

    def __init__(self, store: Store, ranks: Ranks) -> None:
        self._store, self._ranks = store, ranks
        self._own = store.clone()  # a client waits for an answer, and keeps other threads waiting
        self._over = threading.Event()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Meanwhile this process ends when another one has failed, whatever it is waiting for."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def _listen(self) -> None:
        while not self._over.wait(LOOK):
            try:
                failed = self._own.check(["code"])
                code = int(self._own.get("code")) if failed else 0
            except Exception:  # who kept the store has ended, and torchrun with it
                os._exit(1)
            if failed and not self._over.is_set():
                self._own.add("gone", 1)
                os._exit(code)

    def say_or_exit(self, code: int) -> None:
        """Return in the process that failed first, once the others know; exit in those."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, when the first of us has ended
        try:
            is_first = self._store.add("failures", 1) == 1
            if not is_first:
                self._store.add("gone", 1)
                raise SystemExit(code)
            self._store.set("code", str(code))
            until = time.monotonic() + FAREWELL
            while self._store.add("gone", 0) < self._ranks.count - 1 and time.monotonic() < until:
                time.sleep(LOOK / 4)
        except RuntimeError:
            return  # no store any more: better said twice than not at all
