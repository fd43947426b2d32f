"""Outlines of found regions: what the mask head is taught, its loss, and its answer pasted into the picture.

Last in training and in prediction. Mask R-CNN, arXiv:1703.06870, sec. 3; targets and pasting as in detectron2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import roi_align

from layoutdeit.config import HeadConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.batch_mean import share_of_mean
from layoutdeit.engines.box_head import LabelledBoxes

MASK_POOL = 14  # cells across a pooled box; the head doubles them


class MaskPredictor(MaskRCNNPredictor):
    """Upsampling and one map per class, float32 under autocast too."""

    def forward(self, x: Tensor) -> Tensor:
        """(R, D, 14, 14) -> logits (R, N, 28, 28)."""
        return super().forward(x).float()


def build_mask_head(config: HeadConfig, channels: int) -> nn.Module:
    """The convolutions: (R, C, 14, 14) -> (R, D, 14, 14)."""
    return MaskRCNNHeads(channels, [config.mask_dim] * config.mask_layers, dilation=1)


def build_mask_predictor(config: HeadConfig, num_classes: int) -> MaskPredictor:
    """The layers after them: (R, D, 14, 14) -> (R, N, 28, 28)."""
    predictor = MaskPredictor(config.mask_dim, config.mask_dim, num_classes)
    nn.init.normal_(predictor.mask_fcn_logits.weight, std=0.001)
    return predictor


def regions_only(labelled: LabelledBoxes) -> LabelledBoxes:
    """The boxes that are no background: those the mask head is taught with."""
    chosen = labelled.labels > 0
    return LabelledBoxes(labelled.boxes[chosen], labelled.labels[chosen], labelled.region[chosen])


def mask_loss(logits: Tensor, regions: Sequence[LabelledBoxes], targets: Sequence[Target]) -> Tensor:
    """Mean cross-entropy of the maps of the true classes, over all processes. logits (R, N, S, S), R boxes -> ()."""
    share = share_of_mean(len(logits), logits.device)
    if len(logits) == 0:
        return logits.sum() * 0
    wanted = torch.cat(
        [
            mask_targets(target.masks, entry, logits.shape[-1])
            for entry, target in zip(regions, targets, strict=True)
            if len(entry.boxes)
        ]
    )
    maps = _maps_of_labels(logits, torch.cat([entry.labels for entry in regions]))
    return F.binary_cross_entropy_with_logits(maps, wanted) * share


def mask_targets(masks: Tensor, regions: LabelledBoxes, size: int) -> Tensor:
    """The parts of the masks (M, H, W) inside the boxes, at the head's size. -> (R, size, size) float, 0 or 1."""
    rois = torch.cat([regions.region[:, None].to(regions.boxes.dtype), regions.boxes], dim=1)  # (R, 5)
    cut = roi_align(masks[:, None].float(), rois.float(), (size, size), 1.0, sampling_ratio=0, aligned=True)
    return (cut[:, 0] >= 0.5).float()


def mask_probabilities(logits: Tensor, labels: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The map of each box's own class, per image. logits (R, N, S, S) -> each (R_i, S, S) in [0, 1]."""
    return _maps_of_labels(logits, torch.cat(list(labels))).sigmoid().split([len(entry) for entry in labels])


def paste_masks(probabilities: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Maps (R, S, S) stretched over their boxes (R, 4) in a picture, and cut at one half. -> (R, H, W) bool."""
    height, width = size_hw
    pasted = torch.zeros((len(boxes), height, width), dtype=torch.bool, device=boxes.device)
    for slot, probability, box in zip(pasted, probabilities, boxes, strict=True):  # one by one: no (R, H, W) floats
        left, top = (box[:2].floor() - 1).clamp(min=0).int().tolist()
        right, bottom = min(int(box[2].ceil()) + 1, width), min(int(box[3].ceil()) + 1, height)
        if right <= left or bottom <= top:
            continue
        x = (torch.arange(left, right, device=box.device) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
        y = (torch.arange(top, bottom, device=box.device) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)[None]  # (1, h, w, 2)
        values = F.grid_sample(probability[None, None], grid.to(probability.dtype), align_corners=False)
        slot[top:bottom, left:right] = values[0, 0] >= 0.5
    return pasted


def _maps_of_labels(logits: Tensor, labels: Tensor) -> Tensor:
    return logits[torch.arange(len(labels), device=logits.device), labels - 1]  # labels start at 1, maps at 0
