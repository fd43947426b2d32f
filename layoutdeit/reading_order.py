"""The order in which a page's regions are read: columns, and figures and tables that reach across them. NumPy only.

T. Breuel, High performance document layout analysis (SDIUT 2003), sec. 4: a partial order of pairs, sorted.
"""

from __future__ import annotations

import numpy as np

MIN_SHARED = 0.1  # of the narrower box's width: what two boxes share where one stands above the other


def reading_order(boxes_xyxy: np.ndarray) -> list[int]:
    """Indices of the boxes in reading order, left to right, top to bottom. (N, 4) -> N indices.

    A box comes before another that it stands above, where the two share width; and before one to its right, unless a
    box across both stands between them, as a figure over two columns does. Where boxes contradict each other, the
    higher one comes first. A box in the middle of the page with nothing beside it and all others below it, as a title
    over three columns, comes first of all; one with all others above it, as a page number, last.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    first, middle, last = _apart(boxes)
    return [*first, *(middle[index] for index in _in_columns(boxes[middle])), *last]


def _apart(boxes: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Indices of the boxes that stand alone above all others, of the others, and of those alone below."""
    first: list[int] = []
    others = np.argsort(boxes[:, 1], kind="stable").tolist()
    last: list[int] = []
    if not others:
        return first, others, last
    middle = (boxes[:, 0].min() + boxes[:, 2].max()) / 2
    is_central = (boxes[:, 0] <= middle) & (middle <= boxes[:, 2])
    while len(others) > 1 and is_central[others[0]] and boxes[others[0], 3] <= boxes[others[1], 1]:
        first.append(others.pop(0))
    while len(others) > 1:
        lowest = max(others, key=lambda index: boxes[index, 3])
        rest = [index for index in others if index != lowest]
        if not is_central[lowest] or boxes[lowest, 1] < boxes[rest, 3].max():
            break
        last.insert(0, lowest)
        others = rest
    return first, sorted(others), last


def _in_columns(boxes: np.ndarray) -> list[int]:
    before, across = _is_before(boxes), _share_width(boxes)
    left = sorted(range(len(boxes)), key=lambda index: (boxes[index, 1], boxes[index, 0]))
    order: list[int] = []
    while left:
        free = [index for index in left if not before[left, index].any()] or left[:1]
        below = [index for index in free if order and across[order[-1], index]]  # on in the same column, if possible
        order.append((below or free)[0])
        left.remove(order[-1])
    return order


def _is_before(boxes: np.ndarray) -> np.ndarray:
    """Whether the row's box must be read before the column's. (N, 4) -> (N, N) bool."""
    across = _share_width(boxes)  # (N, N)
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    is_above = across & (boxes[:, None, 1] < boxes[None, :, 1])
    is_left = ~across & (boxes[:, None, 0] < boxes[None, :, 0])
    # a box across both, lying between them from top to bottom, separates what is left of it from what is right
    tops, bottoms = np.minimum(middles[:, None], middles[None, :]), np.maximum(middles[:, None], middles[None, :])
    is_separated = np.zeros_like(across)
    for beside, middle in zip(across, middles, strict=True):  # box by box: all at once would be N x N x N
        is_separated |= beside[:, None] & beside[None, :] & (middle > tops) & (middle < bottoms)
    before = is_above | (is_left & ~is_separated)
    np.fill_diagonal(before, False)
    return before


def _share_width(boxes: np.ndarray) -> np.ndarray:
    """Whether two boxes share width. (N, 4) -> (N, N) bool."""
    low, high = boxes[:, 0], boxes[:, 2]
    shared = np.minimum(high[:, None], high[None, :]) - np.maximum(low[:, None], low[None, :])
    sides = np.maximum(np.minimum((high - low)[:, None], (high - low)[None, :]), 1e-9)
    return shared > MIN_SHARED * sides
