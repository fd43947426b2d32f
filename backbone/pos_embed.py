"""Resize a learned position grid, so that one set of weights serves any image shape.

Sits between a checkpoint and the model, and inside the model where a page is not of the size it was trained at.
The rule is DeiT's own for fine-tuning at another resolution (arXiv:2012.12877, sec. 3 and its main.py): bicubic to
the wanted size, without antialiasing, prefix tokens untouched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_position_grid(
    pos_embed: Tensor, from_grid_hw: tuple[int, int], to_grid_hw: tuple[int, int], *, num_prefix_tokens: int
) -> Tensor:
    """Resize a position grid. pos_embed: (1, P + H0*W0, C), P prefix tokens first -> (1, P + H*W, C).

    ValueError where the number of positions is not P + H0*W0.
    """
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
    grid = F.interpolate(grid.float(), size=to_grid_hw, mode="bicubic", align_corners=False).to(pos_embed.dtype)
    grid = grid.permute(0, 2, 3, 1).reshape(1, -1, dim)  # (1, C, H, W) -> (1, H*W, C)
    return torch.cat([prefix, grid], dim=1)
