"""From proposals to classes and boxes, in one stage (Faster R-CNN) or a cascade of them; losses, and what is kept.

Between the proposals and the masks. Fast R-CNN (arXiv:1504.08083); Cascade R-CNN (arXiv:1712.00726): every stage
refines the boxes of the one before and is taught at a higher IoU. Numbers and order are detectron2's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import batched_nms

from layoutdeit.config import HeadConfig
from layoutdeit.engines.base import Detections, Target
from layoutdeit.engines.batch_mean import share_of_mean
from layoutdeit.engines.matching import (
    BoxWeights,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    has_area,
    match_boxes,
    page_generator,
    sample_labels,
)
from layoutdeit.engines.pooling import PyramidRoiAlign

BOX_POOL = 7  # cells across a pooled box, arXiv:1703.06870 sec. 3.1
STAGE_WEIGHTS: tuple[BoxWeights, ...] = (  # arXiv:1712.00726, as detectron2 has them
    (10.0, 10.0, 5.0, 5.0),
    (20.0, 20.0, 10.0, 10.0),
    (30.0, 30.0, 15.0, 15.0),
)


@dataclass(frozen=True)
class LabelledBoxes:
    """Boxes of one image and what they are: boxes (N, 4), labels (N,), 0 is background, region (N,) of the target."""

    boxes: Tensor
    labels: Tensor
    region: Tensor


class BoxPredictor(nn.Module):
    """Class scores, background first, and box offsets, per class or one for all; float32 under autocast too."""

    def __init__(self, dim: int, num_classes: int, *, class_agnostic: bool) -> None:
        super().__init__()
        self.cls_score = nn.Linear(dim, num_classes + 1)
        self.bbox_pred = nn.Linear(dim, 4 if class_agnostic else 4 * num_classes)
        for layer, std in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(R, D) -> logits (R, N+1), offsets (R, 4*N) or (R, 4)."""
        return self.cls_score(x).float(), self.bbox_pred(x).float()


