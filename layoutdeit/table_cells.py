"""The cells of a table, from the words inside its box: rows by baselines, columns by the white between them.

Page-local, NumPy-free geometry on words; what does not look like a table gives None, and is shown as a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from layoutdeit.reading import Word, group_lines, words_in

MIN_GAP = 0.6  # of the line height: white at least so wide parts two columns; a space is about a quarter
MAX_CROSSING = 0.15  # of the rows may run across a column's edge: headings that span columns
MIN_APART = 1.0  # points between two edges that are looked at: a large table has thousands
MIN_FILLED = 0.5  # of the rows must have two cells or more, or it is running text

Cells = tuple[tuple[str, ...], ...]


def table_cells(box: Sequence[float], words: Sequence[Word]) -> Cells | None:
    """Rows of cell texts, all of one length, empty cells as ""; None where the words show no columns.

    box: xyxy in points; words: of the whole page. A cell that spans columns stands in the first of them.
    """
    rows = [_phrases(line) for line in group_lines(words_in(box, words))]
    if len(rows) < 2:
        return None
    edges = _column_edges(rows)
    if not edges:
        return None
    table = []
    for row in rows:
        cells: list[list[str]] = [[] for _ in range(len(edges) + 1)]
        for x0, x1, text in row:
            cells[sum(edge < (x0 + min(x1, x0 + 1)) / 2 for edge in edges)].append(text)
        table.append(tuple(" ".join(cell) for cell in cells))
    num_filled = sum(sum(map(bool, row)) > 1 for row in table)
    return tuple(table) if num_filled >= MIN_FILLED * len(table) else None


def _phrases(line: Sequence[Word]) -> list[tuple[float, float, str]]:
    """Words of a line joined where only a space parts them: (left, right, text), left to right.

    Within each they stand as the line has them, which may be from right to left.
    """
    phrases: list[tuple[float, float, list[int]]] = []
    for index in sorted(range(len(line)), key=lambda index: line[index].box[0]):
        word = line[index]
        x0, _, x1, _ = word.box
        height = word.line_height or (word.box[3] - word.box[1]) * 1.3
        if phrases and x0 - phrases[-1][1] < MIN_GAP * height:
            left, right, members = phrases[-1]
            phrases[-1] = (left, max(right, x1), [*members, index])
        else:
            phrases.append((x0, x1, [index]))
    return [(left, right, " ".join(line[i].text for i in sorted(members))) for left, right, members in phrases]


def _column_edges(rows: Sequence[Sequence[tuple[float, float, str]]]) -> list[float]:
    """Places, left to right, that nearly no row runs across and that have words on both sides."""
    gaps = sorted({(a[1], b[0]) for row in rows for a, b in zip(row, row[1:], strict=False) if b[0] > a[1]})
    edges: list[float] = []
    candidates: list[float] = []
    for edge in sorted((left + right) / 2 for left, right in gaps):
        if not candidates or edge - candidates[-1] >= MIN_APART:
            candidates.append(edge)
    allowed = MAX_CROSSING * len(rows)
    for edge in candidates:
        num_crossing = sum(any(x0 < edge < x1 for x0, x1, _ in row) for row in rows)
        if num_crossing > allowed:
            continue
        # a new column only where some row has words between this edge and the last one
        if edges and not any(edges[-1] < (x0 + x1) / 2 < edge for row in rows for x0, x1, _ in row):
            continue
        edges.append(edge)
    return edges
