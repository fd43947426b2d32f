"""Mask R-CNN and Cascade R-CNN on a DeiT pyramid: the default engine, nothing to build.

Layers are torchvision's; what decides the result (matching, sampling, losses, suppression, masks) follows detectron2,
so that one checkpoint gives the same boxes in both engines. Mask R-CNN: arXiv:1703.06870; Cascade: arXiv:1712.00726.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from backbone.batch_draws import draw_rows
from backbone.vit import VisionTransformer
from layoutdeit.config import DetectorConfig
from layoutdeit.engines.base import Detections, Detector, Target
from layoutdeit.engines.box_head import BOX_POOL, BoxStages
from layoutdeit.engines.given_frame import boxes_in_batch_frame, detections_in_given_frame
from layoutdeit.engines.mask_head import (
    MASK_POOL,
    build_mask_head,
    build_mask_predictor,
    mask_loss,
    mask_probabilities,
    paste_masks,
    regions_only,
)
from layoutdeit.engines.pooling import PyramidRoiAlign
from layoutdeit.engines.preprocess import ModelInput, page_input, prepare_targets
from layoutdeit.engines.proposals import ProposalNetwork
from layoutdeit.even_light import even_light
from layoutdeit.pyramid import STRIDES, DeitPyramid, build_page_backbone
from layoutdeit.stopwatch import stage

POOLED_LEVELS = ("p2", "p3", "p4", "p5")


class TorchvisionDetector(Detector):
    """DeiT -> pyramid -> proposals -> boxes, classes and masks."""

    engine = "torchvision"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.pyramid = DeitPyramid(build_page_backbone(config.backbone), channels=config.channels)
        self.rpn = ProposalNetwork(config.proposals, config.channels, STRIDES)
        self.box_stages = BoxStages(config.heads, config.channels, config.num_classes, self._pool(BOX_POOL))
        self.has_masks = config.heads.mask_layers > 0
        if self.has_masks:
            self.mask_pool = self._pool(MASK_POOL)
            self.mask_head = build_mask_head(config.heads, config.channels)
            self.mask_predictor = build_mask_predictor(config.heads, config.num_classes)

    @property
    def backbone(self) -> VisionTransformer:
        """The DeiT under the pyramid."""
        return self.pyramid.bottom_up

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses "objectness", "proposal_box", "class", "box" (numbered in a cascade) and, with a mask head, "mask"."""
        sides = self.config.input.train_short_sides
        drawn = draw_rows(lambda rows: torch.randint(len(sides), (rows,)), len(images))
        inputs = page_input(images, self.config.input, [sides[index] for index in drawn])
        targets = prepare_targets(targets, inputs, masks=self.has_masks)
        features = self._features(inputs.images)
        proposals, losses = self.rpn(list(features.values()), inputs.sizes_hw, targets)
        head_losses, labelled = self.box_stages.losses(features, proposals, targets, inputs.sizes_hw)
        losses |= head_losses
        if self.has_masks:
            regions = [regions_only(entry) for entry in labelled]
            logits = self._mask_logits(features, [entry.boxes for entry in regions])
            losses["mask"] = mask_loss(logits, regions, targets)
        return losses

    @torch.inference_mode()
    def predict(self, images: Sequence[Tensor], *, masks: bool = False) -> list[Detections]:
        """Regions of each image, best first; masks cost time and are made only when asked for."""
        if masks and not self.has_masks:
            raise ValueError("this model has no mask head (heads.mask_layers is 0): ask for boxes only")
        was_training = self.training
        if was_training:
            self.eval()
        try:
            with stage("preprocess"):
                if self.config.fit_to_ink:
                    images = [even_light(image) for image in images]
                inputs, *further = [page_input(images, self.config.input, side) for side in self.config.looks]
            with self.arithmetic():
                features, boxes = self.find(inputs.images, inputs.sizes_hw)
                looks = [zip(boxes, inputs.scales_xy, strict=True)]
                for other in further:
                    looks.append(zip(self.find(other.images, other.sizes_hw)[1], other.scales_xy, strict=True))
                with stage("fit to ink"):
                    found = [
                        detections_in_given_frame(of_image, image, fit_to_ink=self.config.fit_to_ink)
                        for image, *of_image in zip(images, *looks, strict=True)
                    ]
                if masks:  # of the first look's maps
                    with stage("mask head"):
                        found = self._with_masks(features, found, images, inputs)
        finally:
            if was_training:
                self.train()
        return found

    def find(self, images: Tensor, sizes_hw: Sequence[tuple[int, int]]) -> tuple[dict[str, Tensor], list[Detections]]:
        """The network alone, in evaluation: normalised images (B, 3, H, W) -> its maps, detections in their frame."""
        features = self._features(images)
        with stage("proposals"):
            proposals, _ = self.rpn(list(features.values()), sizes_hw)
        with stage("box head"):
            return features, self.box_stages.detect(features, proposals, sizes_hw)

    def _pool(self, output_size: int) -> PyramidRoiAlign:
        return PyramidRoiAlign(output_size, self.config.heads.canonical_box_size, POOLED_LEVELS, STRIDES[:4])

    def _features(self, images: Tensor) -> dict[str, Tensor]:
        with stage("pyramid"):
            return {name: level.float() for name, level in self.pyramid(images).items()}

    def _mask_logits(self, features: dict[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        return self.mask_predictor(self.mask_head(self.mask_pool(features, boxes)))

    def _with_masks(
        self, features: dict[str, Tensor], found: list[Detections], images: Sequence[Tensor], inputs: ModelInput
    ) -> list[Detections]:
        """The masks of the boxes as they are returned, fitted or not."""
        boxes = [
            boxes_in_batch_frame(entry.boxes, scale_xy) for entry, scale_xy in zip(found, inputs.scales_xy, strict=True)
        ]
        maps = mask_probabilities(self._mask_logits(features, boxes), [entry.labels for entry in found])
        return [
            replace(entry, masks=paste_masks(probabilities, entry.boxes, (image.shape[-2], image.shape[-1])))
            for entry, probabilities, image in zip(found, maps, images, strict=True)
        ]
