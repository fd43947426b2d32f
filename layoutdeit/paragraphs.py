"""Where paragraphs begin and end, by the lines printed in their column: texts are parted and joined there. NumPy only.

A detector sees where texts are, and is often one line off where they touch. Print says it exactly: a paragraph begins
with an indented line and ends with one that is short. So a line that two texts have goes to the one whose paragraph it
is in, a line that none has to the one that it goes on, and a text around the beginning of another is parted there.
Where print says nothing, texts stay as they are. Works on any picture of a page; lengths are its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layoutdeit.ink import Ink, share_of_ink, span
from layoutdeit.print_lines import EM, INK_MARGIN, baselines_of, read_lines, rows_of_text

MIN_SURE = 0.5  # score of boxes that are asked and moved
MAX_PRINT = 0.5  # of a box of text that is ink; more, and it is a shaded panel, whose lines cannot be told

# Pixels at ink.REFERENCE_SIDE.
GUTTER = 8  # beside a column that must be white, or the line is one of a wider column

REACH = 8  # EMs above and below a column's texts where lines are looked for
LEFT_SLACK, SINGLE_SLACK = 1.5, 4.0  # EMs from a column's left edge to that of its texts, and of its single lines
MAX_RAGGED = 0.15  # of a column's width, by which a text in it of several lines may be narrower
SINGLE_LINE = 1.8  # EMs of height below which a text is a single line
MIN_OWN = 0.5  # of a line's width in a box, from which it is one of its lines
MIN_FOREIGN = 0.3  # the same for a box that no text is meant to be joined across

# Pitches: distances from baseline to baseline.
SAME_PITCH = 0.75, 1.2
INDENT = 0.5, 4.0
FLUSH = 0.35  # from the column's edge, at most
FULL = 0.6  # from the column's right edge, within which a line is full
SHORT = 1.0  # from it, at least
JUSTIFIED = 0.6  # of the lines end at the right edge: a short line means something
CONTESTED = 0.4  # vote of a line for each of the boxes that have it
MAX_STRAYS = 2  # lines of a paragraph that a box of the one before or after it has
MAX_SCRAPS = 2  # lines of a paragraph that a box of their own has
MIN_REST = 3  # times as many lines that the box with most of it has
MIN_FLUSH_LINES = 3  # by which an indent at the foot of a column, where no line follows, is known


@dataclass(frozen=True)
class _Column:
    """Lines of print (L,) of a column, downwards, and which of the page's boxes have each of them.

    owners: (L, N) bool; run: (L,) number of the run of lines at one pitch, -1 for a line that is not of this column;
    pitch in pixels.
    """

    tops: np.ndarray
    baselines: np.ndarray
    lefts: np.ndarray
    rights: np.ndarray
    owners: np.ndarray
    run: np.ndarray
    pitch: float


def mend_paragraphs(
    boxes: np.ndarray, is_text: np.ndarray, scores: np.ndarray, ink: Ink
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) with those of texts at the ends of their paragraphs, and which each is from -> (M, 4), (M,), M >= N.

    is_text: (N,) bool. The first N are the given ones in their order, then come the other parts of those parted.
    """
    mended, parts = boxes.copy(), []
    is_sure = (scores >= MIN_SURE) & np.isfinite(boxes).all(axis=1)
    texts = [index for index in np.flatnonzero(is_sure & is_text) if share_of_ink(boxes[index], ink) <= MAX_PRINT]
    for members in _columns(boxes, texts, EM * ink.scale):
        column = _read_column(boxes, members, np.setdiff1d(np.flatnonzero(is_sure), members), ink)
        if column is None:
            continue
        starts, breaks = _paragraphs(column)
        owner = _assign(column, breaks)
        for index in members:
            first, *others = _parts_of(column, index, owner, starts, boxes[index])
            mended[index] = first
            parts += [(index, part) for part in others]
    origins = np.array([*range(len(boxes)), *(index for index, _ in parts)], dtype=np.int64)
    return np.concatenate([mended, np.array([part for _, part in parts]).reshape(-1, 4)]), origins


