"""A model whose weights lie in pieces, one in each process that trains it (FSDP)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from models.grounder import GroundingModel

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Sharded:
    """Shards a model in place and gives it back whole.

    Each layer of the encoders is a unit: its weights are together while it computes, and only then.
    What else the model has, the head for the most part, is one more unit, together during a step:
    heads are small, and are asked in more ways than one.
    """

    def __init__(self, model: GroundingModel, mesh: DeviceMesh, keep: bool) -> None:
        """`mesh`: the processes, in one dimension. `keep`: this process is given the whole."""
        self._model = model
        self._whole = copy.deepcopy(model) if keep else None
        for encoder in (model.clips, model.text):
            for layer in _layers(encoder):
                fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        register_fsdp_forward_method(model, "loss")

    def whole(self) -> GroundingModel | None:
        """The model as it is now, in the process that keeps it; all must take part."""
        state = cast("dict[str, Tensor]", get_model_state_dict(self._model, options=_WHOLE))
        if self._whole is None:
            return None
        self._whole.load_state_dict(state)
        return self._whole


def _layers(encoder: nn.Module) -> list[Any]:
    """The layers of an encoder, the innermost first where one has layers itself."""
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    layers = [layer for each in reversed(lists) for layer in each]
    return [layer for layer in layers if list(layer.parameters())]


class ShardedStrategy(ModelParallelStrategy):
    """The trainer's strategy for a model that `Sharded` has cut.

    (Its FSDPStrategy refuses the CPU.) Checkpoints are those of any other strategy: whole tensors,
    written by the first process, for any number of processes to go on with. The trainer's own way
    there numbers the optimizer's states by the order of the model, not of its groups, and wants one
    for each weight, which those have not that are frozen at first.
    """

    def __init__(self, count: int) -> None:
        """`count`: processes."""
        super().__init__(count, 1, save_distributed_checkpoint=False)
        self.cluster_environment = LightningEnvironment()

    @property
    def lightning_restore_optimizer(self) -> bool:
        """The trainer is to call `load_optimizer_state_dict`."""
        return True

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state with whole tensors, of use in the first process; all must take part."""
        return cast("dict[str, Any]", tree_map(self._gathered, optimizer.state_dict()))

    def _gathered(self, value: Any) -> Any:
        if not isinstance(value, DTensor):
            return value
        whole = value.full_tensor()
        return whole.cpu() if self.global_rank == 0 else None  # only one has room for all

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> Any:
        """Each process reads the file and takes its pieces of it."""
        return torch.load(checkpoint_path, map_location="cpu", mmap=True, weights_only=weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Whole weights -> pieces."""
        assert self.model is not None
        set_model_state_dict(self.model, dict(checkpoint["state_dict"]), options=_WHOLE)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Whole states -> pieces, cut as their weights are."""
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            state = {
                number: {name: _cut_as(weights[number], value) for name, value in values.items()}
                for number, values in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})


def _cut_as(weight: Tensor, value: Any) -> Any:
    if not (isinstance(weight, DTensor) and value.shape == weight.shape):
        return value  # a count of steps
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
