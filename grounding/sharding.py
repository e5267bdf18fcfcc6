"""A model whose weights lie in pieces, one in each process that trains it (FSDP)."""

from __future__ import annotations

import copy
from typing import Any, cast

from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from models.grounder import GroundingModel


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
        """The model as it is now, on the CPU, in the process that keeps it; all must take part."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = cast("dict[str, Tensor]", get_model_state_dict(self._model, options=options))
        if self._whole is None:
            return None
        self._whole.load_state_dict(state)
        return self._whole


def _layers(encoder: nn.Module) -> list[Any]:
    """The layers of an encoder, the innermost first where one has layers itself."""
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    layers = [layer for each in reversed(lists) for layer in each]
    return [layer for layer in layers if list(layer.parameters())]
