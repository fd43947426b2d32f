"""The state of a training run and its checkpoint: written atomically, so a run killed at any moment resumes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel

from backbone.checkpoint import save_atomically
from backbone.run_state import open_fabric
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


def make_fabric(config: TrainConfig) -> Fabric:
    """Fabric for a job, launched. ValueError for an unknown precision."""
    return open_fabric(config.precision, config.devices)


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
