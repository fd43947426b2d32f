"""Outlines of regions: polygons in pixels, whatever a COCO file held, and the masks they enclose.

An outline is a list of polygons, (K, 2) float32 x and y; a region is their union. An empty list: the box is it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Outline = list[np.ndarray]

MAX_PX = 1e5  # points further out are of no page, and pycocotools takes memory for every pixel on the way to them
MAX_LONG_SIDES = 2  # the same in sides of the page, where those are known
CORNER_TOLERANCE_PX = 0.02  # two decimals in the file: nearer corners are those of the box


def is_box(polygon: Sequence[float], box_xywh: Sequence[float] | None) -> bool:
    """Whether a polygon (x0, y0, x1, y1, ...) of four points, closed or not, only repeats its box."""
    if len(polygon) not in (8, 10) or box_xywh is None or len(box_xywh) != 4:
        return False
    x, y, w, h = box_xywh
    corners = {(px - x > w / 2, py - y > h / 2) for px, py in zip(polygon[::2], polygon[1::2], strict=True)}
    return len(corners) == 4 and all(
        min(abs(px - x), abs(px - x - w)) <= CORNER_TOLERANCE_PX
        and min(abs(py - y), abs(py - y - h)) <= CORNER_TOLERANCE_PX
        for px, py in zip(polygon[::2], polygon[1::2], strict=True)
    )


def check_polygons(polygons: Sequence[Sequence[float]], size_hw: Sequence[int] | None = None) -> None:
    """ValueError unless each, x0, y0, x1, y1, ..., has three points and all are where the page may be.

    size_hw: of the page; None where it is not known yet.
    """
    limit = MAX_PX if size_hw is None else min(MAX_PX, MAX_LONG_SIDES * max(size_hw))
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon needs three points, each x and y")
        if not all(-limit <= value <= limit for value in polygon):  # nor NaN
            raise ValueError(f"a polygon has a point more than {limit:g} px off")


def rle_polygons(counts: str | list[int], size_hw: tuple[int, int]) -> list[list[float]]:
    """A run-length mask as rectangles that cover it exactly, each x0, y0, x1, y0, x1, y1, x0, y1.

    counts: lengths of runs down the columns, background first, or COCO's text of them. ValueError for broken counts.
    """
    height = size_hw[0]
    runs = run_lengths(counts, size_hw)
    ends = np.cumsum(runs)
    stop = ends[1::2]  # (R,) after the last pixel of each run of the region
    start = stop - runs[1::2]
    start, stop = start[stop > start], stop[stop > start]
    if not len(start):
        return []
    first, last = start // height, (stop - 1) // height  # columns
    num_columns = last - first + 1
    run = np.repeat(np.arange(len(start)), num_columns)  # (S,) a piece of a run for every column it touches
    column = np.arange(len(run)) - np.repeat(np.cumsum(num_columns) - num_columns, num_columns) + first[run]
    top = np.where(column == first[run], start[run] % height, 0)
    bottom = np.where(column == last[run], (stop[run] - 1) % height + 1, height)
    order = np.lexsort((column, bottom, top))  # equal pieces of neighbouring columns make a rectangle
    column, top, bottom = column[order], top[order], bottom[order]
    is_new = np.ones(len(column), dtype=bool)
    is_new[1:] = (np.diff(column) != 1) | (np.diff(top) != 0) | (np.diff(bottom) != 0)
    begins = np.flatnonzero(is_new)
    ends = np.append(begins[1:], len(column)) - 1
    x0, x1, y0, y1 = column[begins], column[ends] + 1, top[begins], bottom[begins]
    return np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).astype(float).tolist()


def run_lengths(counts: str | Sequence[int], size_hw: Sequence[int]) -> np.ndarray:
    """The lengths of a mask's runs, (R,) int64, from a list or COCO's text. ValueError unless they fill its size."""
    height, width = size_hw
    if not (0 < height <= MAX_PX and 0 < width <= MAX_PX):
        raise ValueError(f"a mask of {width} x {height} pixels is of no page")
    try:
        runs = np.array(_decode_counts(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    except OverflowError as error:
        raise ValueError("a mask has a run of more pixels than can be counted") from error
    if (runs < 0).any() or (runs > height * width).any() or runs.sum() != height * width:  # nor a sum that overflows
        raise ValueError(f"a mask of {width} x {height} pixels has runs for {runs.sum()}")
    return runs


def draw_masks(outlines: Sequence[Outline], boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Masks of regions by COCO's own rasteriser. boxes (N, 4) stand in for empty outlines -> (N, H, W) bool."""
    from pycocotools import mask as mask_codec

    height, width = size_hw
    masks = np.zeros((len(outlines), height, width), dtype=bool)
    for mask, outline, (x0, y0, x1, y1) in zip(masks, outlines, boxes_xyxy.tolist(), strict=True):
        polygons = [polygon.ravel().tolist() for polygon in outline] or [[x0, y0, x1, y0, x1, y1, x0, y1]]
        runs = mask_codec.frPyObjects(polygons, height, width)
        mask[:] = mask_codec.decode(mask_codec.merge(runs)).astype(bool)
    return masks


def _decode_counts(text: str) -> list[int]:
    """COCO's text of run lengths: five bits a character, low ones first; from the fourth on, less the last but one."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            if place == len(text):
                raise ValueError("a mask's run lengths end in the middle of a number")
            bits = ord(text[place]) - 48
            if not 0 <= bits < 64 or shift > 60:
                raise ValueError(f"a mask's run lengths have no number at {text[place - shift // 5 :][:20]!r}")
            value |= (bits & 0x1F) << shift
            more, shift, place = bool(bits & 0x20), shift + 5, place + 1
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts
