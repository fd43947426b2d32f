"""Whose each word of the text layer is, where boxes overlap or reach into the next column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layoutdeit.geometry import containment
from layoutdeit.orphan_lines import adopt_lines
from layoutdeit.postprocess import MIN_JUDGED, MIN_NESTED, MIN_SEEN
from layoutdeit.reading import (
    ITEM_MARKER,
    NUMBER_GAP,
    REACH,
    SNAPPED,
    Word,
    boxes_of_lines,
    columns_of,
    group_lines,
    line_height_of,
    words_in,
)

RUNNING = ("text", "list")  # what fills a column
MIN_CHANNEL = 0.75  # heights of its words: white from top to bottom that sets strays apart from a text
MAX_STRAY = 0.25  # of a text's words: what stands apart from the others and may be another column's
MIN_COLUMN = 3  # lines of the other box, by which it shows its column
NEXT_LINE = 1.0  # heights between a stray and the column that it belongs to, above, below or beside it


def split_columns(
    boxes_xyxy: np.ndarray, labels: Sequence[str], words: Sequence[Word]
) -> tuple[np.ndarray, np.ndarray]:
    """A text around running text of several columns as one box for each. -> the box that each is of (M,), boxes (M, 4).

    boxes (N, 4) in points; PubLayNet has a box per paragraph and column.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    origins: list[int] = []
    found: list[list[float]] = []
    for index, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        columns = columns_of(words_in(box, words)) if label == "text" else []
        if len(columns) > 1:
            origins += [index] * len(columns)
            parts, _ = boxes_of_lines(np.tile(box, (len(columns), 1)), ["text"] * len(columns), columns)
            found += parts.tolist()
        else:
            origins.append(index)
            found.append(box.tolist())
    return np.array(origins, dtype=np.int64), np.array(found, dtype=np.float64).reshape(-1, 4)


def share_words(
    boxes_xyxy: np.ndarray, labels: Sequence[str], scores: np.ndarray, words: Sequence[Word]
) -> tuple[list[list[Word]], np.ndarray, np.ndarray]:
    """Have each word in one text, title or list. -> the words of each box, boxes (N, 4), whether each holds any (N,).

    boxes (N, 4) in points, best first. A word goes to the best box that holds its centre, but before that to a box that
    lies inside it, as a title in a text; a list's bullet or number to the box that has its item; a few words of a text
    that stand in the column of another box to that one. A box then ends with its own words.
    Boxes that score less than postprocess.MIN_JUDGED, and figures and tables, have all the words that they hold.
    """
    boxes = np.array(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    held = [words_in(box, words) for box in boxes]
    if not words:
        return held, boxes, np.ones(len(boxes), dtype=bool)
    sharing = [i for i, label in enumerate(labels) if label in SNAPPED and scores[i] >= MIN_JUDGED]
    taken: set[int] = set()
    for index in _nested_first(boxes, scores, sharing):
        held[index] = [word for word in held[index] if id(word) not in taken]
        taken.update(map(id, held[index]))
    for index in sharing:
        others = [other for other in sharing if other != index]
        if labels[index] == "list":
            _give_lone_markers(held, index, others)
        elif labels[index] == "text":
            columns = [other for other in others if labels[other] in RUNNING]
            _give_strays(held, boxes, index, columns)
    held = adopt_lines(held, boxes, labels, scores, words)
    return held, *boxes_of_lines(boxes, labels, held)


def _give_lone_markers(held: list[list[Word]], index: int, others: Sequence[int]) -> None:
    """Bullets and numbers of a list whose items are another box's go to that one; held: the words of each box."""
    for line in group_lines(held[index]):
        if len(line) > 1 or not ITEM_MARKER.fullmatch(line[0].text):
            continue
        marker = line[0]
        middle = (marker.box[1] + marker.box[3]) / 2
        reach = marker.box[2] + NUMBER_GAP * (marker.line_height or marker.box[3] - marker.box[1])
        for other in others:
            beside = (w for w in held[other] if w.box[1] <= middle <= w.box[3] and marker.box[2] <= w.box[0] <= reach)
            if any(beside):
                held[index] = [word for word in held[index] if word is not marker]
                held[other].append(marker)
                break


def _give_strays(held: list[list[Word]], boxes: np.ndarray, index: int, others: Sequence[int]) -> None:
    """Words apart from the rest of a text, in the column of another box, go to that one."""
    height = line_height_of(held[index])
    *strays, own = sorted(_apart(held[index], MIN_CHANNEL * height), key=len) or [[]]
    for part in strays:
        if len(part) > MAX_STRAY * len(held[index]):
            continue
        for other in others:
            if _goes_on(part, own, boxes[other], held[other], NEXT_LINE * height):
                gone = {id(word) for word in part}
                held[index] = [word for word in held[index] if id(word) not in gone]
                held[other] = [*held[other], *part]
                break


def _apart(words: Sequence[Word], channel: float) -> list[list[Word]]:
    """The words left and right of white that is at least `channel` wide and that no word crosses."""
    parts: list[list[Word]] = []
    edge = -np.inf
    for word in sorted(words, key=lambda word: word.box[0]):
        if word.box[0] - edge >= channel:
            parts.append([])
        parts[-1].append(word)
        edge = max(edge, word.box[2])
    return parts


def _goes_on(part: Sequence[Word], own: Sequence[Word], box: np.ndarray, lines: Sequence[Word], reach: float) -> bool:
    """Whether a part stands in the column of another box (4,), next to one of its lines, and its own text does not."""
    left, _, right, _ = box.tolist()
    own_left, _, own_right, _ = _around(own)
    x0, y0, x1, y1 = _around(part)
    is_beside = own_right - REACH <= left or right <= own_left + REACH
    if not is_beside or x0 < left - reach or right + reach < x1 or not lines:
        return False
    edges = np.array([word.box for word in lines])  # (W, 4)
    is_across = (edges[:, 0] < x1 + reach) & (x0 - reach < edges[:, 2])
    is_next = (edges[:, 1] < y1 + reach) & (y0 - reach < edges[:, 3])
    return bool((is_across & is_next).any()) and len(group_lines(lines)) >= MIN_COLUMN


def _around(words: Sequence[Word]) -> tuple[float, float, float, float]:
    edges = np.array([word.box for word in words])
    return (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())


def _nested_first(boxes: np.ndarray, scores: np.ndarray, indices: Sequence[int]) -> list[int]:
    """The indices of boxes (N, 4) in their order, but each after the smaller ones that lie inside it."""
    inside = containment(boxes, boxes)  # (N, N) of the row in the column
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    order: list[int] = []
    for outer in indices:
        within = [i for i in indices if inside[i, outer] >= MIN_NESTED and areas[i] < areas[outer]]
        order += [i for i in sorted(within, key=areas.__getitem__) if scores[i] >= MIN_SEEN and i not in order]
        if outer not in order:
            order.append(outer)
    return order
