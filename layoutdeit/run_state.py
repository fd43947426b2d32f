"""The state of a training run and its checkpoint: written atomically, so a run killed at any moment resumes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision, Precision
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from backbone.checkpoint import save_atomically
from layoutdeit.config import TrainConfig
from layoutdeit.engines.base import Detector

log = logging.getLogger(__name__)


@dataclass
class RunState:
    """What a run is made of; everything here is in its checkpoint.

    detector as wrapped by Fabric; averaged the moving average of its weights, or None; step counts steps done.
    """

    detector: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel | None
    step: int = 0

    def plain_detector(self) -> Detector:
        """The detector without Fabric around it."""
        return getattr(self.detector, "module", self.detector)

    def final_detector(self) -> Detector:
        """The detector to evaluate and to ship: the average where there is one."""
        return self.plain_detector() if self.averaged is None else self.averaged.module


class _MixedPrecision(MixedPrecision):
    """Autocast, with inputs as they are: Fabric's own would round box coordinates to bfloat16."""

    def convert_input(self, data: Any) -> Any:
        return data


def make_fabric(config: TrainConfig) -> Fabric:
    """Fabric for a job, launched. ValueError for an unknown precision."""
    choices = ("32-true", "bf16-mixed", "16-mixed")
    if config.precision not in choices:
        raise ValueError(f"unknown precision {config.precision!r}: use one of {', '.join(choices)}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plugin = Precision() if config.precision == "32-true" else _MixedPrecision(config.precision, device)
    fabric = Fabric(accelerator=device, devices=config.devices, plugins=[plugin])
    fabric.launch()
    return fabric


def make_average(detector: Detector, decay: float) -> AveragedModel:
    """An exponential moving average of weights that forgets the random start: decay grows with the steps done.

    Buffers (batch-norm statistics) are copied. The warm-up is that of TensorFlow's ExponentialMovingAverage.
    """

    def average(old: Tensor, new: Tensor, num_averaged: Tensor | int) -> Tensor:
        steps = float(num_averaged)
        return torch.lerp(old, new, 1 - min(decay, (1 + steps) / (10 + steps)))

    return AveragedModel(detector, avg_fn=average)


def save_run(fabric: Fabric, state: RunState, path: Path, config: TrainConfig) -> None:
    """Write the checkpoint from the main process; all processes wait for it."""
    if fabric.is_global_zero:
        content = {
            "detector": state.detector.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "averaged": None if state.averaged is None else state.averaged.state_dict(),
            "step": state.step,
            "num_steps": config.num_steps,
        }
        save_atomically(path, lambda temporary: torch.save(content, temporary))
    fabric.barrier()


def resume_run(state: RunState, path: Path, config: TrainConfig) -> None:
    """Fill `state` from the checkpoint at `path`, if there is one."""
    if not path.is_file():
        return
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["num_steps"] != config.num_steps:
        log.warning("the run was planned for %d steps, now for %d", saved["num_steps"], config.num_steps)
    state.detector.load_state_dict(saved["detector"])
    state.optimizer.load_state_dict(saved["optimizer"])
    if state.averaged is not None and saved["averaged"] is not None:
        state.averaged.load_state_dict(saved["averaged"])
    state.step = saved["step"]
