"""What is printed on a page picture: its ink, its lines of print, its ruled lines. NumPy only.

Sits between a page picture and fit.py, which moves boxes to the ink. Lengths are pixels of the picture; limits are
given at REFERENCE_SIDE and scale with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REFERENCE_SIDE = 600  # px of the short side of a PubLayNet page, at which limits are stated
MIN_CONTRAST = 45  # grey levels of 255 below the paper that make a pixel ink
PAPER_PERCENTILE = 80  # of the grey levels of a page: most of a page is paper
RULE_LENGTH = 0.1  # of the page's width; shorter lines are dashes, fractions, underlined words
RULE_THICKNESS = 4  # px
CROSSED = 0.7  # of a stretch that a ruled line spans, from which it parts what is above and below
RULE_OVERLAP = 0.7  # of the longer of two runs, above which the lower one goes on with the same rule


@dataclass(frozen=True)
class Ink:
    """The ink of one page. scale is the picture's short side over REFERENCE_SIDE.

    Sums let a profile through any part of the page be had by one subtraction: along_x (H, W + 1) counts ink left of
    each column, along_y (H + 1, W) above each row. rules (R, 4) are horizontal ruled lines, xyxy.
    """

    along_x: np.ndarray
    along_y: np.ndarray
    rules: np.ndarray
    scale: float

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.along_x.shape[0], self.along_y.shape[1]

    def rows(self, x0: int, x1: int) -> np.ndarray:
        """Ink pixels of each row between the columns x0 and x1 -> (H,)."""
        return self.along_x[:, x1] - self.along_x[:, x0]

    def columns(self, y0: int, y1: int) -> np.ndarray:
        """Ink pixels of each column between the rows y0 and y1 -> (W,)."""
        return self.along_y[y1] - self.along_y[y0]

    def rules_across(self, x0: float, x1: float) -> np.ndarray:
        """The ruled lines (R, 4) that span most of the stretch x0..x1: no text goes on beyond them."""
        shared = np.minimum(self.rules[:, 2], x1) - np.maximum(self.rules[:, 0], x0)
        return self.rules[shared >= CROSSED * (x1 - x0)]


def find_ink(picture: np.ndarray) -> Ink:
    """Find the ink of a page picture (H, W, 3) uint8: whatever is darker than the paper in any of its colours."""
    darkest = np.minimum(
        np.minimum(picture[..., 0], picture[..., 1]), picture[..., 2]
    )  # min(axis=2) is 20 times slower
    is_ink = darkest < np.percentile(darkest[::2, ::2], PAPER_PERCENTILE) - MIN_CONTRAST
    height, width = is_ink.shape
    along_x = np.zeros((height, width + 1), dtype=np.int32)
    along_y = np.zeros((height + 1, width), dtype=np.int32)
    np.cumsum(is_ink, axis=1, out=along_x[:, 1:])
    np.cumsum(is_ink, axis=0, out=along_y[1:])
    return Ink(along_x, along_y, _find_rules(is_ink), min(height, width) / REFERENCE_SIDE)


def runs(is_set: np.ndarray, *, max_gap: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the stretches of True in a profile (N,), across gaps of up to `max_gap`."""
    edged = np.zeros(len(is_set) + 2, dtype=bool)  # called hundreds of times a page: plain slices are the quickest
    edged[1:-1] = is_set
    steps = np.flatnonzero(edged[1:] != edged[:-1])
    starts, ends = steps[::2], steps[1::2]
    is_apart = starts[1:] - ends[:-1] > max_gap
    if is_apart.all():
        return starts, ends
    return np.concatenate([starts[:1], starts[1:][is_apart]]), np.concatenate([ends[:-1][is_apart], ends[-1:]])


def share_of_ink(box: np.ndarray, ink: Ink) -> float:
    """How much of a box (4,) is ink, 0..1."""
    height, width = ink.size_hw
    (left, right), (top, bottom) = span(box[0], box[2], width), span(box[1], box[3], height)
    if right <= left or bottom <= top:
        return 0.0
    return float(ink.rows(left, right)[top:bottom].sum() / ((right - left) * (bottom - top)))


def span(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels of a stretch, cut to the picture."""
    return min(max(round(low), 0), size), min(max(round(high), 0), size)


def _find_rules(is_ink: np.ndarray) -> np.ndarray:
    """Horizontal ruled lines -> (R, 4) xyxy: long runs of ink, thin from above to below."""
    height, width = is_ink.shape
    changes = np.diff(np.pad(is_ink, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    y, x0 = np.nonzero(changes == 1)
    x1 = np.nonzero(changes == -1)[1]
    is_long = x1 - x0 >= RULE_LENGTH * width
    found: list[list[int]] = []
    for row, left, right in zip(y[is_long].tolist(), x0[is_long].tolist(), x1[is_long].tolist(), strict=True):
        for rule in reversed(found):
            shared = min(right, rule[2]) - max(left, rule[0])
            if rule[3] == row and shared > RULE_OVERLAP * max(right - left, rule[2] - rule[0]):
                rule[:] = [min(left, rule[0]), rule[1], max(right, rule[2]), row + 1]
                break
            if rule[3] < row - 1:
                found.append([left, row, right, row + 1])
                break
        else:
            found.append([left, row, right, row + 1])
    thin = [
        rule for rule in found if rule[3] - rule[1] <= RULE_THICKNESS * max(1.0, min(height, width) / REFERENCE_SIDE)
    ]
    return np.array(thin, dtype=np.float64).reshape(-1, 4)