def _columns(boxes: np.ndarray, texts: list[int], em: float) -> list[list[int]]:
    """Texts that are set one above the other at the same width; a single line joins the nearest that it fits into."""
    columns: list[list[int]] = []  # the widest first
    for index in sorted(texts, key=lambda text: boxes[text, 0] - boxes[text, 2]):
        x0, y0, x1, y1 = boxes[index]
        is_single = y1 - y0 < SINGLE_LINE * em
        fitting = []
        for members in columns:
            left, right = boxes[members[0], 0], boxes[members[0], 2]
            is_inside = x0 >= left - em and x1 <= right + em
            is_left = x0 <= left + (SINGLE_SLACK if is_single else LEFT_SLACK) * em
            if is_inside and is_left and (is_single or x1 >= right - MAX_RAGGED * (right - left)):
                fitting.append(members)
        if not fitting:
            columns.append([index])
            continue
        gaps = [max(0, (np.maximum(boxes[each, 1], y0) - np.minimum(boxes[each, 3], y1)).min()) for each in fitting]
        fitting[int(np.argmin(gaps)) if is_single else 0].append(index)
    return columns


def _read_column(boxes: np.ndarray, members: list[int], others: np.ndarray, ink: Ink) -> _Column | None:
    """The lines of a column of texts and what is between, above and below them; None without two lines of one text."""
    em = EM * ink.scale
    x0, x1 = boxes[members[0], 0] - 1, boxes[members[0], 2] + 1
    lowest, highest = boxes[members, 3].max() + REACH * em, boxes[members, 1].min() - REACH * em
    lines = read_lines(np.array([x0, highest, x1, lowest]), ink)
    if len(lines.tops) < 2:
        return None
    tops, lefts, rights = lines.tops, lines.lefts, lines.rights
    baselines = baselines_of(ink.rows(*span(x0, x1, ink.size_hw[1])), tops, lines.bottoms)
    gutters = [span(*side, ink.size_hw[1]) for side in ((x0 - GUTTER * ink.scale, x0), (x1, x1 + GUTTER * ink.scale))]
    is_wider = np.zeros(len(tops), dtype=bool)
    for line, (top, bottom) in enumerate(zip(tops, lines.bottoms, strict=True)):
        columns = ink.columns(top, bottom)
        is_wider[line] = any(columns[slice(*gutter)].any() for gutter in gutters)
    middles = (tops + baselines) / 2
    shares = (np.minimum(boxes[:, 2], rights[:, None]) - np.maximum(boxes[:, 0], lefts[:, None])) / (rights - lefts)[
        :, None
    ]
    shares *= (boxes[:, 1] <= middles[:, None]) & (middles[:, None] <= boxes[:, 3])  # (L, N)
    owners = np.zeros(shares.shape, dtype=bool)
    owners[:, members] = shares[:, members] > MIN_OWN
    steps = np.diff(baselines)
    inside = steps[(owners[1:] & owners[:-1]).any(axis=1)]
    if len(inside) == 0:
        return None
    pitch = float(np.median(inside))
    is_foreign = (shares[:, others] > MIN_FOREIGN).any(axis=1) | (is_wider & ~owners.any(axis=1))
    rules = ink.rules_across(x0, x1)[:, 1]
    is_ruled = ((tops[:-1, None] < rules) & (rules < baselines[1:, None])).any(axis=1)  # (L - 1,)
    goes_on = (steps >= SAME_PITCH[0] * pitch) & (steps <= SAME_PITCH[1] * pitch) & ~is_foreign[:-1] & ~is_ruled
    run = np.concatenate([[0], np.cumsum(~goes_on)])
    return _Column(tops, baselines, lefts, rights, owners, np.where(is_foreign, -1, run), pitch)


def _paragraphs(column: _Column) -> tuple[np.ndarray, np.ndarray]:
    """Which lines (L,) begin a paragraph by their indent, and which begin one for that or any other reason."""
    starts = np.zeros(len(column.run), dtype=bool)
    breaks = np.ones(len(column.run), dtype=bool)
    for lines in _runs(column):
        lefts, rights, pitch = column.lefts[lines], column.rights[lines], column.pitch
        flush = np.percentile(lefts, 40) if len(lines) > 2 else lefts.min()
        edge = np.percentile(rights, 80) if len(lines) > 3 else max(rights.max(), column.rights.max())
        is_flush = np.abs(lefts - flush) < FLUSH * pitch
        indents = lefts - flush
        begins = (indents >= INDENT[0] * pitch) & (indents <= INDENT[1] * pitch) & (rights >= edge - FULL * pitch)
        begins[:-1] &= is_flush[1:]
        begins[-1] &= is_flush.sum() >= MIN_FLUSH_LINES
        begins[0] = False
        is_justified = (rights >= edge - FLUSH * pitch).mean() >= JUSTIFIED
        ends = (rights < edge - SHORT * pitch) & is_flush & is_justified
        starts[lines] = begins
        breaks[lines[1:]] = begins[1:] | ends[:-1]
    return starts, breaks


