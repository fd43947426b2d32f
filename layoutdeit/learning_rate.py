"""How fast each parameter of a detector learns, at each step: parameter groups and the schedule they follow."""

from __future__ import annotations

import math
import re

from torch import nn

from backbone.optim import parameter_groups, warmup_cosine
from layoutdeit.config import OptimConfig, TrainConfig

# Parameters of the backbone, in every engine: what is before the blocks, and the blocks.
BACKBONE_PART = re.compile(r"\bbottom_up\.(?:backbone\.)?(?:blocks\.(\d+)\.|patch_embed\.|pos_embed|\w+_token)")
WARMUP_FACTOR = 0.01  # share of the peak at the first step, schedule detectron2 (publaynet_configs/Base-RCNN-FPN.yaml)


def rate_groups(model: nn.Module, optim: OptimConfig) -> list[dict]:
    """AdamW groups with their peak rates: by depth where layer_decay is below 1, and by weight decay.

    A block has layer_decay times the rate of the next one, what is before the blocks that of a block before the first;
    pyramid and heads have the full rate (arXiv:2106.08254, as in arXiv:2203.16527).
    """
    if optim.layer_decay == 1 and not optim.decay_vectors:
        groups = parameter_groups(model, weight_decay=optim.weight_decay)
        return [{**group, "lr": optim.learning_rate} for group in groups]
    depths = {name: match for name, _ in model.named_parameters() if (match := BACKBONE_PART.search(name))}
    num_blocks = 1 + max((int(match[1]) for match in depths.values() if match[1]), default=-1)
    plain = {id(p) for p in parameter_groups(model, weight_decay=0)[1]["params"]}  # the group without weight decay
    groups: dict[tuple[float, bool], dict] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        depth = num_blocks + 1
        if name in depths:
            depth = int(depths[name][1]) + 1 if depths[name][1] else 0
        is_decayed = optim.decay_vectors or id(parameter) not in plain
        key = (optim.layer_decay ** (num_blocks + 1 - depth), is_decayed)
        group = groups.setdefault(
            key,
            {
                "params": [],
                "weight_decay": optim.weight_decay if is_decayed else 0.0,
                "lr": optim.learning_rate * key[0],
            },
        )
        group["params"].append(parameter)
    return list(groups.values())


def rate_share(step: int, config: TrainConfig) -> float:
    """Share of the peak rate at `step` (from 0)."""
    optim = config.optim
    if optim.schedule == "warmup_cosine":
        return warmup_cosine(
            step, num_steps=config.num_steps, warmup_steps=optim.warmup_steps, final_ratio=optim.final_ratio
        )

    def cosine(at: int) -> float:
        return optim.final_ratio + (1 - optim.final_ratio) * 0.5 * (1 + math.cos(math.pi * at / config.num_steps))

    if step >= optim.warmup_steps:
        return cosine(step)
    done = step / optim.warmup_steps  # fvcore's linear way from the first value to the one after warm-up
    return (1 - done) * WARMUP_FACTOR * cosine(0) + done * cosine(optim.warmup_steps)
