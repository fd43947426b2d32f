"""Mask R-CNN on a DeiT pyramid, from torchvision's parts: the default engine, nothing to build.

Proposals, heads and losses are torchvision's; resizing, anchors and pooling are ours (preprocess.py, pooling.py).
Mask R-CNN: arXiv:1703.06870.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, maskrcnn_inference, paste_masks_in_image
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from backbone.deit import build_deit
from layoutdeit.config import DetectorConfig, HeadConfig, ProposalConfig
from layoutdeit.engines.base import Detections, Detector, Target
from layoutdeit.engines.pooling import FixedStrideAnchors, PyramidRoiAlign
from layoutdeit.engines.preprocess import ModelInput, boxes_to_given_frame, prepare_images, prepare_targets
from layoutdeit.fit import fit_to_page
from layoutdeit.pyramid import SIZE_DIVISOR, STRIDES, DeitPyramid

BOX_POOL = 7  # cells across a pooled box, arXiv:1703.06870 sec. 3.1
MASK_POOL = 14
POOLED_LEVELS = ("p2", "p3", "p4", "p5")


class TorchvisionDetector(Detector):
    """DeiT -> pyramid -> proposals -> boxes, classes and masks."""

    engine = "torchvision"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        backbone = build_deit(
            config.backbone.name,
            num_classes=0,
            image_size_hw=tuple(config.backbone.grid_size_px),
            drop_path=config.backbone.drop_path,
            activation_checkpointing=config.backbone.activation_checkpointing,
        )
        backbone.norm = nn.Identity()  # the pyramid takes block outputs; a last norm would never be trained
        self.pyramid = DeitPyramid(backbone, channels=config.channels)
        self.rpn = _build_rpn(config.proposals, config.channels)
        self.heads = _build_heads(config.heads, config.channels, config.num_classes + 1)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses "objectness", "proposal_box", "class", "box" and, with a mask head, "mask"."""
        short_sides = self.config.input.train_short_sides
        short_side = short_sides[int(torch.randint(len(short_sides), ()))]
        inputs = self._prepare(images, short_side)
        entries = prepare_targets(targets, inputs, masks=self.heads.has_mask())
        features, proposals, rpn_losses = self._propose(inputs, entries)
        _, head_losses = self.heads(features, proposals, inputs.sizes_hw, entries)
        losses = {
            "objectness": rpn_losses["loss_objectness"],
            "proposal_box": rpn_losses["loss_rpn_box_reg"],
            "class": head_losses["loss_classifier"],
            "box": head_losses["loss_box_reg"],
        }
        if self.heads.has_mask():
            losses["mask"] = head_losses["loss_mask"]
        return losses

    @torch.inference_mode()
    def predict(self, images: Sequence[Tensor], *, masks: bool = False) -> list[Detections]:
        """Regions of each image, best first; masks cost time and are made only when asked for."""
        if masks and not self.heads.has_mask():
            raise ValueError("this model has no mask head (heads.mask_layers is 0): ask for boxes only")
        was_training = self.training
        self.eval()
        try:
            inputs = self._prepare(images, self.config.input.short_side)
            features, proposals, _ = self._propose(inputs, None)
            found = [
                _to_given_frame(entry, image, scale_xy, fit_to_ink=self.config.fit_to_ink)
                for entry, image, scale_xy in zip(
                    self._classify(features, proposals, inputs), images, inputs.scales_xy, strict=True
                )
            ]
            mask_maps = self._masks(features, found, inputs) if masks else None
        finally:
            self.train(was_training)
        if mask_maps is None:
            return found
        return [
            replace(entry, masks=_paste(maps, entry.boxes, (image.shape[-2], image.shape[-1])))
            for entry, maps, image in zip(found, mask_maps, images, strict=True)
        ]

    def _prepare(self, images: Sequence[Tensor], short_side: int) -> ModelInput:
        settings = self.config.input
        return prepare_images(
            images,
            short_side=short_side,
            long_side=settings.long_side,
            mean=settings.mean,
            std=settings.std,
            size_divisor=SIZE_DIVISOR,
        )

    def _propose(
        self, inputs: ModelInput, entries: list[dict[str, Tensor]] | None
    ) -> tuple[dict[str, Tensor], list[Tensor], dict[str, Tensor]]:
        features = {name: level.float() for name, level in self.pyramid(inputs.images).items()}
        proposals, losses = self.rpn(ImageList(inputs.images, inputs.sizes_hw), features, entries)
        return features, proposals, losses

    def _classify(
        self, features: dict[str, Tensor], proposals: list[Tensor], inputs: ModelInput
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        pooled = self.heads.box_roi_pool(features, proposals, inputs.sizes_hw)
        class_logits, deltas = self.heads.box_predictor(self.heads.box_head(pooled))
        found = self.heads.postprocess_detections(class_logits, deltas, proposals, inputs.sizes_hw)
        return list(zip(*found, strict=True))  # (boxes, scores, labels) per image

    def _masks(self, features: dict[str, Tensor], found: list[Detections], inputs: ModelInput) -> tuple[Tensor, ...]:
        boxes = [
            entry.boxes * entry.boxes.new_tensor([*scale_xy, *scale_xy])
            for entry, scale_xy in zip(found, inputs.scales_xy, strict=True)
        ]
        pooled = self.heads.mask_roi_pool(features, boxes, inputs.sizes_hw)
        logits = self.heads.mask_predictor(self.heads.mask_head(pooled))
        return maskrcnn_inference(logits, [entry.labels for entry in found])  # per image (N, 1, 28, 28)


class _Float32RPNHead(RPNHead):
    """Under autocast the convolutions run in low precision; scores, boxes and losses must not."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x)
        return [level.float() for level in logits], [level.float() for level in deltas]


class _Float32BoxPredictor(FastRCNNPredictor):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = super().forward(x)
        return scores.float(), deltas.float()


class _Float32MaskPredictor(MaskRCNNPredictor):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


def _build_rpn(config: ProposalConfig, channels: int) -> RegionProposalNetwork:
    anchors = FixedStrideAnchors(config.anchor_sizes, config.aspect_ratios, STRIDES)
    return RegionProposalNetwork(
        anchors,
        _Float32RPNHead(channels, len(config.aspect_ratios)),
        fg_iou_thresh=config.positive_iou,
        bg_iou_thresh=config.negative_iou,
        batch_size_per_image=config.anchors_per_image,
        positive_fraction=0.5,
        pre_nms_top_n={"training": config.train_candidates, "testing": config.candidates},
        post_nms_top_n={"training": config.train_proposals, "testing": config.proposals},
        nms_thresh=config.nms_iou,
    )


def _build_heads(config: HeadConfig, channels: int, num_classes: int) -> RoIHeads:
    def pool(output_size: int) -> PyramidRoiAlign:
        return PyramidRoiAlign(
            output_size, canonical_box_size=config.canonical_box_size, names=POOLED_LEVELS, strides=STRIDES[:4]
        )

    has_masks = config.mask_layers > 0
    return RoIHeads(
        box_roi_pool=pool(BOX_POOL),
        box_head=TwoMLPHead(channels * BOX_POOL**2, config.box_dim),
        box_predictor=_Float32BoxPredictor(config.box_dim, num_classes),
        fg_iou_thresh=config.positive_iou,
        bg_iou_thresh=config.positive_iou,
        batch_size_per_image=config.rois_per_image,
        positive_fraction=config.positive_fraction,
        bbox_reg_weights=(10.0, 10.0, 5.0, 5.0),
        score_thresh=config.min_score,
        nms_thresh=config.nms_iou,
        detections_per_img=config.detections_per_page,
        mask_roi_pool=pool(MASK_POOL) if has_masks else None,
        mask_head=MaskRCNNHeads(channels, [config.mask_dim] * config.mask_layers, dilation=1) if has_masks else None,
        mask_predictor=_Float32MaskPredictor(config.mask_dim, config.mask_dim, num_classes) if has_masks else None,
    )


def _to_given_frame(
    found: tuple[Tensor, Tensor, Tensor], image: Tensor, scale_xy: tuple[float, float], *, fit_to_ink: bool
) -> Detections:
    """(boxes, scores, labels) in the batch's frame become detections in the image's."""
    boxes, scores, labels = found
    boxes = boxes_to_given_frame(boxes, scale_xy, (image.shape[-2], image.shape[-1]))
    if not fit_to_ink:
        return Detections(boxes, labels, scores)
    picture = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()  # (3, H, W) -> (H, W, 3)
    fitted = fit_to_page(boxes.cpu().numpy(), labels.cpu().numpy(), scores.cpu().numpy(), picture)
    return Detections(
        boxes.new_tensor(fitted.boxes), labels.new_tensor(fitted.labels), scores.new_tensor(fitted.scores)
    )


def _paste(mask_maps: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Mask probabilities (N, 1, 28, 28) in boxes (N, 4) -> (N, H, W) bool."""
    if len(boxes) == 0:
        return torch.zeros((0, *size_hw), dtype=torch.bool, device=boxes.device)
    return paste_masks_in_image(mask_maps, boxes, size_hw)[:, 0] >= 0.5
