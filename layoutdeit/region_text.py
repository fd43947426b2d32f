"""What the text layer adds to found regions: whose each word is, their text, print size, the cells of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layoutdeit.geometry import containment
from layoutdeit.layout import Region
from layoutdeit.postprocess import MIN_JUDGED, MIN_NESTED
from layoutdeit.reading import (
    ITEM_MARKER,
    NUMBER_GAP,
    SNAPPED,
    Word,
    boxes_of_lines,
    columns_of,
    group_lines,
    print_size,
    text_of,
    words_in,
)
from layoutdeit.table_cells import table_cells

MIN_FIRST = 0.5  # score from which a box inside a better one has its words before that: one that people see
MIN_LEFT = 0.5  # of a box's height that its own words must leave, or it stays as it was


def share_words(
    boxes_xyxy: np.ndarray, labels: Sequence[str], scores: np.ndarray, words: Sequence[Word]
) -> tuple[list[list[Word]], np.ndarray, np.ndarray]:
    """Have each word in one text, title or list. -> the words of each box, boxes (N, 4), whether each holds any (N,).

    boxes (N, 4) in points, best first. A word goes to the best box that holds its centre, but before that to a box that
    lies inside it, as a title in a text; a list's bullet or number to the box that has its item. A box then ends
    with its own words where most of it is left. Boxes that score less than postprocess.MIN_JUDGED, and figures and
    tables, have all the words that they hold.
    """
    boxes = np.array(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    held = [words_in(box, words) for box in boxes]
    if not words:
        return held, boxes, np.ones(len(boxes), dtype=bool)
    sharing = [i for i, label in enumerate(labels) if label in SNAPPED and scores[i] >= MIN_JUDGED]
    taken: set[int] = set()
    for index in _nested_first(boxes, scores, sharing):
        held[index] = [word for word in held[index] if id(word) not in taken]
        taken.update(map(id, held[index]))
    for index in sharing:
        if labels[index] == "list":
            _give_lone_markers(held, index, [other for other in sharing if other != index])
    own, is_full = boxes_of_lines(boxes, labels, held)
    is_moved = own[:, 3] - own[:, 1] >= MIN_LEFT * (boxes[:, 3] - boxes[:, 1])
    return held, np.where(is_moved[:, None], own, boxes), is_full


def _give_lone_markers(held: list[list[Word]], index: int, others: Sequence[int]) -> None:
    """Bullets and numbers of a list whose items are another box's go to that one; held: the words of each box."""
    for line in group_lines(held[index]):
        if len(line) > 1 or not ITEM_MARKER.fullmatch(line[0].text):
            continue
        marker = line[0]
        middle = (marker.box[1] + marker.box[3]) / 2
        reach = marker.box[2] + NUMBER_GAP * (marker.line_height or marker.box[3] - marker.box[1])
        for other in others:
            beside = (w for w in held[other] if w.box[1] <= middle <= w.box[3] and marker.box[2] <= w.box[0] <= reach)
            if any(beside):
                held[index] = [word for word in held[index] if word is not marker]
                held[other].append(marker)
                break


def _nested_first(boxes: np.ndarray, scores: np.ndarray, indices: Sequence[int]) -> list[int]:
    """The indices of boxes (N, 4) in their order, but each after the smaller ones that lie inside it."""
    inside = containment(boxes, boxes)  # (N, N) of the row in the column
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    order: list[int] = []
    for outer in indices:
        within = [i for i in indices if inside[i, outer] >= MIN_NESTED and areas[i] < areas[outer]]
        order += [i for i in sorted(within, key=areas.__getitem__) if scores[i] >= MIN_FIRST and i not in order]
        if outer not in order:
            order.append(outer)
    return order


def read_regions(
    regions: Sequence[Region], words: Sequence[Word], held: Sequence[Sequence[Word]] | None = None
) -> tuple[Region, ...]:
    """The regions with text, print size and cells. A page without a text layer (no words) leaves them None.

    held: the words of each region; None: those whose centres lie in its box.
    """
    if held is None:
        held = [words_in(region.box, words) for region in regions]
    return tuple(
        replace(
            region,
            text=_text(region.label, own) if words else None,
            print_size=print_size(own),
            cells=table_cells(region.box, words) if region.label == "table" else None,
        )
        for region, own in zip(regions, held, strict=True)
    )


def _text(label: str, words: Sequence[Word]) -> str:
    """What a region says. A box around paragraphs of two columns is read one after the other."""
    columns = columns_of(words) if label == "text" else [words]
    return "\n".join(map(text_of, columns))
