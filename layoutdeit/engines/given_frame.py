"""Detections from the frame of a batch to that of the given picture: the last step of every engine's boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layoutdeit.engines.base import Detections
from layoutdeit.engines.matching import clip_boxes, has_area
from layoutdeit.fit import fit_to_page

FURTHER_LOOK = 0.6  # of its score that a box of another look than the first keeps


def detections_in_given_frame(
    looks: Sequence[tuple[Detections, tuple[float, float]]], image: Tensor, *, fit_to_ink: bool
) -> Detections:
    """What was found in batch pixels becomes detections in the image's (3, H, W), cut to it; empty ones are dropped.

    looks: one or more of (found, scale_xy), scale_xy in batch pixels per pixel of the image. With fit_to_ink boxes move
    to the print of the page and those that agree become one (fit.py), which several looks need.
    """
    parts = [_in_given_frame(found, image, scale_xy) for found, scale_xy in looks]
    boxes, labels = (torch.cat([getattr(part, name) for part in parts]) for name in ("boxes", "labels"))
    scores = torch.cat([parts[0].scores, *(FURTHER_LOOK * part.scores for part in parts[1:])])
    if not fit_to_ink:
        return Detections(boxes, labels, scores)
    picture = (image * 255).add_(0.5).byte().permute(1, 2, 0).cpu().numpy()  # (3, H, W) -> (H, W, 3), rounded
    fitted = fit_to_page(boxes.cpu().numpy(), labels.cpu().numpy(), scores.cpu().numpy(), picture)
    return Detections(
        boxes.new_tensor(fitted.boxes), labels.new_tensor(fitted.labels), scores.new_tensor(fitted.scores)
    )


def _in_given_frame(found: Detections, image: Tensor, scale_xy: tuple[float, float]) -> Detections:
    size_hw = (image.shape[-2], image.shape[-1])
    boxes = clip_boxes(found.boxes / found.boxes.new_tensor([*scale_xy, *scale_xy]), size_hw)
    kept = has_area(boxes)
    return Detections(boxes[kept], found.labels[kept], found.scores[kept])


def boxes_in_batch_frame(boxes: Tensor, scale_xy: tuple[float, float]) -> Tensor:
    """Boxes (N, 4) of the given picture in batch pixels."""
    return boxes * boxes.new_tensor([*scale_xy, *scale_xy])
