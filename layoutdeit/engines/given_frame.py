"""Detections from the frame of a batch to that of the given picture: the last step of every engine's boxes."""

from __future__ import annotations

from torch import Tensor

from layoutdeit.engines.base import Detections
from layoutdeit.engines.matching import clip_boxes, has_area
from layoutdeit.fit import fit_to_page


def detections_in_given_frame(
    boxes: Tensor, scores: Tensor, labels: Tensor, image: Tensor, scale_xy: tuple[float, float], *, fit_to_ink: bool
) -> Detections:
    """Boxes (N, 4) in batch pixels become detections in the image's (3, H, W), cut to it; empty ones are dropped.

    scale_xy: batch pixels per pixel of the image. With fit_to_ink they move to the print of the page (fit.py).
    """
    boxes = clip_boxes(boxes / boxes.new_tensor([*scale_xy, *scale_xy]), (image.shape[-2], image.shape[-1]))
    kept = has_area(boxes)
    boxes, labels, scores = boxes[kept], labels[kept], scores[kept]
    if not fit_to_ink:
        return Detections(boxes, labels, scores)
    picture = (image * 255).add_(0.5).byte().permute(1, 2, 0).cpu().numpy()  # (3, H, W) -> (H, W, 3), rounded
    fitted = fit_to_page(boxes.cpu().numpy(), labels.cpu().numpy(), scores.cpu().numpy(), picture)
    return Detections(
        boxes.new_tensor(fitted.boxes), labels.new_tensor(fitted.labels), scores.new_tensor(fitted.scores)
    )


def boxes_in_batch_frame(boxes: Tensor, scale_xy: tuple[float, float]) -> Tensor:
    """Boxes (N, 4) of the given picture in batch pixels."""
    return boxes * boxes.new_tensor([*scale_xy, *scale_xy])
