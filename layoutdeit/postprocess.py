"""From raw detections to the regions a person sees: doubles removed, boxes cut to the page. NumPy only.

A box is removed only by a kept box that scores higher, and thresholds come last, so cleaning at a low score and showing
only the regions above a higher one gives the same as cleaning at the higher one, for one score or for one per class:
score sliders need no second run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from layoutdeit.geometry import clip, containment, iou
from layoutdeit.labels import NUM_CLASSES, label_by_id, label_by_name
from layoutdeit.layout import Region

MAX_IOU = 0.5  # above it two boxes, of whatever classes, are two opinions on one region
MIN_JUDGED = 0.4  # boxes that score less are removed by better doubles of their own class only
MIN_SEEN = 0.5  # boxes that people see unless they ask for more
MIN_CONTAINED = 0.9  # of a box inside a better one, from which it is a part of it
MIN_NESTED = 0.7  # the same for two boxes of one class
MIN_SIDE = 1.0  # pixels; thinner boxes hold nothing

# A box of the class on the left is a part of a better one of a class on the right, as is any of the same class.
PARTS = {"text": ("list", "table", "figure"), "title": ("list", "table")}
# IoU whatever the classes; inside a better box of its class; inside its whole; through a better text; around several
# better boxes.
RULES = ("double", "nested", "part", "cutting", "around")
FLOATS, LINES = ("table", "figure"), ("text", "title", "list")
MIN_CUT, MAX_CUT = 0.2, 0.8  # of a better text, title or list in a table or figure, between which that cuts it
MAX_FILLED = 0.5  # of a text, title or list by better boxes inside it, above which those are the regions
NO_WHOLES = LINES  # tables and figures may well be around others: cells, panels
MIN_INSIDE = 0.8  # of a box in another, from which it helps to fill it


def clean(
    boxes_xyxy: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    min_score: float | Mapping[str, float] = 0.0,
    max_iou: float = MAX_IOU,
    min_contained: float = MIN_CONTAINED,
    min_nested: float = MIN_NESTED,
    rules: Collection[str] = RULES,
) -> np.ndarray:
    """Return the indices of the boxes to keep, best first. boxes (N, 4), labels (N,) 1..5, scores (N,) -> (K,) int.

    A box goes if it is empty or scores below `min_score` (one for all, or by class name; a class left out has 0), or if
    a kept box with a higher score overlaps it by more than `max_iou` ("double"), or holds at least
    `min_nested` of it and has the same class ("nested"), or `min_contained` and a class that it is a part of ("part",
    see PARTS). So does a table or figure with only a part of a better text, title or list in it ("cutting"), and a
    text, title or list of which several kept boxes fill more than MAX_FILLED ("around"). A rule that is not among
    `rules` is off. Boxes below MIN_JUDGED, which AP counts and few people see, go only before better
    ones of their own class ("double", "nested"). Raises ValueError for an unknown rule or class.
    """
    unknown = set(rules) - set(RULES)
    if unknown:
        raise ValueError(f"unknown rule {', '.join(map(repr, sorted(unknown)))}: use any of {', '.join(RULES)}")
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    labels, scores = np.asarray(labels, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    is_sound = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)  # (N,)
    is_sound &= (boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all(axis=1)
    order = np.flatnonzero(is_sound)
    order = order[np.argsort(-scores[order], kind="stable")]  # (M,) best first
    all_labels = labels
    boxes, labels = boxes[order], labels[order]
    is_beaten = np.zeros((len(order), len(order)), dtype=bool)  # (M, M) row by column
    is_judged = (scores[order] >= MIN_JUDGED)[:, None]  # (M, 1)
    if "double" in rules:
        is_beaten |= (iou(boxes, boxes) > max_iou) & ((labels[:, None] == labels[None, :]) | is_judged)
    inside = containment(boxes, boxes)  # (M, M) of the row in the column
    if "nested" in rules:
        is_beaten |= (inside >= min_nested) & (labels[:, None] == labels[None, :])
    if "part" in rules:
        is_beaten |= (inside >= min_contained) & _is_part(labels) & is_judged
    if "cutting" in rules:
        is_cut = (inside.T > MIN_CUT) & (inside.T < MAX_CUT)  # the column by the row
        is_beaten |= is_cut & _is_of(labels, FLOATS)[:, None] & _is_of(labels, LINES)[None, :] & is_judged
    filled = np.zeros((len(order), len(order)))  # (M, M) share of the row's area that the column fills
    if "around" in rules:
        filled = _filled(boxes) * _is_of(labels, NO_WHOLES)[:, None]
        filled = filled * is_judged
    kept: list[int] = []
    for index in range(len(order)):
        fillings = filled[index, kept]
        is_around = np.count_nonzero(fillings) > 1 and fillings.sum() > MAX_FILLED
        if not is_around and not is_beaten[index, kept].any():
            kept.append(index)
    chosen = order[kept]
    return chosen[scores[chosen] >= _thresholds(min_score)[all_labels[chosen]]]


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


def _thresholds(min_score: float | Mapping[str, float]) -> np.ndarray:
    """The lowest score kept, by label id. -> (1 + classes,), background first."""
    if not isinstance(min_score, Mapping):
        return np.full(NUM_CLASSES + 1, float(min_score))
    thresholds = np.zeros(NUM_CLASSES + 1)
    for name, score in min_score.items():
        thresholds[label_by_name(name).id] = score
    return thresholds


def _is_of(labels: np.ndarray, names: Collection[str]) -> np.ndarray:
    """Whether each label is of one of these classes. (M,) -> (M,) bool."""
    return np.isin(labels, [label_by_name(name).id for name in names])


def _filled(boxes: np.ndarray) -> np.ndarray:
    """Share of each row's area that each column's box fills, where most of that box is inside. (M, 4) -> (M, M)."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside = containment(boxes, boxes).T  # row holds this share of column
    return np.where(inside >= MIN_INSIDE, inside, 0) * areas[None, :] / areas[:, None]


def _is_part(labels: np.ndarray) -> np.ndarray:
    """Whether a region of the row's class may be a part of one of the column's. (M,) -> (M, M) bool."""
    allowed = np.zeros((len(labels), len(labels)), dtype=bool)
    for part, wholes in PARTS.items():
        allowed |= (labels[:, None] == label_by_name(part).id) & _is_of(labels, wholes)[None, :]
    return allowed
