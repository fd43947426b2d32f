"""The published run's optimiser for detectron2's trainers: AdamW with a clip of the whole model's gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import get_default_optimizer_params
from torch import nn


class ClippedAdamW(torch.optim.AdamW):
    """AdamW that first scales all gradients together to `max_norm`; detectron2 itself clips parameter by parameter."""

    def __init__(self, params: Any, *, max_norm: float, **settings: Any) -> None:
        super().__init__(params, **settings)
        self.max_norm = max_norm

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Clip, then step."""
        if self.max_norm > 0:
            nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], self.max_norm)
        return super().step(closure)


def build_adamw(cfg: CfgNode, model: nn.Module) -> ClippedAdamW:
    """The optimiser of SOLVER's settings; weight decay on every parameter, as the published run had it."""
    params = get_default_optimizer_params(model, base_lr=cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY)
    return ClippedAdamW(
        params, max_norm=cfg.SOLVER.FULL_MODEL_CLIP, lr=cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY
    )
