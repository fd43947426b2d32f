"""Resize a learned position grid, so that one set of weights serves any image shape.

Sits between a checkpoint and the model, and inside the model where a page is not of the size it was trained at.
Bicubic, without antialiasing, prefix tokens untouched. Two rules place the samples:

- "size": the grid's corners meet, old and new; DeiT's own for fine-tuning at another resolution (arXiv:2012.12877,
  sec. 3 and its main.py), and that of the published DiT detectors.
- "scale_factor": samples lie the inverse of (side + .1) / old side apart, a little denser than the new grid; DINO's
  (facebookresearch/dino, vision_transformer.py), and the published DeiT-B detector's (arXiv:2203.02378, its code).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RESIZE_RULES = ("size", "scale_factor")


def resize_position_grid(
    pos_embed: Tensor,
    from_grid_hw: tuple[int, int],
    to_grid_hw: tuple[int, int],
    *,
    num_prefix_tokens: int,
    rule: str = "size",
) -> Tensor:
    """Resize a position grid. pos_embed: (1, P + H0*W0, C), P prefix tokens first -> (1, P + H*W, C).

    rule: of RESIZE_RULES. ValueError for another, or where the number of positions is not P + H0*W0.
    """
    check_resize_rule(rule)
    num_expected = num_prefix_tokens + from_grid_hw[0] * from_grid_hw[1]
    if pos_embed.ndim != 3 or pos_embed.shape[:2] != (1, num_expected):
        raise ValueError(
            f"expected positions of shape (1, {num_expected}, C) for {num_prefix_tokens} prefix tokens and a grid "
            f"{from_grid_hw[0]}x{from_grid_hw[1]}, got {tuple(pos_embed.shape)}"
        )
    if from_grid_hw == to_grid_hw:
        return pos_embed
    prefix, grid = pos_embed[:, :num_prefix_tokens], pos_embed[:, num_prefix_tokens:]
    dim = grid.shape[-1]
    grid = grid.reshape(1, *from_grid_hw, dim).permute(0, 3, 1, 2)  # (1, H0*W0, C) -> (1, C, H0, W0)
    if rule == "size":
        resized = F.interpolate(grid.float(), size=to_grid_hw, mode="bicubic", align_corners=False)
    else:
        scale_hw = tuple((to + 0.1) / side for to, side in zip(to_grid_hw, from_grid_hw, strict=True))
        resized = F.interpolate(grid.float(), scale_factor=scale_hw, mode="bicubic", align_corners=False)
        assert resized.shape[-2:] == to_grid_hw, f"{tuple(resized.shape[-2:])} is not {to_grid_hw}"
    grid = resized.to(pos_embed.dtype)
    grid = grid.permute(0, 2, 3, 1).reshape(1, -1, dim)  # (1, C, H, W) -> (1, H*W, C)
    return torch.cat([prefix, grid], dim=1)


def check_resize_rule(rule: str) -> None:
    """ValueError where there is no such rule."""
    if rule not in RESIZE_RULES:
        raise ValueError(f"unknown rule to resize positions {rule!r}: use one of {', '.join(RESIZE_RULES)}")
