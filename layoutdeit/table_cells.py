"""The cells of a table, from the words inside its box: rows by baselines, columns by the white between them.

Page-local geometry on words; what does not look like a table gives None, and is shown as a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layoutdeit.reading import Word, group_lines, words_in

MIN_GAP = 0.6  # of the line height: white at least so wide parts two columns; a space is a quarter to nearly a half
MIN_WIDE = 0.5  # of the rows with words beside an edge: there the others may have narrower white, their words in line
ALIGNED_PT = 1.0  # words that begin, or end, so close to each other are in line
MAX_CROSSING = 0.15  # of the rows may run across a column's edge: headings and cells that span columns
MIN_PARTED_ROWS = 3  # that an edge parts, for which one row may run across however few there are
MIN_APART, MAX_PLACES = 1.0, 500  # points between two edges that are looked at, and how many: a table has thousands
MAX_ROWS = 1000  # of a page; more are no table, and each is compared with each place
MIN_FILLED = 0.5  # of the rows must have two cells or more, or it is running text

Cells = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Row:
    """A line's words by their left edges, their order in the line, and its height in points."""

    lefts: np.ndarray  # (W,)
    rights: np.ndarray  # (W,)
    texts: list[str]
    places: list[int]
    height: float


def table_cells(box: Sequence[float], words: Sequence[Word]) -> Cells | None:
    """Rows of cell texts, all of one length, empty cells as ""; None where the words show no columns.

    box: xyxy in points; words: of the whole page. A cell that spans columns stands in the first of them.
    """
    rows = [_row(line) for line in group_lines(words_in(box, words))]
    if not 2 <= len(rows) <= MAX_ROWS:
        return None
    edges = _column_edges(rows)
    if not edges:
        return None
    table = tuple(_cells_of(row, edges) for row in rows)
    num_filled = sum(sum(map(bool, row)) > 1 for row in table)
    return table if num_filled >= MIN_FILLED * len(table) else None


def _row(line: Sequence[Word]) -> _Row:
    places = sorted(range(len(line)), key=lambda place: line[place].box[0])
    words = [line[place] for place in places]
    heights = [word.line_height or (word.box[3] - word.box[1]) * 1.3 for word in words]
    lefts, rights = (np.array([word.box[side] for word in words]) for side in (0, 2))
    return _Row(lefts, rights, [word.text for word in words], places, float(np.median(heights)))


def _cells_of(row: _Row, edges: Sequence[float]) -> tuple[str, ...]:
    """The texts of a row's cells. A phrase, words parted by spaces, is divided by the edges where they cut no word."""
    cells: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    gaps = row.lefts[1:] - np.maximum.accumulate(row.rights)[:-1]
    is_cut = np.searchsorted(edges, row.lefts, side="right") < np.searchsorted(edges, row.rights)  # an edge within
    for phrase in np.split(np.arange(len(row.texts)), np.flatnonzero(gaps >= MIN_GAP * row.height) + 1):
        lefts, rights = row.lefts[phrase], row.rights[phrase]
        middles = (lefts + rights) / 2
        if is_cut[phrase].any():
            middles[:] = lefts[0] + min(rights.max() - lefts[0], 1) / 2
        columns = np.searchsorted(edges, middles)
        for column in np.unique(columns).tolist():
            inside = phrase[columns == column].tolist()
            inside.sort(key=row.places.__getitem__)  # as the line has them, which may be from right to left
            cells[column].append(" ".join(row.texts[place] for place in inside))
    return tuple(" ".join(cell) for cell in cells)


def _column_edges(rows: Sequence[_Row]) -> list[float]:
    """Places, left to right, that nearly no row runs across and that have words on both sides."""
    places = _places(rows)
    before, after, after_end = _neighbours(rows, places)  # (R, C) each
    heights = np.array([row.height for row in rows])[:, None]  # (R, 1)
    is_covered = before > after
    is_beside = np.isfinite(before) & np.isfinite(after) & ~is_covered
    is_wide = is_beside & (after - before >= MIN_GAP * heights)
    is_column = is_wide.sum(axis=0) >= MIN_WIDE * is_beside.sum(axis=0)  # (C,)
    is_parted = is_wide | (is_beside & is_column & _is_in_line(after, after_end, is_wide))
    num_parted, num_crossing = is_parted.sum(axis=0), (is_covered | (is_beside & ~is_parted)).sum(axis=0)
    allowed = np.maximum(MAX_CROSSING * len(rows), num_parted >= MIN_PARTED_ROWS)
    white = np.where(is_parted, np.minimum(places - before, after - places), np.inf).min(axis=0)  # around each place
    is_clear = ~is_covered & (is_wide | ~is_beside)
    edges: list[int] = []
    for edge in np.lexsort((-white, num_crossing)).tolist():
        if num_parted[edge] and num_crossing[edge] <= allowed[edge]:
            near = [
                max((e for e in edges if e < edge), default=None),
                min((e for e in edges if e > edge), default=None),
            ]
            if all(other is None or _are_apart(rows, places, is_clear, edge, other) for other in near):
                edges.append(edge)
    return places[sorted(edges)].tolist()


def _is_in_line(after: np.ndarray, after_end: np.ndarray, is_wide: np.ndarray) -> np.ndarray:
    """Whether a row's next word stands under those of rows with wide white, however narrow its own. (R, C)

    By its left edge, its middle or its right edge, as columns are set.
    """
    is_in_line = np.zeros_like(is_wide)
    for place in (after, (after + after_end) / 2, after_end):
        usual = np.ma.median(np.ma.masked_array(place, ~is_wide), axis=0).filled(np.nan)
        is_in_line |= np.abs(place - usual) < ALIGNED_PT
    return is_in_line


def _are_apart(rows: Sequence[_Row], places: np.ndarray, is_clear: np.ndarray, edge: int, other: int) -> bool:
    """Whether a row with wide white at both of two places, or nothing beside, has words between them."""
    left, right = sorted((places[edge], places[other]))
    for number in np.flatnonzero(is_clear[:, edge] & is_clear[:, other]).tolist():
        middles = (rows[number].lefts + rows[number].rights) / 2
        if ((left < middles) & (middles < right)).any():
            return True
    return False


def _places(rows: Sequence[_Row]) -> np.ndarray:
    """The middles of the gaps in rows, left to right, MIN_APART or more from each other. (C,), C <= MAX_PLACES + 1"""
    middles: list[float] = []
    for row in rows:
        edge = np.maximum.accumulate(row.rights)[:-1]
        middles += ((edge + row.lefts[1:]) / 2)[row.lefts[1:] > edge].tolist()
    chosen: list[float] = []
    step = max(MIN_APART, (max(middles) - min(middles)) / MAX_PLACES) if middles else MIN_APART
    for middle in sorted(middles):
        if not chosen or middle - chosen[-1] >= step:
            chosen.append(middle)
    return np.array(chosen)


def _neighbours(rows: Sequence[_Row], places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where in each row the words before each place end, and the next one begins and ends. -> (R, C) each

    Infinite where there is none; a word across the place ends after the place, and the next begins before its end.
    """
    shape = len(rows), len(places)
    before, after, after_end = np.full(shape, -np.inf), np.full(shape, np.inf), np.full(shape, np.inf)
    for number, row in enumerate(rows):
        counts = np.searchsorted(row.lefts, places)  # words that begin before the place
        before[number] = np.append(-np.inf, np.maximum.accumulate(row.rights))[counts]
        after[number] = np.where(before[number] > places, places, np.append(row.lefts, np.inf)[counts])
        after_end[number] = np.append(row.rights, np.inf)[counts]
    return before, after, after_end
