"""Parameter groups and the learning-rate schedule, shared by image and detector training."""

from __future__ import annotations

import math

from torch import nn


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
