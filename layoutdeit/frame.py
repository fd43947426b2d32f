"""The frame of a PDF page: the way between its user space and the page as a reader displays it.

User space has its origin anywhere, y up, units of 1/72 inch times /UserUnit, and knows nothing of /Rotate. The
displayed page, in which all results are given, is in points (1/72 inch), origin top left, y down, rotated and
cropped. `pdf.py` makes one frame per page; `annotate.py` walks back through it. PDF 32000-1, 7.7.3.3 and 14.11.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PageFrame:
    """A page's visible box in user space (`left` < `right`, `bottom` < `top`), its clockwise `rotation`, its unit.

    `rotation` is 0, 90, 180 or 270 degrees; `user_unit` is the number of points in one unit of user space.
    """

    left: float
    bottom: float
    right: float
    top: float
    rotation: int = 0
    user_unit: float = 1.0

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) of the displayed page in points."""
        width, height = (self.right - self.left) * self.user_unit, (self.top - self.bottom) * self.user_unit
        return (width, height) if self.rotation in (0, 180) else (height, width)

    def to_display(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes from user space (x0, y0, x1, y1), y up, to displayed points xyxy, y down. (N, 4) -> (N, 4)."""
        import numpy as np

        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        from_left, from_right = boxes[:, [0, 2]] - self.left, self.right - boxes[:, [0, 2]]  # (N, 2)
        from_bottom, from_top = boxes[:, [1, 3]] - self.bottom, self.top - boxes[:, [1, 3]]  # (N, 2)
        x, y = {
            0: (from_left, from_top),
            90: (from_bottom, from_left),
            180: (from_right, from_bottom),
            270: (from_top, from_right),
        }[self.rotation]
        return _ordered(x, y) * self.user_unit

    def to_user_space(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes from displayed points to user space; the inverse of `to_display`. (N, 4) -> (N, 4)."""
        import numpy as np

        boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4) / self.user_unit
        x, y = boxes[:, [0, 2]], boxes[:, [1, 3]]  # (N, 2)
        across, up = {
            0: (self.left + x, self.top - y),
            90: (self.left + y, self.bottom + x),
            180: (self.right - x, self.bottom + y),
            270: (self.right - y, self.top - x),
        }[self.rotation]
        return _ordered(across, up)


def _ordered(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Corners with the smaller coordinate first. Two of (N, 2) -> (N, 4)."""
    import numpy as np  # here: the process that reads a PDF makes frames, and must start quickly

    return np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)
