"""Drawn lines of print, whose paragraphs are known: small letters with a few heads and tails."""

from __future__ import annotations

import numpy as np

PITCH = 12  # px from baseline to baseline
SMALL, CAPITAL, TAIL = 5, 7, 3  # px: heights above the baseline and depth below it
LEFT, RIGHT = 60, 300


def blank_page(height: int = 800, width: int = 600) -> np.ndarray:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def print_line(picture: np.ndarray, baseline: int, left: int = LEFT, right: int = RIGHT) -> None:
    """Letters 4 px wide, 2 px apart, their last row above `baseline`; every fourth has a head, every sixth a tail."""
    for number, x in enumerate(range(left, right - 3, 6)):
        picture[baseline - SMALL : baseline, x : x + 4] = 0
        if number % 4 == 0:
            picture[baseline - CAPITAL : baseline, x : x + 1] = 0
        if number % 6 == 0:
            picture[baseline : baseline + TAIL, x : x + 1] = 0


def print_paragraph(
    picture: np.ndarray, baseline: int, num_lines: int, *, indent: int = 14, last: int = 120, pitch: int = PITCH
) -> int:
    """Justified lines, the first indented, the last `last` px wide; returns the baseline of what comes next."""
    for line in range(num_lines):
        is_last = line == num_lines - 1
        print_line(
            picture, baseline + line * pitch, LEFT + (indent if line == 0 else 0), LEFT + last if is_last else RIGHT
        )
    return baseline + num_lines * pitch