def _assign(column: _Column, breaks: np.ndarray) -> np.ndarray:
    """The one box that has each line (L,), -1 for none: the one with the most lines of its paragraph."""
    num_owners = column.owners.sum(axis=1)
    owner = np.where(num_owners == 1, column.owners.argmax(axis=1), -1)
    for lines in _runs(column):
        paragraphs = np.split(lines, np.flatnonzero(breaks[lines[1:]]) + 1)
        for paragraph in paragraphs:
            owned = column.owners[paragraph]  # (P, N)
            votes = np.where(num_owners[paragraph] == 1, 1.0, CONTESTED) @ owned
            is_contested = num_owners[paragraph] > 1
            owner[paragraph[is_contested]] = (owned * votes)[is_contested].argmax(axis=1)
            known = np.flatnonzero(owner[paragraph] >= 0)
            if len(known) == 0:
                continue
            owner[paragraph[: known[0]]] = owner[paragraph[known[0]]]
            for line in range(known[0] + 1, len(paragraph)):
                if owner[paragraph[line]] < 0:
                    owner[paragraph[line]] = owner[paragraph[line - 1]]
        for paragraph in paragraphs:
            _call_back_strays(owner, paragraph, lines)
            _take_in_scraps(owner, paragraph)
    return owner


def _call_back_strays(owner: np.ndarray, paragraph: np.ndarray, lines: np.ndarray) -> None:
    """Give the box with most of a paragraph the few lines at its ends that the box beyond that end has."""
    for order, beyond in ((paragraph, paragraph[0] - 1), (paragraph[::-1], paragraph[-1] + 1)):
        few, many = owner[order[0]], owner[order[-1]]
        is_few = owner[paragraph] == few
        if (
            few not in (many, -1)
            and beyond in lines
            and owner[beyond] == few
            and is_few.sum() <= MAX_STRAYS
            and is_few.sum() < (owner[paragraph] == many).sum()
        ):
            owner[paragraph[is_few]] = many


def _take_in_scraps(owner: np.ndarray, paragraph: np.ndarray) -> None:
    """Give the box with most of a paragraph the lines of boxes that have but a few of it, and nothing else."""
    boxes, counts = np.unique(owner[paragraph][owner[paragraph] >= 0], return_counts=True)
    for box, count in zip(boxes, counts, strict=True):
        is_scrap = count <= MAX_SCRAPS and counts.max() >= MIN_REST * count and (owner == box).sum() == count
        if is_scrap:
            owner[paragraph[owner[paragraph] == box]] = boxes[counts.argmax()]


def _parts_of(column: _Column, index: int, owner: np.ndarray, starts: np.ndarray, box: np.ndarray) -> list[np.ndarray]:
    """What becomes of a box (4,): itself where its lines are those it had, otherwise a box for each paragraph."""
    is_had = column.owners[:, index]
    had, mine = np.flatnonzero(is_had), np.flatnonzero((owner == index) | (is_had & (owner < 0)))
    if len(mine) == 0:
        return [box]
    is_new = starts[mine[1:]] & (np.diff(mine) == 1)
    paragraphs = np.split(mine, np.flatnonzero(is_new) + 1)
    if len(paragraphs) == 1 and np.array_equal(had, mine):
        return [box]
    parts = []
    for lines in paragraphs:
        top, bottom = rows_of_text(column.tops[lines], column.baselines[lines])
        left, right = column.lefts[lines].min() - INK_MARGIN, column.rights[lines].max() + INK_MARGIN
        if len(had) and lines[0] == had[0]:
            top = box[1]
        if len(had) and lines[-1] == had[-1]:
            bottom = box[3]
        if len(paragraphs) == 1:
            left, right = min(left, box[0]), max(right, box[2])
        parts.append(np.array([left, top, right, bottom]))
    return sorted(parts, key=lambda part: part[1] - part[3])  # the tallest stands for the box


def _runs(column: _Column) -> list[np.ndarray]:
    """The lines (R,) of each run of two or more."""
    numbers, counts = np.unique(column.run[column.run >= 0], return_counts=True)
    return [np.flatnonzero(column.run == number) for number in numbers[counts > 1]]
