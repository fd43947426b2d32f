"""From raw detections to the regions a person sees: doubles removed, boxes cut to the page. NumPy only.

A kept box is never removed by a box that scores lower. So cleaning at a low score and showing only the regions above
a higher one gives the same as cleaning at the higher one: a score slider needs no second run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layoutdeit.geometry import clip, containment, iou
from layoutdeit.labels import label_by_id, label_by_name
from layoutdeit.layout import Region

MAX_IOU = 0.5  # above it two boxes, of whatever classes, are two opinions on one region
MIN_CONTAINED = 0.9  # of a box inside a better one, from which it is a part of it
MIN_SIDE = 1.0  # pixels; thinner boxes hold nothing

# A box of the class on the left is a part of a better one of a class on the right, as is any of the same class.
PARTS = {"text": ("list", "table", "figure")}


def clean(
    boxes_xyxy: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    min_score: float = 0.0,
    max_iou: float = MAX_IOU,
    min_contained: float = MIN_CONTAINED,
) -> np.ndarray:
    """Return the indices of the boxes to keep, best first. boxes (N, 4), labels (N,) 1..5, scores (N,) -> (K,) int.

    A box goes if it is empty or scores below `min_score`, or if a kept box with a higher score overlaps it by more
    than `max_iou` whatever the classes, or holds at least `min_contained` of it and has the same class or one that it
    is a part of (PARTS). Limits above 1 switch a rule off.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    labels, scores = np.asarray(labels, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    is_sound = np.isfinite(boxes).all(axis=1) & np.isfinite(scores) & (scores >= min_score)  # (N,)
    is_sound &= (boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all(axis=1)
    order = np.flatnonzero(is_sound)
    order = order[np.argsort(-scores[order], kind="stable")]  # (M,) best first
    boxes, labels = boxes[order], labels[order]
    is_double = iou(boxes, boxes) > max_iou  # (M, M)
    is_part = (containment(boxes, boxes) >= min_contained) & _may_be_part(labels)  # (M, M) row is part of column
    is_beaten = is_double | is_part
    kept: list[int] = []
    for index in range(len(order)):
        if not is_beaten[index, kept].any():
            kept.append(index)
    return order[kept]


def build_regions(
    boxes_pt: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    size_pt: tuple[float, float],
    texts: Sequence[str | None] | None = None,
) -> tuple[Region, ...]:
    """Regions in the given order, cut to the page; a box wholly outside it is left out.

    boxes_pt: (N, 4) xyxy in points, labels (N,) 1..5, scores (N,); size_pt: (width, height) of the page.
    """
    boxes = clip(boxes_pt, *size_pt)
    texts = [None] * len(boxes) if texts is None else texts
    return tuple(
        Region(label_by_id(int(label)).name, float(score), tuple(box), text)
        for box, label, score, text in zip(boxes.tolist(), labels, scores, texts, strict=True)
        if box[2] > box[0] and box[3] > box[1]
    )


def _may_be_part(labels: np.ndarray) -> np.ndarray:
    """Whether the row's class may be a part of the column's. (M,) -> (M, M) bool."""
    allowed = labels[:, None] == labels[None, :]
    for part, wholes in PARTS.items():
        whole_ids = [label_by_name(whole).id for whole in wholes]
        allowed |= (labels[:, None] == label_by_name(part).id) & np.isin(labels, whole_ids)[None, :]
    return allowed
