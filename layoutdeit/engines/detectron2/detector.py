"""detectron2's Mask and Cascade R-CNN behind the contract of engines/base.py.

It speaks our names for weights, so a model file runs in both engines; resizing, padding and normalising are the shared
preprocess.py, so that an image enters both as the same tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from detectron2.layers import paste_masks_in_image
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from backbone.batch_draws import draw_rows
from backbone.vit import VisionTransformer
from layoutdeit.config import DetectorConfig
from layoutdeit.detectron2_keys import from_detectron2, to_detectron2
from layoutdeit.engines.base import Detections, Detector, Target
from layoutdeit.engines.detectron2 import model  # noqa: F401 (registers our parts with detectron2)
from layoutdeit.engines.detectron2.settings import detectron2_config
from layoutdeit.engines.given_frame import boxes_in_batch_frame, detections_in_given_frame
from layoutdeit.engines.preprocess import ModelInput, page_input, prepare_targets
from layoutdeit.even_light import even_light

LOSS_NAMES = {
    "loss_rpn_cls": "objectness",
    "loss_rpn_loc": "proposal_box",
    "loss_cls": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
}


class Detectron2Detector(Detector):
    """detectron2's GeneralizedRCNN on our backbone."""

    engine = "detectron2"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.model = build_model(detectron2_config(config))
        self.has_masks = config.heads.mask_layers > 0
        self.register_state_dict_post_hook(_our_names)
        self.register_load_state_dict_pre_hook(_their_names)

    @property
    def backbone(self) -> VisionTransformer:
        """The DeiT under the pyramid."""
        return self.model.backbone.bottom_up.backbone

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses "objectness", "proposal_box", "class", "box" (numbered in a cascade) and, with a mask head, "mask"."""
        sides = self.config.input.train_short_sides
        drawn = draw_rows(lambda rows: torch.randint(len(sides), (rows,)), len(images))
        inputs = page_input(images, self.config.input, [sides[index] for index in drawn])
        truth = [
            _instances(target, size_hw)
            for target, size_hw in zip(
                prepare_targets(targets, inputs, masks=self.has_masks), inputs.sizes_hw, strict=True
            )
        ]
        batch = ImageList(inputs.images, inputs.sizes_hw)
        with EventStorage():
            features = self._features(inputs)
            proposals, losses = self.model.proposal_generator(batch, features, truth)
            _, head_losses = self.model.roi_heads(batch, features, proposals, truth)
        return {_loss_name(name): loss for name, loss in {**losses, **head_losses}.items()}

    @torch.inference_mode()
    def predict(self, images: Sequence[Tensor], *, masks: bool = False) -> list[Detections]:
        """Regions of each image, best first; masks cost time and are made only when asked for."""
        if masks and not self.has_masks:
            raise ValueError("this model has no mask head (heads.mask_layers is 0): ask for boxes only")
        was_training = self.training
        self.eval()
        try:
            if self.config.fit_to_ink:
                images = [even_light(image) for image in images]
            inputs, *further = [page_input(images, self.config.input, side) for side in self.config.looks]
            with self.arithmetic():
                features, boxes = self._find(inputs)
                looks = [zip(boxes, inputs.scales_xy, strict=True)]
                for other in further:
                    looks.append(zip(self._find(other)[1], other.scales_xy, strict=True))
                found = [
                    detections_in_given_frame(of_image, image, fit_to_ink=self.config.fit_to_ink)
                    for image, *of_image in zip(images, *looks, strict=True)
                ]
                if masks:  # of the first look's maps
                    found = self._with_masks(features, found, images, inputs)
        finally:
            self.train(was_training)
        return found

    def _find(self, inputs: ModelInput) -> tuple[dict[str, Tensor], list[Detections]]:
        """The network alone: its maps, and detections in the batch's frame."""
        features = self._features(inputs)
        proposals, _ = self.model.proposal_generator(ImageList(inputs.images, inputs.sizes_hw), features)
        boxes = self.model.roi_heads._forward_box(features, proposals)
        return features, [Detections(entry.pred_boxes.tensor, entry.pred_classes + 1, entry.scores) for entry in boxes]

    def _features(self, inputs: ModelInput) -> dict[str, Tensor]:
        return {name: level.float() for name, level in self.model.backbone(inputs.images).items()}

    def _with_masks(
        self, features: dict[str, Tensor], found: list[Detections], images: Sequence[Tensor], inputs: ModelInput
    ) -> list[Detections]:
        """The masks of the boxes as they are returned, fitted or not."""
        instances = [
            Instances(
                size_hw,
                pred_boxes=Boxes(boxes_in_batch_frame(entry.boxes, scale_xy)),
                pred_classes=entry.labels - 1,
                scores=entry.scores,
            )
            for entry, size_hw, scale_xy in zip(found, inputs.sizes_hw, inputs.scales_xy, strict=True)
        ]
        instances = self.model.roi_heads.forward_with_given_boxes(features, instances)
        pasted = [
            paste_masks_in_image(entry.pred_masks[:, 0], detections.boxes, (image.shape[-2], image.shape[-1])).bool()
            for entry, detections, image in zip(instances, found, images, strict=True)
        ]
        return [replace(entry, masks=outlines) for entry, outlines in zip(found, pasted, strict=True)]


def _instances(target: Target, size_hw: tuple[int, int]) -> Instances:
    entry = Instances(size_hw, gt_boxes=Boxes(target.boxes), gt_classes=target.labels - 1)
    if target.masks is not None:
        entry.gt_masks = BitMasks(target.masks)
    return entry


def _loss_name(name: str) -> str:
    plain, _, stage = name.partition("_stage")
    return LOSS_NAMES[plain] + (f"_{stage}" if stage else "")


def _our_names(detector: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    """After `state_dict`: detectron2's names below `prefix` become ours."""
    del detector, metadata
    inner = f"{prefix}model."
    theirs = {name.removeprefix(inner): state.pop(name) for name in list(state) if name.startswith(inner)}
    state.update({prefix + name: tensor for name, tensor in from_detectron2(theirs).items()})


def _their_names(detector: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Before `load_state_dict`: our names below `prefix` become detectron2's."""
    del detector, others
    ours = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
    state.update({f"{prefix}model.{name}": tensor for name, tensor in to_detectron2(ours).items()})
