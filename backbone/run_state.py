"""The state of a training run and its checkpoint: written atomically, so a run killed at any moment resumes.

Sits between loop.py, which advances the state, and train.py, which decides when to keep it. `open_fabric` makes the
processes that share the run; the detector's training uses it too.
"""

from __future__ import annotations

import atexit
import copy
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision, Precision
from torch import nn
from torch.optim.swa_utils import AveragedModel

from backbone import sharding
from backbone.bf16 import is_quicker_in_bf16
from backbone.checkpoint import load_torch_file, save_atomically
from backbone.config import PRECISIONS

log = logging.getLogger(__name__)
CHECKPOINT_ENTRIES = {"model", "optimizer", "averaged", "scaler", "step", "plan"}
STRATEGIES = ("ddp", "fsdp")  # every process holds the whole model, or a share of it


class _MixedPrecision(MixedPrecision):
    """Autocast, with inputs as they are: Fabric's own would round them, box coordinates too, to 16 bits."""

    def convert_input(self, data: Any) -> Any:
        return data


def open_fabric(precision: str, devices: int, num_nodes: int = 1, *, strategy: str = "ddp") -> Fabric:
    """Fabric for a job, launched: GPUs where there are some, otherwise the CPU.

    Under torchrun its counts of processes and machines are taken instead of the two given. strategy is one of
    STRATEGIES and matters with several processes. ValueError for an unknown precision or strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}: use one of {', '.join(STRATEGIES)}")
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices, num_nodes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and precision != "32-true" and not is_quicker_in_bf16("cpu"):
        log.warning("this CPU multiplies no faster in 16 bits: precision 32-true is quicker here than %s", precision)
    plugin = Precision() if precision == "32-true" else _MixedPrecision(precision, device)
    several = devices * num_nodes > 1
    chosen = sharding.sharding_strategy(devices * num_nodes) if strategy == "fsdp" and several else "auto"
    fabric = Fabric(accelerator=device, devices=devices, num_nodes=num_nodes, plugins=[plugin], strategy=chosen)
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave_job)
    return fabric


def _leave_job() -> None:
    """End the process group's threads while the interpreter still stands, or they may abort a process that is done."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@dataclass
