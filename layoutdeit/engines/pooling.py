"""Anchors and region pooling as detectron2 defines them, in torchvision's detection parts.

torchvision's own divide the image by the grid for the stride (61 for 64 on an 800x1088 page), round the anchors, and
pool without the half-pixel shift; a checkpoint that must run in both libraries needs one definition.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
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

    def num_anchors_per_location(self) -> list[int]:
        """Anchors per grid cell and level, as torchvision's RPN asks for them."""
        return [self.num_per_location] * len(self.strides)

    def forward(self, images: ImageList, features: list[Tensor]) -> list[Tensor]:
        """All anchors of each image, level by level, row by row. -> per image (sum of H*W*A, 4)."""
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
        anchors = torch.cat(levels)
        return [anchors for _ in images.image_sizes]


class PyramidRoiAlign(nn.Module):
    """RoIAlign from the pyramid level that fits each box's size: aligned, adaptive sampling.

    FPN eq. 1 (arXiv:1612.03144): level 4 (stride 16) for boxes of `canonical_box_size`, one finer per halving.
    """

    def __init__(self, output_size: int, *, canonical_box_size: int, names: tuple[str, ...], strides: tuple[int, ...]):
        super().__init__()
        self.output_size = (output_size, output_size)
        self.canonical_box_size = canonical_box_size
        self.names, self.strides = names, strides
        self.finest_level = int(math.log2(strides[0]))

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]) -> Tensor:
        """Pool boxes (per image (N, 4), batch pixels) -> (sum of N, C, S, S)."""
        image_index = torch.cat([b.new_full((len(b), 1), i) for i, b in enumerate(boxes)])
        rois = torch.cat([image_index, torch.cat(boxes)], dim=1)  # (K, 5)
        sides = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).clamp(min=0).sqrt()
        levels = torch.floor(4 + torch.log2(sides / self.canonical_box_size + 1e-8)) - self.finest_level
        levels = levels.clamp(0, len(self.strides) - 1)
        first = features[self.names[0]]
        pooled = first.new_zeros(len(rois), first.shape[1], *self.output_size)
        for index, (name, stride) in enumerate(zip(self.names, self.strides, strict=True)):
            chosen = torch.nonzero(levels == index)[:, 0]
            crops = roi_align(
                features[name], rois[chosen].to(first.dtype), self.output_size, 1 / stride, 0, aligned=True
            )
            pooled = pooled.index_copy(0, chosen, crops)
        return pooled
