"""The region proposal network on a pyramid: from its maps to boxes worth a look, and its two losses.

Between the pyramid and the box stages. Faster R-CNN (arXiv:1506.01497) with FPN (arXiv:1612.03144), as detectron2
counts and normalises.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import batched_nms

from layoutdeit.config import ProposalConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.matching import (
    IGNORED,
    BoxWeights,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    has_area,
    match_boxes,
    page_generator,
    sample_labels,
)
from layoutdeit.engines.pooling import FixedStrideAnchors

OFFSET_WEIGHTS: BoxWeights = (1.0, 1.0, 1.0, 1.0)
POSITIVE_FRACTION = 0.5  # of the anchors sampled for the loss, arXiv:1506.01497 sec. 3.1.3


class ProposalNetwork(nn.Module):
    """Scores anchors and moves them to regions."""

    def __init__(self, config: ProposalConfig, channels: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.anchors = FixedStrideAnchors(config.anchor_sizes, config.aspect_ratios, strides)
        self.head = RPNHead(channels, len(config.aspect_ratios))

    def forward(
        self, features: list[Tensor], sizes_hw: Sequence[tuple[int, int]], targets: Sequence[Target] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Proposals per image, best first (N, 4), and with targets the losses "objectness" and "proposal_box"."""
        logits, offsets = self._score(features)
        anchors = self.anchors(features)
        with torch.no_grad():
            proposals = self._best(logits, offsets, anchors, sizes_hw)
        if targets is None:
            return proposals, {}
        return proposals, self._losses(torch.cat(logits, 1), torch.cat(offsets, 1), torch.cat(anchors), targets)

    def _score(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Per level (B, H*W*A) logits and (B, H*W*A, 4) offsets, in float32 under autocast too."""
        logits, offsets = self.head(features)
        logits = [level.float().permute(0, 2, 3, 1).flatten(1) for level in logits]  # (B, A, H, W) -> (B, H*W*A)
        offsets = [
            level.float().permute(0, 2, 3, 1).reshape(len(level), -1, 4)  # (B, A*4, H, W) -> (B, H*W*A, 4)
            for level in offsets
        ]
        return logits, offsets

    def _best(
        self, logits: list[Tensor], offsets: list[Tensor], anchors: list[Tensor], sizes_hw: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """The best of every level, then non-maximum suppression within levels, then the best of all levels."""
        config = self.config
        per_level, keep = (
            (config.train_candidates, config.train_proposals)
            if self.training
            else (config.candidates, config.proposals)
        )
        proposals = []
        for image, size_hw in enumerate(sizes_hw):
            scores, boxes, levels = [], [], []
            for level, (level_logits, level_offsets, level_anchors) in enumerate(
                zip(logits, offsets, anchors, strict=True)
            ):
                best, chosen = level_logits[image].topk(min(per_level, level_logits.shape[1]))
                scores.append(best)
                boxes.append(decode_boxes(level_anchors[chosen], level_offsets[image, chosen], OFFSET_WEIGHTS))
                levels.append(torch.full_like(chosen, level))
            score, box, level = torch.cat(scores), torch.cat(boxes), torch.cat(levels)
            finite = torch.isfinite(box).all(1) & torch.isfinite(score)
            box = clip_boxes(box, size_hw)
            usable = finite & has_area(box)
            score, box, level = score[usable], box[usable], level[usable]
            kept = batched_nms(box, score, level, config.nms_iou)[:keep]
            proposals.append(box[kept])
        return proposals

    def _losses(self, logits: Tensor, offsets: Tensor, anchors: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """logits (B, R), offsets (B, R, 4), anchors (R, 4). Sums over sampled anchors by their number as configured."""
        config = self.config
        normaliser = config.anchors_per_image * len(targets)
        objectness = box = logits.sum() * 0
        for image, target in enumerate(targets):
            with torch.no_grad():
                matches = match_boxes(
                    target.boxes,
                    anchors,
                    positive_iou=config.positive_iou,
                    negative_iou=config.negative_iou,
                    best_too=True,
                )
                generator = page_generator(target.seed, 0, logits.device)
                positive, negative = sample_labels(
                    matches.label, config.anchors_per_image, POSITIVE_FRACTION, generator
                )
                labels = torch.full_like(logits[image], IGNORED)
                labels[positive], labels[negative] = 1, 0
                sampled = labels != IGNORED
            objectness = objectness + F.binary_cross_entropy_with_logits(
                logits[image][sampled], labels[sampled], reduction="sum"
            )
            if len(positive):
                wanted = encode_boxes(anchors[positive], target.boxes[matches.region[positive]], OFFSET_WEIGHTS)
                box = box + (offsets[image, positive] - wanted).abs().sum()  # smooth L1 with beta 0
        return {"objectness": objectness / normaliser, "proposal_box": (box + offsets.sum() * 0) / normaliser}