class RunState:
    """What a run is made of; everything here but the steps of an epoch is in its checkpoint.

    model as wrapped by Fabric; averaged the moving average of its weights, or None; step counts optimiser steps done.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel | None
    step: int = 0
    whole: nn.Module | None = field(default=None, repr=False)  # of a sharded run: the model uncut, filled when asked

    def plain_model(self) -> nn.Module:
        """The model without Fabric around it."""
        return getattr(self.model, "module", self.model)

    def whole_models(self) -> dict[str, nn.Module]:
        """The models to evaluate and keep, uncut: "weights", and "average" where there is one.

        Every process must call it. Of a sharded run each is a copy, on every process.
        """
        models = {"weights": self.plain_model()}
        if self.averaged is not None:
            models["average"] = self.averaged.module
        if self.whole is None:
            return models
        return {name: sharding.uncut(model, self.whole) for name, model in models.items()}

    def final_model(self) -> nn.Module:
        """The model to evaluate and to ship, uncut: the average of the weights where there is one.

        Every process must call it. Of a sharded run it is a copy, on every process.
        """
        model = self.plain_model() if self.averaged is None else self.averaged.module
        return model if self.whole is None else sharding.uncut(model, self.whole)


def set_up(
    fabric: Fabric,
    model: nn.Module,
    averaged: AveragedModel | None,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
) -> RunState:
    """A run's state at its start, on the job's device and cut over its processes where they share the model."""
    whole = copy.deepcopy(model) if sharding.is_sharded(fabric) else None
    model = fabric.setup_module(model)
    if averaged is not None:
        averaged.to(fabric.device)
        if whole is not None:
            sharding.shard(fabric, averaged.module)
    optimizer = fabric.setup_optimizers(make_optimizer(model))
    return RunState(model, optimizer, averaged, whole=whole)


def is_scaled(fabric: Fabric) -> bool:
    """Whether losses are scaled, as 16-mixed does it: an optimiser must then not be fused, or it is never clipped."""
    return _scaler(fabric) is not None


def clip_gradients(fabric: Fabric, state: RunState, max_norm: float) -> None:
    """Scale the gradients of all parameters together down to that norm; 0 leaves them as they are.

    Those of a scaled loss may be infinite: its scaler then leaves the step out and scales less. FloatingPointError
    where others are.
    """
    if max_norm <= 0:
        return
    norm = fabric.clip_gradients(state.model, state.optimizer, max_norm=max_norm, error_if_nonfinite=False)
    if not is_scaled(fabric) and torch.logical_or(norm.isnan(), norm.isinf()):  # what a sharded norm can be asked
        raise FloatingPointError(f"step {state.step + 1}: the gradients are not finite: lower the rate")


def save_run(fabric: Fabric, state: RunState, path: Path, plan: Mapping[str, int | str]) -> None:
    """Write the checkpoint from the main process; all processes wait for it, and fail with it.

    plan: what a resumed run must share. OSError says that the old checkpoint is kept, and how to go on.
    """
    failure = ""
    weights, optimizer_state, average = _whole_state(fabric, state)
    if fabric.is_global_zero:
        content = {
            "model": weights,
            "optimizer": optimizer_state,
            "averaged": average,
            "scaler": _scaler_state(fabric),
            "step": state.step,
            "plan": dict(plan),
        }
        try:
            save_atomically(path, lambda temporary: torch.save(content, temporary))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError of its zip writer
            kept = "the one before it is whole" if path.is_file() else "there is none before it"
            failure = f"step {state.step}: cannot write {path} ({error}); {kept}: make room and run the command again"
    failure = fabric.broadcast(failure)
    if failure:
        raise OSError(failure)


def resume_run(fabric: Fabric, state: RunState, path: Path, plan: Mapping[str, int | str]) -> bool:
    """Fill `state` from the checkpoint at `path`, if there is one. Rates, decay and the like are those of this run.

    ValueError where the file is damaged or of a run planned otherwise, or where machines do not see the same file.
    """
    is_there = path.is_file()
    if is_there != fabric.broadcast(is_there):
        raise ValueError(f"process {fabric.global_rank} and the first one disagree on {path}: put it on a shared disk")
    if fabric.is_global_zero:
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed as it wrote
            leftover.unlink(missing_ok=True)
    if not is_there:
        return False
    saved = load_torch_file(path, remedy="delete it to start again, or give another output_dir")
    if not isinstance(saved, Mapping) or CHECKPOINT_ENTRIES - saved.keys():
        raise ValueError(f"{path} is no checkpoint of a run: delete it to start again, or give another output_dir")
    before = saved["plan"]
    changed = [f"{key} {before[key]}, now {value}" for key, value in plan.items() if before.get(key, value) != value]
    if changed:
        raise ValueError(f"{path} is of another run ({'; '.join(changed)}): give another output_dir, or its settings")
    try:
        _fill(fabric, state, saved)
    except (RuntimeError, KeyError, ValueError) as error:  # torch lists every parameter that does not fit
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} is of another model ({reason}): give another output_dir, or its settings") from error
    if (scaler := _scaler(fabric)) and saved["scaler"]:  # none of a run that was in another precision
        scaler.load_state_dict(saved["scaler"])
    state.step = saved["step"]
    return True


def _fill(fabric: Fabric, state: RunState, saved: Mapping[str, Any]) -> None:
    """Load a checkpoint's model, optimiser and average."""
    has_average = state.averaged is not None and saved["averaged"] is not None
    optimizer_state = _with_settings_of(state.optimizer, saved["optimizer"])
    if sharding.is_sharded(fabric):
        sharding.load_whole_weights(state.plain_model(), saved["model"])
        sharding.load_whole_optimizer_state(state.plain_model(), _plain(state.optimizer), optimizer_state)
        if has_average:
            sharding.load_whole_weights(state.averaged, saved["averaged"])
        return
    state.plain_model().load_state_dict(saved["model"])
    state.optimizer.load_state_dict(optimizer_state)
    if has_average:
        state.averaged.load_state_dict(saved["averaged"])


def _with_settings_of(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> dict[str, Any]:
    """An optimiser's saved state with the rates, decay and the like that another one was made with."""
    own, theirs = optimizer.param_groups, saved["param_groups"]
    if len(own) != len(theirs):
        raise ValueError(f"its optimizer has {len(theirs)} groups of parameters, this run's {len(own)}")
    groups = [{**mine, "params": group["params"]} for mine, group in zip(own, theirs, strict=True)]
    return {**saved, "param_groups": groups}


def _whole_state(fabric: Fabric, state: RunState) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    """What a checkpoint holds of the model, the optimiser and the average, whole on the main process."""
    if not sharding.is_sharded(fabric):
        average = None if state.averaged is None else state.averaged.state_dict()
        return state.plain_model().state_dict(), state.optimizer.state_dict(), average
    model = state.plain_model()
    average = None if state.averaged is None else sharding.whole_weights(state.averaged)
    return sharding.whole_weights(model), sharding.whole_optimizer_state(model, _plain(state.optimizer)), average


def _plain(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser without Fabric around it."""
    return getattr(optimizer, "optimizer", optimizer)


def _scaler(fabric: Fabric) -> torch.amp.GradScaler | None:
    """The loss scaler of 16-mixed, part of the state that makes a resumed run equal."""
    return getattr(fabric.strategy.precision, "scaler", None)


def _scaler_state(fabric: Fabric) -> dict[str, Any] | None:
    scaler = _scaler(fabric)
    return None if scaler is None else scaler.state_dict()
