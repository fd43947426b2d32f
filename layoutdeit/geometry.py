"""Boxes as NumPy arrays: formats, overlap, and the way from pixels to PDF points.

Every function takes and returns float arrays of shape (N, 4). "xyxy" is (x0, y0, x1, y1), "xywh" is
(x0, y0, width, height), both with the origin at the top left and y pointing down.
"""

from __future__ import annotations

import numpy as np


def xyxy_to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Corners to corner and size. (N, 4) -> (N, 4)."""
    boxes = _as_boxes(boxes_xyxy)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    """Corner and size to corners. (N, 4) -> (N, 4)."""
    boxes = _as_boxes(boxes_xywh)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Area of each box, 0 for an inverted one. (N, 4) -> (N,)."""
    boxes = _as_boxes(boxes_xyxy)
    return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)


def intersections(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Area shared by each pair of boxes. (N, 4), (M, 4) -> (N, M)."""
    a, b = _as_boxes(a_xyxy), _as_boxes(b_xyxy)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])  # (N, M, 2)
    return np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)  # (N, M)


def iou(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair; 0 where both are empty. (N, 4), (M, 4) -> (N, M)."""
    shared = intersections(a_xyxy, b_xyxy)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def containment(inner_xyxy: np.ndarray, outer_xyxy: np.ndarray) -> np.ndarray:
    """Share of each inner box that lies in each outer box, 0..1. (N, 4), (M, 4) -> (N, M)."""
    shared = intersections(inner_xyxy, outer_xyxy)
    inner = np.broadcast_to(areas(inner_xyxy)[:, None], shared.shape)
    return np.divide(shared, inner, out=np.zeros_like(shared), where=inner > 0)


def clip(boxes_xyxy: np.ndarray, width: float, height: float) -> np.ndarray:
    """Cut boxes to the frame (0, 0, width, height). (N, 4) -> (N, 4)."""
    boxes = _as_boxes(boxes_xyxy)
    return np.clip(boxes, 0, [width, height, width, height])


def pixels_to_points(boxes_px: np.ndarray, size_px: tuple[int, int], size_pt: tuple[float, float]) -> np.ndarray:
    """Scale boxes from a page picture to its page. Sizes are (width, height). (N, 4) -> (N, 4).

    Both frames have their origin at the top left of the page as displayed, so only the scale differs; each axis
    has its own, because a picture's size is a whole number of pixels.
    """
    scale_x, scale_y = size_pt[0] / size_px[0], size_pt[1] / size_px[1]
    return _as_boxes(boxes_px) * [scale_x, scale_y, scale_x, scale_y]


def points_to_pixels(boxes_pt: np.ndarray, size_px: tuple[int, int], size_pt: tuple[float, float]) -> np.ndarray:
    """Scale boxes from a page to its picture; the inverse of `pixels_to_points`. (N, 4) -> (N, 4)."""
    return pixels_to_points(boxes_pt, size_px=size_pt, size_pt=size_px)


def _as_boxes(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes need the shape (N, 4), got {boxes.shape}")
    return boxes
