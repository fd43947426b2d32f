"""Boxes as offsets of other boxes, and which regions a training step is taught by: matching and sampling.

Every rule is detectron2's, so that one step of training gives the same losses in both engines; generator calls too are
made in its order. Faster R-CNN, arXiv:1506.01497, sec. 3.1.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

MAX_LOG_SCALE = math.log(1000 / 16)  # a box is never predicted larger than this many times the box it starts from
IGNORED = -1

BoxWeights = tuple[float, float, float, float]


@dataclass(frozen=True)
class Matches:
    """Per box, the region that overlaps it most: region (N,) int64; label (N,) int64: 1 region, 0 not, -1 ignored."""

    region: Tensor
    label: Tensor


def encode_boxes(boxes: Tensor, targets: Tensor, weights: BoxWeights) -> Tensor:
    """Offsets (dx, dy, dw, dh) that `decode_boxes` turns into the targets. (N, 4), (N, 4) -> (N, 4)."""
    x, y, w, h = _centre_and_size(boxes)
    target_x, target_y, target_w, target_h = _centre_and_size(targets)
    offsets = [(target_x - x) / w, (target_y - y) / h, (target_w / w).log(), (target_h / h).log()]
    return torch.stack(offsets, dim=-1) * boxes.new_tensor(weights)


def decode_boxes(boxes: Tensor, offsets: Tensor, weights: BoxWeights) -> Tensor:
    """Boxes moved by offsets (the inverse of arXiv:1506.01497 eq. 2). (N, 4), (N, C*4) -> (N, C*4)."""
    x, y, w, h = (value[:, None] for value in _centre_and_size(boxes))
    dx, dy, dw, dh = (offsets.float().unflatten(-1, (-1, 4)) / boxes.new_tensor(weights)).unbind(-1)  # each (N, C)
    x, y = dx * w + x, dy * h + y
    w, h = dw.clamp(max=MAX_LOG_SCALE).exp() * w, dh.clamp(max=MAX_LOG_SCALE).exp() * h
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=-1).flatten(-2)  # (N, C, 4) -> (N, C*4)


def clip_boxes(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Boxes cut to an image. (..., 4) -> (..., 4)."""
    h, w = size_hw
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([w, h, w, h]))


def has_area(boxes: Tensor) -> Tensor:
    """Which boxes are not empty. (N, 4) -> (N,) bool."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def match_boxes(
    regions: Tensor, boxes: Tensor, *, positive_iou: float, negative_iou: float, best_too: bool = False
) -> Matches:
    """Label boxes (N, 4) by their IoU with the regions (M, 4).

    `best_too`: the boxes that overlap a region most are 1, however little that is. Of the others, a box is 1 at
    `positive_iou` or above, 0 below `negative_iou`, ignored between them; without regions all are 0.
    """
    if len(regions) == 0:
        none = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return Matches(none, none)
    overlaps = torch.nan_to_num(box_iou(regions, boxes))  # (M, N); two boxes without area have no IoU
    best, region = overlaps.max(dim=0)
    label = torch.where(best >= positive_iou, 1, IGNORED)
    label[best < negative_iou] = 0
    if best_too:
        label[(overlaps == overlaps.max(dim=1, keepdim=True).values).any(dim=0)] = 1
    return Matches(region, label)


def page_generator(seed: int | None, stream: int, device: torch.device) -> torch.Generator | None:
    """What one page's draws of one kind, `stream`, come from: its own generator, or torch's (None) without a seed."""
    return None if seed is None else torch.Generator(device).manual_seed(seed + stream)


def sample_labels(
    labels: Tensor, count: int, positive_fraction: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw at most `count` indices into labels (N,), first positives (above 0) up to their share, then zeros."""
    positive, negative = torch.nonzero(labels > 0)[:, 0], torch.nonzero(labels == 0)[:, 0]
    num_positive = min(len(positive), int(count * positive_fraction))
    num_negative = min(len(negative), count - num_positive)
    drawn = torch.randperm(len(positive), generator=generator, device=labels.device)[:num_positive]
    others = torch.randperm(len(negative), generator=generator, device=labels.device)[:num_negative]
    return positive[drawn], negative[others]


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes[:, 0] + w / 2, boxes[:, 1] + h / 2, w, h
