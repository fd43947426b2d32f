"""Parameter groups, the learning-rate schedule and the average of weights, shared by image and detector training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def parameter_groups(model: nn.Module, *, weight_decay: float) -> list[dict]:
    """Two AdamW groups: matrices with weight decay; biases, norms, positions and tokens without.

    As in the official DeiT recipe (timm's rule plus the model's `no_weight_decay`). Frozen parameters are left out.
    """
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        leaf = name.rsplit(".", 1)[-1]
        is_plain = parameter.ndim <= 1 or leaf in ("pos_embed", "cls_token", "dist_token")
        (plain if is_plain else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def warmup_cosine(step: int, *, num_steps: int, warmup_steps: int, final_ratio: float) -> float:
    """Share of the peak learning rate at `step` (from 0): linear from 0 to 1, then a cosine to `final_ratio`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, num_steps - warmup_steps))
    return final_ratio + (1 - final_ratio) * 0.5 * (1 + math.cos(math.pi * progress))


def make_average(model: nn.Module, decay: float, *, warmup: bool = True) -> AveragedModel:
    """An exponential moving average of weights and of batch norm's statistics; its counts of batches are copied.

    warmup lets the decay grow with the steps done, as TensorFlow's ExponentialMovingAverage does, so that the average
    forgets the random start. Without it the decay is constant, as in the DeiT recipe (arXiv:2012.12877, Table 9).
    """

    def average(old: Tensor, new: Tensor, num_averaged: Tensor | int) -> Tensor:
        if not old.is_floating_point():
            return new
        steps = float(num_averaged)
        return torch.lerp(old, new, 1 - (min(decay, (1 + steps) / (10 + steps)) if warmup else decay))

    return AveragedModel(model, avg_fn=average, use_buffers=True)


def make_optimizer(
    model: nn.Module, name: str, *, learning_rate: float, weight_decay: float, fused: bool = True
) -> torch.optim.Optimizer:
    """AdamW with PyTorch's betas, or SGD with Nesterov momentum .9 (as timm's `sgd`), over `parameter_groups`.

    `fused`: AdamW's step in one kernel, which unscales gradients by itself and so cannot be clipped in 16-mixed.
    """
    groups = parameter_groups(model, weight_decay=weight_decay)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, fused=fused)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)
    raise ValueError(f"unknown optimiser {name!r}: use adamw or sgd")
