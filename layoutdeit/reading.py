"""Reading a page: the words of its text layer, the text of a region, and the order of the regions.

Boxes are xyxy in points of the page as displayed. `pdf.py` gives the words; `analyze.py` asks the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SOFT_HYPHEN = "\u00ad"
DIVIDED = re.compile(r"(?:^|[\s(\"'\u201c\u2018])[^\W\d_]{2,}[-\u2010]$")  # a word of letters alone, hyphen last
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
FULL_WIDTH = 0.6  # a region wider than this share of the page's regions together spans the columns


@dataclass(frozen=True)
class Word:
    """A word of the text layer and the box around its glyphs, xyxy in points of the page as displayed."""

    text: str
    box: tuple[float, float, float, float]


def region_texts(boxes_xyxy: np.ndarray, words: Sequence[Word]) -> list[str | None]:
    """The text of each box: the words whose centres lie in it, line by line, lines joined by newlines.

    A box without words reads "" on a page with a text layer, and None on a page without one (`words` is empty).
    boxes_xyxy: (N, 4) -> N texts.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if not words:
        return [None] * len(boxes)
    edges = np.array([word.box for word in words])  # (W, 4)
    centres = (edges[:, :2] + edges[:, 2:]) / 2  # (W, 2)
    texts: list[str | None] = []
    for box in boxes:
        inside = np.all((centres >= box[:2]) & (centres <= box[2:]), axis=1)  # (W,)
        lines = group_lines([words[index] for index in np.flatnonzero(inside)])
        texts.append("\n".join(" ".join(word.text for word in line) for line in lines))
    return texts


def group_lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words grouped into lines, lines top to bottom and words left to right.

    A word belongs to a line when the middle of either lies within the height of the other, so a full stop and a
    superscript stay with their words.
    """
    lines: list[list[Word]] = []
    spans: list[tuple[float, float]] = []
    for word in sorted(words, key=lambda word: (word.box[1] + word.box[3], word.box[0])):
        top, bottom = word.box[1], word.box[3]
        if spans:
            line_top, line_bottom = spans[-1]
            is_same = line_top <= (top + bottom) / 2 <= line_bottom or top <= (line_top + line_bottom) / 2 <= bottom
            if is_same:
                lines[-1].append(word)
                # the line keeps the extent of its tallest word: growing it would swallow the next line
                if bottom - top > line_bottom - line_top:
                    spans[-1] = (top, bottom)
                continue
        lines.append([word])
        spans.append((top, bottom))
    return [sorted(line, key=lambda word: word.box[0]) for line in lines]


def join_lines(text: str) -> str:
    """Lines joined to one, words divided at line ends made whole again, no space between two CJK characters.

    A soft hyphen goes. A hard one goes where a lower-case letter follows and the word before it holds no other hyphen;
    that joins a compound divided at its own hyphen too, which without a dictionary cannot be told apart.
    """
    joined = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if not joined:
            joined = line
        elif joined.endswith(SOFT_HYPHEN) or DIVIDED.search(joined) and line[0].islower():
            joined = joined[:-1] + line
        elif joined[-1] in "-\u2010" and joined[-2:-1].isalnum():
            joined += line  # a compound, or a range of numbers
        else:
            joined += line if CJK.match(joined[-1]) and CJK.match(line[0]) else f" {line}"
    return joined.replace(SOFT_HYPHEN, "")


def reading_order(boxes_xyxy: np.ndarray) -> list[int]:
    """Indices of the boxes in reading order. (N, 4) -> N indices.

    A region as wide as the columns together cuts the page in bands; inside a band the columns, regions that share
    horizontal extent, are read left to right, each from the top.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if not len(boxes):
        return []
    extent = boxes[:, 2].max() - boxes[:, 0].min()
    is_wide = boxes[:, 2] - boxes[:, 0] > FULL_WIDTH * extent  # (N,)
    order: list[int] = []
    band: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: (boxes[index, 1], boxes[index, 0])):
        if is_wide[index]:
            order += _by_columns(boxes, band)
            order.append(index)
            band = []
        else:
            band.append(index)
    return order + _by_columns(boxes, band)


def _by_columns(boxes: np.ndarray, band: Sequence[int]) -> list[int]:
    columns: list[list[int]] = []
    right_edge = -np.inf
    for index in sorted(band, key=lambda index: boxes[index, 0]):
        x0, _, x1, _ = boxes[index]
        # half of a region beyond the column so far starts a new one; boxes of one column overlap by nearly all
        if not columns or right_edge - x0 < (x1 - x0) / 2:
            columns.append([])
            right_edge = x1
        columns[-1].append(index)
        right_edge = max(right_edge, x1)
    return [index for column in columns for index in sorted(column, key=lambda index: boxes[index, 1])]
