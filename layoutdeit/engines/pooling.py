"""Anchors and region pooling as detectron2 defines them.

torchvision's own divide the image by the grid for the stride (61 for 64 on an 800x1088 page), round the anchors, and
pool without the half-pixel shift; a checkpoint that must run in both libraries needs one definition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align


class FixedStrideAnchors(nn.Module):
    """Anchors on a grid of fixed strides, offset 0: level i has one size and all aspect ratios (height / width)."""

    def __init__(self, sizes: list[int], aspect_ratios: list[float], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        self.num_per_location = len(aspect_ratios)
        for level, size in enumerate(sizes):
            ratios = torch.tensor(aspect_ratios)
            widths, heights = size / ratios.sqrt(), size * ratios.sqrt()
            cell = torch.stack([-widths, -heights, widths, heights], dim=1) / 2  # (A, 4)
            self.register_buffer(f"cell_{level}", cell, persistent=False)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Anchors of each level, row by row, all ratios of a place together. -> per level (H*W*A, 4)."""
        levels = []
        for level, (feature, stride) in enumerate(zip(features, self.strides, strict=True)):
            cell = getattr(self, f"cell_{level}")
            h, w = feature.shape[-2:]
            y, x = torch.meshgrid(
                torch.arange(h, device=cell.device) * stride,
                torch.arange(w, device=cell.device) * stride,
                indexing="ij",
            )
            shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)  # (H*W, 1, 4)
            levels.append((shifts + cell).reshape(-1, 4))  # (H*W, A, 4) -> (H*W*A, 4)
        return levels


@dataclass(frozen=True)
class PyramidRoiAlign:
    """RoIAlign from the pyramid level that fits each box's size: aligned, adaptive sampling.

    FPN eq. 1 (arXiv:1612.03144): level 4 (stride 16) for boxes of `canonical_box_size` px, one finer per halving.
    """

    output_size: int  # cells across a pooled box
    canonical_box_size: int
    names: tuple[str, ...]  # of the maps, fine to coarse
    strides: tuple[int, ...]

    def __call__(self, features: dict[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Pool boxes (per image (N, 4), batch pixels) -> (sum of N, C, S, S)."""
        # no numbers of boxes here: a traced model (onnx_export.py) would take them for constants
        image_index = torch.cat([torch.full_like(b[:, :1], i) for i, b in enumerate(boxes)])
        rois = torch.cat([image_index, torch.cat(list(boxes))], dim=1)  # (K, 5)
        sides = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).clamp(min=0).sqrt()
        finest = int(math.log2(self.strides[0]))
        levels = torch.floor(4 + torch.log2(sides / self.canonical_box_size + 1e-8)) - finest
        levels = levels.clamp(0, len(self.strides) - 1)
        by_level = [torch.nonzero(levels == index)[:, 0] for index in range(len(self.names))]
        crops = [
            self._pool(features[name], rois[chosen].to(features[name].dtype), 1 / stride)
            for name, stride, chosen in zip(self.names, self.strides, by_level, strict=True)
        ]
        return torch.cat(crops)[torch.cat(by_level).argsort()]  # back in the order of the boxes, copied once

    def _pool(self, feature: Tensor, rois: Tensor, scale: float) -> Tensor:
        size = (self.output_size, self.output_size)
        if feature.device.type == "cpu" and feature.requires_grad:
            return roi_align_by_products(feature, rois, size, scale)
        return roi_align(feature, rois, size, scale, sampling_ratio=0, aligned=True)


def roi_align_by_products(feature: Tensor, rois: Tensor, output_size: tuple[int, int], scale: float) -> Tensor:
    """RoIAlign (aligned, adaptive sampling) as two matrix products per box. feature (B, C, H, W), rois (K, 5).

    Averaging bilinear samples on a grid is linear and separable: rows @ feature @ columns^T. torchvision's CPU kernel
    scatters its gradient on one thread, which is much of a training step.
    """
    (out_h, out_w), (height, width) = output_size, feature.shape[-2:]
    edges = rois[:, 1:] * scale - 0.5
    rows = _sampling_weights(edges[:, 1], edges[:, 3], out_h, height)  # (K, S, H)
    columns = _sampling_weights(edges[:, 0], edges[:, 2], out_w, width)  # (K, S, W)
    pooled = feature.new_zeros(len(rois), feature.shape[1], out_h, out_w)
    for index, level in enumerate(feature):
        mine = torch.nonzero(rois[:, 0] == index)[:, 0]
        if len(mine) == 0:
            continue
        by_row = rows[mine].reshape(-1, height) @ level.permute(1, 0, 2).reshape(height, -1)  # (K*S, H) @ (H, C*W)
        by_row = by_row.reshape(len(mine), -1, width)  # (K, S*C, W)
        crops = by_row @ columns[mine].transpose(1, 2)  # (K, S*C, S)
        crops = crops.reshape(len(mine), out_h, -1, out_w).transpose(1, 2)  # (K, C, S, S)
        pooled = pooled.index_copy(0, mine, crops)
    return pooled


def _sampling_weights(start: Tensor, end: Tensor, num_bins: int, size: int) -> Tensor:
    """Weight of each of `size` cells in each bin between start and end (K,), in cells. -> (K, bins, size)."""
    bin_size = (end - start) / num_bins
    num_samples = torch.ceil(bin_size)  # per bin: one per cell
    most = max(1, int(num_samples.max())) if len(start) else 1
    sample = torch.arange(most, device=start.device)
    offsets = (sample + 0.5) / num_samples.clamp(min=1)[:, None] * bin_size[:, None]  # (K, most)
    bins = torch.arange(num_bins, device=start.device) * bin_size[:, None]  # (K, bins)
    positions = start[:, None, None] + bins[:, :, None] + offsets[:, None, :]  # (K, bins, most)
    counts = (sample < num_samples[:, None])[:, None, :] & (positions >= -1) & (positions <= size)
    nearness = 1 - (positions.clamp(0, size - 1)[..., None] - torch.arange(size, device=start.device)).abs()
    weights = nearness.clamp(min=0) * counts[..., None]  # (K, bins, most, size): a tent around each sample
    return weights.sum(2) / num_samples.clamp(min=1)[:, None, None]