class BoxStage(nn.Module):
    """Two hidden layers and the predictor; what makes a box positive for it, and the unit of its offsets."""

    def __init__(
        self, config: HeadConfig, channels: int, num_classes: int, *, positive_iou: float, weights: BoxWeights
    ) -> None:
        super().__init__()
        self.positive_iou, self.weights = positive_iou, weights
        self.head = TwoMLPHead(channels * BOX_POOL**2, config.box_dim)
        for layer in (self.head.fc6, self.head.fc7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        self.predictor = BoxPredictor(config.box_dim, num_classes, class_agnostic=bool(config.cascade_ious))

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled boxes (R, C, 7, 7) -> logits (R, N+1), offsets (R, 4*N) or (R, 4)."""
        return self.predictor(self.head(pooled))

    def losses(
        self, logits: Tensor, offsets: Tensor, labelled: Sequence[LabelledBoxes], targets: Sequence[Target]
    ) -> tuple[Tensor, Tensor]:
        """Class and box loss over all boxes of the batch, those of other processes counted too, (), ()."""
        labels = torch.cat([entry.labels for entry in labelled])
        share = share_of_mean(len(labels), logits.device)
        if len(labels) == 0:
            return logits.sum() * 0, offsets.sum() * 0
        boxes = torch.cat([entry.boxes for entry in labelled])
        truth = torch.cat(
            [
                target.boxes[entry.region] if len(target.boxes) else entry.boxes
                for entry, target in zip(labelled, targets, strict=True)
            ]
        )
        chosen = torch.nonzero(labels > 0)[:, 0]
        per_class = offsets.unflatten(-1, (-1, 4))  # (R, N or 1, 4)
        column = labels[chosen] - 1 if per_class.shape[1] > 1 else torch.zeros_like(chosen)
        wanted = encode_boxes(boxes[chosen], truth[chosen], self.weights)
        box = (per_class[chosen, column] - wanted).abs().sum() / len(labels)  # smooth L1 with beta 0
        return F.cross_entropy(logits, labels) * share, box * share + offsets.sum() * 0


class BoxStages(nn.ModuleList):
    """All stages, run one after the other. One stage has a box per class, several share one for all classes."""

    def __init__(self, config: HeadConfig, channels: int, num_classes: int, pool: PyramidRoiAlign) -> None:
        ious = config.cascade_ious or [config.positive_iou]
        super().__init__(
            BoxStage(config, channels, num_classes, positive_iou=iou, weights=weights)
            for iou, weights in zip(ious, STAGE_WEIGHTS, strict=False)
        )
        self.config, self.pool = config, pool

    def losses(
        self, features: dict[str, Tensor], proposals: Sequence[Tensor], targets: Sequence[Target], sizes_hw: Sequence
    ) -> tuple[dict[str, Tensor], list[LabelledBoxes]]:
        """Losses "class" and "box" ("class_0", ... in a cascade), and the boxes that taught the first stage."""
        sampled = [
            sample_proposals(boxes, target, self.config, self[0].positive_iou)
            for boxes, target in zip(proposals, targets, strict=True)
        ]
        losses, labelled = {}, sampled
        for index, stage in enumerate(self):
            pooled = self.pool(features, [entry.boxes for entry in labelled])
            if len(self) > 1 and pooled.requires_grad:
                pooled.register_hook(lambda gradient: gradient / len(self))  # the pyramid learns from their mean
            logits, offsets = stage(pooled)
            suffix = f"_{index}" if len(self) > 1 else ""
            losses[f"class{suffix}"], losses[f"box{suffix}"] = stage.losses(logits, offsets, labelled, targets)
            if index + 1 < len(self):
                refined = self._refined(stage, [entry.boxes for entry in labelled], offsets, sizes_hw)
                labelled = [
                    label_boxes(boxes[has_area(boxes)], target, self[index + 1].positive_iou)
                    for boxes, target in zip(refined, targets, strict=True)
                ]
        return losses, sampled

    def detect(
        self, features: dict[str, Tensor], proposals: Sequence[Tensor], sizes_hw: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """Classes of all stages averaged, boxes of the last; in the batch's frame, best first."""
        boxes, scores = list(proposals), 0
        for index, stage in enumerate(self):
            logits, offsets = stage(self.pool(features, boxes))
            scores = scores + logits.softmax(-1)
            if index + 1 < len(self):
                boxes = self._refined(stage, boxes, offsets, sizes_hw)
        decoded = by_image(decode_boxes(torch.cat(boxes), offsets, stage.weights), boxes)
        return [
            select_detections(image_boxes, image_scores, size_hw, self.config)
            for image_boxes, image_scores, size_hw in zip(
                decoded, by_image(scores / len(self), boxes), sizes_hw, strict=True
            )
        ]

    def _refined(
        self, stage: BoxStage, boxes: Sequence[Tensor], offsets: Tensor, sizes_hw: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """What a stage of a cascade makes of its boxes, for the next one; no gradient flows through."""
        moved = decode_boxes(torch.cat(list(boxes)), offsets.detach(), stage.weights)
        return [clip_boxes(entry, size_hw) for entry, size_hw in zip(by_image(moved, boxes), sizes_hw, strict=True)]


def by_image(values: Tensor, boxes: Sequence[Tensor]) -> Sequence[Tensor]:
    """Values (K, ...) of all boxes -> those of each image's. A single image keeps no number that a trace would fix."""
    return [values] if len(boxes) == 1 else values.split([len(entry) for entry in boxes])


def label_boxes(boxes: Tensor, target: Target, positive_iou: float) -> LabelledBoxes:
    """Each box (N, 4) gets the label of the region it overlaps most, or 0."""
    matches = match_boxes(target.boxes, boxes, positive_iou=positive_iou, negative_iou=positive_iou)
    labels = target.labels[matches.region] * (matches.label > 0) if len(target.boxes) else matches.label
    return LabelledBoxes(boxes, labels, matches.region)


def sample_proposals(boxes: Tensor, target: Target, config: HeadConfig, positive_iou: float) -> LabelledBoxes:
    """The proposals (N, 4), and the target's own boxes, that the heads are taught with: regions first."""
    labelled = label_boxes(torch.cat([boxes, target.boxes]), target, positive_iou)
    generator = page_generator(target.seed, 1, boxes.device)
    chosen = torch.cat(sample_labels(labelled.labels, config.rois_per_image, config.positive_fraction, generator))
    return LabelledBoxes(labelled.boxes[chosen], labelled.labels[chosen], labelled.region[chosen])


def select_detections(boxes: Tensor, scores: Tensor, size_hw: tuple[int, int], config: HeadConfig) -> Detections:
    """Threshold, non-maximum suppression per class, the best. boxes (R, 4*N) or (R, 4), scores (R, N+1)."""
    finite = torch.isfinite(boxes).all(1) & torch.isfinite(scores).all(1)
    per_class = clip_boxes(boxes[finite].unflatten(-1, (-1, 4)), size_hw)  # (R, N or 1, 4)
    found = scores[finite][:, 1:]
    row, column = torch.nonzero(found > config.min_score, as_tuple=True)
    kept_boxes = per_class[row, column if per_class.shape[1] > 1 else 0]
    kept_scores = found[row, column]
    best = batched_nms(kept_boxes, kept_scores, column, config.nms_iou)[: config.detections_per_page]
    return Detections(kept_boxes[best], column[best] + 1, kept_scores[best])
