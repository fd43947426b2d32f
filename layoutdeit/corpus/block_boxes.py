"""What boxes a block of a page has, by PubLayNet's conventions: columns of lines, tables with their rules, figures.

All boxes are xyxy in PDF space: points, y up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from layoutdeit.corpus.page_objects import Box, PageObject
from layoutdeit.corpus.structure_tree import Block

RULE_REACH_PT = 9.0  # from a table's cell text to the rules and shades that belong to it
HEAD_ROWS_PT = 60.0  # as high as a table's head may be that is repeated without tags
ICON_PT = 18.0  # a figure lower than this is a sign among words, or a logo
PARAGRAPH_GAP = 2.0  # lines between two parts of a paragraph: a figure stands there
WORDS_GAP = 0.7  # the same where no tag says that it is a paragraph
WORDS_REACH = 1.5  # lines across between words of one line, also without a tag
MAX_BULLET_PT = 12.0  # of a path in a list; larger ones are frames and underlines
MAX_MARK_SEGMENTS = 12  # a line, a bar or a frame, filled and stroked
MAX_FRAME_SEGMENTS = 60  # of a shape behind words, such as an ellipse
MAX_MARK_SIDE_PT = 20.0
MAX_TALLNESS = 6.0  # heights to a width; a band at the margin is taller
MAX_BACKGROUND_SHARE = 0.5  # of the page


def boxes_of(
    block: Block, items: list[PageObject], objects: list[PageObject], decorations: list[Box]
) -> list[tuple[str, Box]]:
    """Label and box of each piece of a block on a page."""
    words = [item for item in items if item.kind == "text"]
    pictures = [item for item in items if item.kind == "image"]
    if block.label is None or not items:
        return []
    if block.label == "table":
        return [("table", _table_box(items, objects, decorations))]
    if block.label == "figure" and len(words) < len(items):
        return [("figure", _union([item.ink for item in items]))]
    if not words:  # a picture that somebody took for a paragraph; or lines, frames and shades
        return [("figure", _union([item.ink for item in pictures]))] if pictures and block.label == "text" else []
    label = "text" if block.label == "figure" else block.label
    is_list = label == "list"
    shown = [item for item in items if item.kind != "path" or is_list and max(_sides(item.ink)) < MAX_BULLET_PT]
    return [(label, box) for box in _column_boxes(shown, is_list, block.implicit)]


def is_mark(items: list[PageObject], box: Box, page_area: float, objects: list[PageObject]) -> bool:
    """Whether a figure is none to the eye: a rule, a bar at the margin, a tint or a frame around words, an icon."""
    w, h = box[2] - box[0], box[3] - box[1]
    if max(w, h) < ICON_PT or h > MAX_TALLNESS * w:
        return True
    if not items or any(item.kind != "path" for item in items):
        return False
    num_segments = sum(item.num_segments for item in items)
    is_thin = min(w, h) < MAX_MARK_SIDE_PT or w * h > MAX_BACKGROUND_SHARE * page_area
    if is_thin and num_segments <= MAX_MARK_SEGMENTS:
        return True
    holds_words = any(item.kind != "path" and _holds(box, _centre(item.ink)) for item in objects)
    return holds_words and num_segments <= MAX_FRAME_SEGMENTS


def give_icons_to_their_words(contents: dict[Block, list[PageObject]]) -> None:
    """A picture as low as a line, in a paragraph that has words: part of the line."""
    for block, items in contents.items():
        host = contents.get(block.host, []) if block.host else []
        if block.label == "figure" and items and any(item.kind == "text" for item in host):
            box = _union([item.ink for item in items])
            if box[3] - box[1] < ICON_PT:
                host += items
                items.clear()


def _table_box(items: list[PageObject], objects: list[PageObject], decorations: list[Box]) -> Box:
    cells = _union([item.line or item.ink for item in items])
    own = {id(item) for item in items}
    strangers = [item.ink for item in objects if item.kind != "path" and not item.is_artifact and id(item) not in own]
    return _grown_by_rules(cells, decorations, [_centre(ink) for ink in strangers])


def _column_boxes(items: list[PageObject], is_list: bool, is_implicit: bool) -> list[Box]:
    """One box per run of lines, in drawing order: a jump up starts the next column's box, a wide gap the next box.

    Pictures and bullets join the words they stand nearest to; runs that lie in each other, such as an initial and its
    paragraph, are one.
    """
    words = [item for item in items if item.kind == "text"]
    upright = [item.line for item in words if item.line] or [item.ink for item in words]
    runs: list[Box] = []
    for index, box in enumerate(upright):
        last = upright[index - 1] if index else None
        if last is not None and not _starts_a_box(box, last, runs[-1], is_list, is_implicit):
            runs[-1] = _union([runs[-1], box])
        else:
            runs.append(box)
    for item in items:
        if item.kind != "text":
            nearest = min(range(len(runs)), key=lambda run: _distance(item.ink, runs[run]))
            runs[nearest] = _union([runs[nearest], item.ink])
    return _merged(runs)


def _starts_a_box(box: Box, last: Box, run: Box, is_list: bool, is_implicit: bool) -> bool:
    """Whether the words at `box` belong to another box than those before them, at `last`, in `run`."""
    height = box[3] - box[1]
    if box[1] > last[1] + 1.5 * height and box[1] > last[3] - 0.3 * height:
        return True  # a jump up
    gap, line = last[1] - box[3], max(height, last[3] - last[1])
    if not is_implicit:
        return not is_list and gap > PARAGRAPH_GAP * line
    is_same_line = min(box[3], last[3]) - max(box[1], last[1]) > 0.5 * min(height, last[3] - last[1])
    if is_same_line:
        return box[0] - last[2] > WORDS_REACH * line
    return gap > WORDS_GAP * line or box[0] > run[2] or box[2] < run[0]


def _merged(runs: list[Box]) -> list[Box]:
    """Runs without those that lie by more than half in another, which takes them in."""
    kept: list[Box] = []
    for run in runs:
        for index, other in enumerate(kept):
            w = min(run[2], other[2]) - max(run[0], other[0])
            h = min(run[3], other[3]) - max(run[1], other[1])
            if w > 0 and h > 0 and w * h > 0.5 * min(math.prod(_sides(run)), math.prod(_sides(other))):
                kept[index] = _union([run, other])
                break
        else:
            kept.append(run)
    return kept


def _distance(box: Box, other: Box) -> float:
    """Between two boxes, the larger of across and up; negative where they overlap."""
    across = max(box[0] - other[2], other[0] - box[2])
    return max(across, box[1] - other[3], other[1] - box[3])


def _grown_by_rules(box: Box, decorations: list[Box], strangers: list[tuple[float, float]]) -> Box:
    """A table's cell box, grown by the rules and shades that touch it, again and again until none does.

    strangers: centres of what other elements draw, artifacts aside. A rule across the page, a frame around more than
    the table or a tint behind a whole column would take some of them in, which shows that it is not the table's.
    """
    reach, pending, grown = RULE_REACH_PT, list(decorations), True
    while grown:
        grown = False
        for rule in list(pending):
            is_beside = rule[0] > box[2] + reach or rule[2] < box[0] - reach
            is_apart = rule[1] > box[3] + reach or rule[3] < box[1] - reach
            is_inside = box[0] < rule[0] and rule[2] < box[2]  # between columns: head rows on a next page are artifacts
            leeway = HEAD_ROWS_PT if is_inside else 2 * reach
            is_taller = rule[1] < box[1] - leeway or rule[3] > box[3] + leeway
            if is_beside or is_apart or is_taller:
                continue
            pending.remove(rule)
            merged = _union([box, rule])
            if merged != box and not any(_holds(merged, point) and not _holds(box, point) for point in strangers):
                grown, box = True, merged
    return box


def _sides(box: Box) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _union(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
