"""What differs between the processes that train one model together, and what they agree on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.distributed_c10d import Store

from grounding.settings import StrategyName
from models.gather import alone, split
from models.grounder import GroundingModel
from models.records import Batch

if TYPE_CHECKING:
    from lightning.pytorch.strategies import Strategy

T = TypeVar("T")
# the others wait while the first extracts features or judges on `val`, however long it takes; who
# dies is noticed by the process that started them
PATIENCE = timedelta(days=30)
_AT_ONCE = 64  # recordings whose clips are sent together


@dataclass(frozen=True)
class Ranks:
    """One of `count` processes, equally many on each machine; with one, nothing here does
    anything.
    """

    rank: int = 0
    count: int = 1
    machines: int = 1

    @property
    def here(self) -> int:
        """Processes on this machine, and on each other one."""
        return self.count // self.machines

    @property
    def local(self) -> int:
        """Which of the processes on this machine it is, and so which GPU it has."""
        return self.rank % self.here

    @property
    def is_first(self) -> bool:
        """The process that writes files and speaks."""
        return self.rank == 0

    def join(self, meeting: str | Store, device: str) -> None:
        """Meet the others; `meeting` is a path where no file is yet, the same for all, or a store
        that all have.
        """
        os.environ["LOCAL_RANK"] = str(self.local)  # tells the trainer that the processes are there
        if device == "cuda":
            torch.cuda.set_device(self.local)
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
            init_method=f"file://{meeting}" if isinstance(meeting, str) else None,
            store=None if isinstance(meeting, str) else meeting,
            rank=self.rank,
            world_size=self.count,
            timeout=PATIENCE,
        )

    def leave(self) -> None:
        """Part from the others, who may still be at work."""
        torch.distributed.destroy_process_group()

    def strategy(self, kind: StrategyName) -> Strategy | str:
        """How the trainer brings gradients together."""
        if self.count == 1:
            return "auto"
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment
        from lightning.pytorch.strategies import DDPStrategy

        from grounding.sharding import ShardedStrategy

        if kind == "fsdp":
            return ShardedStrategy(self.count)
        return DDPStrategy(
            cluster_environment=LightningEnvironment(),
            # buffers are constants; a weight may be left out of some steps (text that is frozen at
            # first)
            broadcast_buffers=False,
            find_unused_parameters=True,
        )

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process goes through the block, then the others: they find what it made."""
        if self.count > 1 and not self.is_first:
            torch.distributed.barrier()
        yield
        if self.count > 1 and self.is_first:
            torch.distributed.barrier()

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them; it must pickle."""
        if self.count == 1:
            return make()
        made = [make() if self.is_first else None]
        torch.distributed.broadcast_object_list(made, device=torch.device("cpu"))
        return cast(T, made[0])

    def spread(self, x: Tensor) -> None:
        """The first process's (rows, ...) on the CPU become those of all, some rows at a time."""
        for rows in torch.split(x, _AT_ONCE):
            torch.distributed.broadcast(rows.view(torch.uint8), 0)

    def share(self, batch: Batch) -> Batch:
        """The part of a batch that this process encodes."""
        return batch if self.count == 1 else split(batch, self.rank, self.count)

    def own(self, batch: Batch) -> Tensor:
        """(Q',) which queries of the dataset this process has in a shared batch; on the CPU."""
        if batch.parts is None:
            return batch.query.cpu()
        return batch.query[batch.parts.queries[self.rank]].cpu()

    def seed(self, number: int) -> None:
        """Random numbers from here on; noise and dropout of each process are its own."""
        torch.manual_seed(number + self.rank * 1_000_000_007)

    def loss(self, model: GroundingModel, batch: Batch, epoch: int, gathered: bool) -> Tensor:
        """The loss of a shared batch, such that its mean over processes is that of the batch.

        Args:
            gathered: contrast with what all processes have; otherwise each contrasts alone and
                counts by its number of queries.
        """
        if batch.parts is None or gathered:
            return model.loss(batch, epoch)
        share = len(batch.parts.queries[self.rank]) / len(batch.video)
        return model.loss(alone(batch), epoch) * share * self.count

    def mean(self, value: float) -> float:
        """The mean of a number over all processes."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        torch.distributed.all_reduce(total)
        return float(total) / self.count

    def agree(self, state: dict[str, Tensor], own: Tensor) -> dict[str, Tensor]:
        """One memory of the training queries from those of all processes.

        Args:
            state: tensors with a row for each query of the dataset; others stay as they are.
            own: (queries,) True where this process has had the query last; no two may. Rows that
                nobody has had stay too.
        """
        if self.count == 1:
            return state
        somebody = own.int()
        torch.distributed.all_reduce(somebody)
        agreed = {}
        for name, tensor in state.items():
            if tensor.shape[:1] != own.shape:
                agreed[name] = tensor
                continue
            has = own.view(-1, *[1] * (tensor.ndim - 1))
            here = tensor.cpu()
            rows = torch.where(has, here, torch.zeros_like(here))
            rows = rows.to(torch.uint8) if rows.dtype == torch.bool else rows
            torch.distributed.all_reduce(rows)
            known = somebody.view_as(has) > 0
            agreed[name] = torch.where(known, rows.to(tensor.dtype), here).to(tensor.device)
        return agreed
