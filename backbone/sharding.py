"""Training with parameters, gradients and optimiser state cut over the processes (FSDP, arXiv:2304.11277).

Used by run_state.py where a run's strategy is fsdp. What leaves a run is whole again: checkpoints and models are those
of an ordinary run, so that any number of processes can go on from them. On GPUs and, over gloo, on CPUs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def sharding_strategy(num_processes: int) -> ModelParallelStrategy:
    """Fabric's strategy for `num_processes` that each hold a share of every parameter."""
    return ModelParallelStrategy(_shard_over, data_parallel_size=num_processes, tensor_parallel_size=1)


def is_sharded(fabric: Fabric) -> bool:
    """Whether the job's models are cut over its processes."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def shard(fabric: Fabric, model: nn.Module) -> None:
    """Cut a second model, an average of the first one, in the same way."""
    _shard_over(model, fabric.strategy.device_mesh)


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers on the CPU of the main process, nothing on the others. Every process must call it."""
    return get_model_state_dict(model, options=_WHOLE)


def uncut(model: nn.Module, template: nn.Module) -> nn.Module:
    """A copy of `template`, on the device of `model`, with its whole weights, on every process."""
    on_device = StateDictOptions(full_state_dict=True)
    copied = copy.deepcopy(template).to(next(model.parameters()).device)
    copied.load_state_dict(get_model_state_dict(model, options=on_device))
    return copied


def load_whole_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Cut whole weights, which every process holds, into a sharded model."""
    set_model_state_dict(model, dict(weights), options=_WHOLE)


def whole_optimizer_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """The optimiser's state as an ordinary run has it, parameters by number, on the main process."""
    named = get_optimizer_state_dict(model, optimizer, options=_WHOLE)
    if not named:  # not the main process
        return {}
    names = [name for group in named["param_groups"] for name in group["params"]]
    number_of = {name: number for number, name in enumerate(names)}
    groups = [{**group, "params": [number_of[name] for name in group["params"]]} for group in named["param_groups"]]
    return {"state": {number_of[name]: state for name, state in named["state"].items()}, "param_groups": groups}


def load_whole_optimizer_state(model: nn.Module, optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Cut an ordinary optimiser's state, which every process holds, into that of a sharded model."""
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    names = [name_of[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    groups = [{**group, "params": [names[number] for number in group["params"]]} for group in saved["param_groups"]]
    named = {"state": {names[number]: state for number, state in saved["state"].items()}, "param_groups": groups}
    set_optimizer_state_dict(model, optimizer, named, options=_WHOLE)


def _shard_over(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Cut a model in place, block by block: a forward pass holds one whole block at a time."""
    transformer = next((part for part in model.modules() if hasattr(part, "blocks")), None)  # it, or a part of it
    for block in getattr(transformer, "blocks", ()):  # a teacher of another library may have none
        fully_shard(block, mesh=mesh["data_parallel"])
    return fully_shard(model, mesh=mesh["data_parallel"])
