"""Lines of print in a part of a page picture: their rows, their baselines, the box of a text made of them. NumPy only.

Sits between ink.py and what moves boxes to lines (fit.py, paragraphs.py). Lengths are pixels of the picture; limits
are given at ink.REFERENCE_SIDE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layoutdeit.ink import Ink, runs, span

EM = 14  # about one line of print with the white to the next
MIN_LINE = 3  # lower marks are dirt, rules or dots, not lines of print
MIN_TOUCHING = 4  # the same for lines that touch others, tails in heads
WINDOW = 10  # rows above and below, of which the fullest tell whether a row is a valley between two lines
VALLEY = 0.35  # of the emptier of those two, at most
DENSE_ROW = 0.45  # of a line's fullest rows: the lowest row above it is the baseline

# A region's box reaches from the ascent of its first line to the descent of its last, as in PubLayNet, while ink ends
# with its letters. In heights of capitals above and below the baseline, medians of made pages.
ASCENT, DESCENT = 1.25, 0.40
INK_MARGIN = 0.3  # px on every other side: a pixel is ink from about half cover


@dataclass(frozen=True)
class Lines:
    """Lines of print (L,), downwards, in pixels of the picture; bottoms and rights are the first beyond."""

    tops: np.ndarray
    bottoms: np.ndarray
    lefts: np.ndarray
    rights: np.ndarray


def read_lines(box: np.ndarray, ink: Ink) -> Lines:
    """The lines printed in a box (4,) of finite numbers, as far as they are in it."""
    (left, right), (upper, lower) = span(box[0], box[2], ink.size_hw[1]), span(box[1], box[3], ink.size_hw[0])
    counts = ink.rows(left, max(left, right))[upper:lower]
    starts, ends = find_lines(counts, ink.scale)
    lefts, rights = np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts), dtype=np.int64)
    for line, (start, end) in enumerate(zip(starts, ends, strict=True)):
        first, last = runs(ink.columns(upper + start, upper + end)[left:right] > 0)
        lefts[line], rights[line] = left + first[0], left + last[-1]
    return Lines(upper + starts, upper + ends, lefts, rights)


def find_lines(counts: np.ndarray, scale: float, low: float = 0, high: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """First rows and rows after the last, (L,) each, of the lines whose rows (H,) hold `counts` ink pixels.

    White parts lines, and where they are set so close that tails touch heads, the valley between them. Only lines
    that reach into the rows low..high; scale is Ink.scale.
    """
    starts, ends = runs(counts > 0)
    is_line = (ends - starts >= MIN_LINE * scale) & (ends > low) & (starts < high)
    starts, ends = starts[is_line], ends[is_line]
    min_height = max(MIN_LINE, round(MIN_TOUCHING * scale))
    if not (ends - starts >= 2 * min_height).any():
        return starts, ends
    first = starts[0]
    valleys = first + _valleys(counts[first : ends[-1]], max(MIN_LINE, round(WINDOW * scale)))
    if len(valleys) == 0:
        return starts, ends
    inside = np.searchsorted(starts, valleys, side="right") - 1  # the stretch of ink that each is in
    cuts: list[int] = []
    for row, stretch in zip(valleys.tolist(), inside.tolist(), strict=True):
        top = max(int(starts[stretch]), cuts[-1] if cuts else 0)
        if min(row - top, int(ends[stretch]) - row) >= min_height:
            cuts.append(row)
    new = np.array(cuts, dtype=np.int64)
    return np.sort(np.concatenate([starts, new])), np.sort(np.concatenate([ends, new]))


def _valleys(counts: np.ndarray, window: int) -> np.ndarray:
    """The emptiest row of each valley with ink in it, of rows (H,) that begin and end with ink."""
    padded = np.zeros(len(counts) + 2 * window, dtype=counts.dtype)
    padded[window:-window] = counts
    fullest, width = padded, 1  # of `width` rows from each on; by doubling
    while width < window:
        step = min(width, window - width)
        fullest, width = np.maximum(fullest[:-step], fullest[step:]), width + step
    above, below = fullest[: len(counts)], fullest[window + 1 :]
    starts, ends = runs(counts <= VALLEY * np.minimum(above, below))
    if len(starts) == 0:
        return starts
    has_ink = np.minimum.reduceat(counts, np.ravel([starts, ends], order="F")[:-1])[::2] > 0  # white parts lines anyway
    valleys = zip(starts[has_ink].tolist(), ends[has_ink].tolist(), strict=True)
    return np.array([start + int(counts[start:end].argmin()) for start, end in valleys], dtype=np.int64)


def baseline_of(counts: np.ndarray, start: int, end: int) -> int:
    """The row below the baseline of the line of print in the rows start..end: below it are only tails."""
    line = counts[start:end]
    num_fullest = max(1, len(line) // 3)
    fullest = np.sort(line)[-num_fullest:].sum() / num_fullest
    return end - int((line >= DENSE_ROW * fullest)[::-1].argmax())  # the last such row, by the quickest means


def baselines_of(counts: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Those of several lines, (L,)."""
    return np.array([baseline_of(counts, *rows) for rows in zip(starts, ends, strict=True)], dtype=np.int64)


def rows_of_text(starts: np.ndarray, baselines: np.ndarray) -> tuple[float, float]:
    """Upper and lower edge of the box of a text made of these lines, from the first's ascent to the last's descent."""
    heights = np.sort(baselines - starts)  # of capitals, px; np.median takes ten times as long
    capital = float(heights[(len(heights) - 1) // 2] + heights[len(heights) // 2]) / 2
    return baselines[0] - ASCENT * capital, baselines[-1] + DESCENT * capital
