"""Pages that lie on their side: found out by their picture, turned to be read, and what is found on them turned back.

Turns are quarters clockwise, 0 to 3. Boxes are xyxy, y down, in the frame of a page of a size (width, height).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from layoutdeit.reading import Word

Box = tuple[float, float, float, float]

NUM_STRIPS = 6  # side by side, so that columns of text do not even out each other's lines
LYING = 0.6  # of how strongly brightness changes from column to column, if from row to row less, lines may be upright
MIN_CHANGE = 1.0  # squared grey levels; below, a page is blank
STEEP = 3.0  # times further up or down than across, from one word to the next one of an upright line
TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def may_lie(picture: Image.Image) -> bool:
    """Whether the lines of a page picture (RGB) seem to run up or down: between lines of print it is white."""
    grey = np.asarray(picture.convert("L"))[::2, ::2].astype(np.float32)
    if min(grey.shape) < 2 * NUM_STRIPS:
        return False
    rows, columns = _change_between_rows(grey), _change_between_rows(grey.T)
    return columns > MIN_CHANGE and rows < LYING * columns


def _change_between_rows(grey: np.ndarray) -> float:
    strips = np.array_split(grey, NUM_STRIPS, axis=1)
    return float(np.mean([np.square(np.diff(strip.mean(axis=1))).mean() for strip in strips]))


def turn_to_read(words: Sequence[Word]) -> int:
    """Quarters clockwise after which most words follow each other to the right, as the text layer has them."""
    edges = np.array([word.box for word in words]).reshape(-1, 4)
    across, down = np.diff((edges[:, :2] + edges[:, 2:]) / 2, axis=0).T
    up, along = int((down < -STEEP * np.abs(across)).sum()), int((down > STEEP * np.abs(across)).sum())
    if up + along <= len(across) / 2:
        return 0
    return 1 if up > along else 3


def turned_picture(picture: Image.Image, quarters: int) -> Image.Image:
    """The picture turned clockwise; itself for none."""
    return picture.transpose(TURNS[quarters % 4]) if quarters % 4 else picture


def turned_size(size: tuple[float, float], quarters: int) -> tuple[float, float]:
    """The size of a page once it is turned."""
    return size[::-1] if quarters % 2 else size


def turned_box(box: Sequence[float], size: tuple[float, float], quarters: int) -> Box:
    """A box (4,) of a page of that size, in the frame of the page once it is turned."""
    x0, y0, x1, y1 = box
    for _ in range(quarters % 4):
        x0, y0, x1, y1 = size[1] - y1, x0, size[1] - y0, x1
        size = size[::-1]
    return x0, y0, x1, y1


def turned_words(words: Sequence[Word], size: tuple[float, float], quarters: int) -> tuple[Word, ...]:
    """The words of a page of that size, in the frame of the page once it is turned."""
    return tuple(
        replace(
            word,
            box=turned_box(word.box, size, quarters),
            line_box=word.line_box and turned_box(word.line_box, size, quarters),
        )
        for word in words
    )
