"""Lists by their print: how far their lines are set in from the left. NumPy only.

A text whose first line hangs out to the left of all others is an item: numbered items, bullets and references are set
so in every style, paragraphs in none. A detector takes such an item for a text where it stands alone, as at the head
of a column, or in pieces where the list is long. So it becomes an item that is likelier than the text, and items set
one below the other become a list, with what was found of it already. And where the lines of a list are all set in, the
lines at its ends that are not are of the paragraphs above and below it. Works on any picture of a page.
"""

from __future__ import annotations

import numpy as np

from layoutdeit.ink import Ink
from layoutdeit.labels import label_by_name
from layoutdeit.print_lines import EM, Lines, read_lines

MIN_ASKED = 0.3  # score of texts that are looked at
MIN_PART = 0.5  # score of lists that are parts of a longer one
# Of a text's score: what it keeps, what its item has. Of the mean of its parts: what a list has.
TEXT_SHARE, ITEM_SHARE, LIST_SHARE = 0.6, 0.8, 0.9

MIN_PARAGRAPH = 2  # lines above a list by which a paragraph is known from a single item
MIN_LIST = 2  # lines between two paragraphs

FULL_LINE = 0.8  # of a list's width that a paragraph's line has, the last apart

# Heights of a line's ink.
SET_IN = 0.4  # from the left edge, at least, of all lines of a list that is set in
MAX_FLUSH = 0.25  # from the left edge, of the line that hangs out
MIN_INDENT, MAX_INDENT = 0.5, 6.0
SAME_INDENT = 0.3
CENTRED = 0.5  # between the middles of lines, at most

MIN_INDENTED = 0.6  # of the lines after the first: items of one line may follow
MIN_ALIKE = 0.9  # of those have the same indent

# EMs.
SAME_LEFT = 0.6
MAX_GAP, MAX_OVERLAP = 1.0, 1.5  # between an item and the next
MIN_SHARED = 0.5  # of the narrower one's width

TEXT, LIST = label_by_name("text").id, label_by_name("list").id


def find_lists(
    boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, ink: Ink
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (N, 4), labels and scores (N,) with the items and lists that print tells -> (M, 4), (M,), M >= N.

    The first N are the given ones in their order; texts that are items have less of their scores.
    """
    is_asked = (labels == TEXT) & (scores >= MIN_ASKED) & np.isfinite(boxes).all(axis=1)
    items = [index for index in np.flatnonzero(is_asked) if is_hanging(boxes[index], ink)]
    if not items:
        return boxes, labels, scores
    is_part = (labels == LIST) & (scores >= MIN_PART) & np.isfinite(boxes).all(axis=1)
    is_part[items] = True
    lists = _one_below_the_other(boxes, np.flatnonzero(is_part), EM * ink.scale)
    new_boxes = [boxes[items], *(_around(boxes[parts])[None] for parts in lists)]
    new_scores = [ITEM_SHARE * scores[items], [LIST_SHARE * scores[parts].mean() for parts in lists]]
    kept = scores.copy()
    kept[items] *= TEXT_SHARE
    new_labels = np.full(len(items) + len(lists), LIST, dtype=labels.dtype)
    return (
        np.concatenate([boxes, *new_boxes]),
        np.concatenate([labels, new_labels]),
        np.concatenate([kept, *new_scores]),
    )


def without_paragraphs(box: np.ndarray, ink: Ink) -> np.ndarray | None:
    """The part of a list's box (4,) whose lines are set in, without those above and below it; None for all of it."""
    lines = _lines_of(box, ink)
    if len(lines.lefts) <= MIN_LIST:
        return None
    height = float(np.median(lines.bottoms - lines.tops))
    left, right = lines.lefts.min(), lines.rights.max()
    is_in = lines.lefts - left >= SET_IN * height
    is_full = lines.rights - left >= FULL_LINE * (right - left)
    mine = _longest_block(np.flatnonzero(is_in), is_full)
    if len(mine) > MIN_LIST and mine[-1] + 1 < len(is_in) and is_full[mine[-1]]:
        indents = np.abs(lines.lefts[mine[:-1]] - lines.lefts[mine[-1]])
        mine = mine[: None if indents.min() <= SAME_INDENT * height else -1]  # without a paragraph's first line
    if len(mine) < MIN_LIST:
        return None
    above, below = int(mine[0]), len(is_in) - 1 - int(mine[-1])
    own = lines.lefts[mine] - lines.lefts[mine].min()  # items again, that hang out among themselves
    is_list = own[0] < SET_IN * height and (own >= SET_IN * height).any()
    if above and max(above, below) < MIN_PARAGRAPH and not is_list:
        return None  # a single item, and perhaps the first line of the next
    if above > 1 and not is_full[: above - 1].any():
        return None  # items of one line, and then one of several
    top = (lines.bottoms[mine[0] - 1] + lines.tops[mine[0]]) / 2 if above else box[1]
    bottom = (lines.bottoms[mine[-1]] + lines.tops[mine[-1] + 1]) / 2 if below else box[3]
    return np.array([box[0], top, box[2], bottom])


def _longest_block(is_in: np.ndarray, is_full: np.ndarray) -> np.ndarray:
    """Of lines that are set in (I,) those next to each other; none where others hang out of items between them.

    What else is set in are full lines by themselves, the first ones of paragraphs.
    """
    blocks = np.split(is_in, np.flatnonzero(np.diff(is_in) > 1) + 1)
    longest = max(blocks, key=len)
    others = [block for block in blocks if block is not longest]
    is_list = len(longest) > MIN_LIST and all(len(block) == 1 and is_full[block[0]] for block in others)
    return longest if is_list or not others else is_in[:0]


def is_hanging(box: np.ndarray, ink: Ink) -> bool:
    """Whether the first line in a box (4,) begins left of the others, which begin at one place, or again at its own.

    Not where all lines have one middle: a caption whose last line is shorter.
    """
    lines = _lines_of(box, ink)
    if len(lines.lefts) < 2:
        return False
    height = float(np.median(lines.bottoms - lines.tops))
    indents = lines.lefts - lines.lefts.min()
    indented = indents[1:][indents[1:] > MIN_INDENT * height]
    if indents[0] >= MAX_FLUSH * height or len(indented) < MIN_INDENTED * (len(indents) - 1):
        return False
    middles = (lines.lefts + lines.rights) / 2
    if np.ptp(middles) < CENTRED * height:
        return False
    usual = float(np.median(indented))
    is_alike = np.abs(indented - usual) < SAME_INDENT * height
    return usual < MAX_INDENT * height and bool(is_alike.mean() >= MIN_ALIKE)


def _lines_of(box: np.ndarray, ink: Ink) -> Lines:
    return read_lines(np.array([box[0] - 1, box[1], box[2] + 1, box[3]]), ink)


def _one_below_the_other(boxes: np.ndarray, parts: np.ndarray, em: float) -> list[list[int]]:
    """Parts of one list each, two or more, from above to below; none in two lists."""
    left = list(parts[np.argsort(boxes[parts, 1], kind="stable")])
    lists = []
    while left:
        chain = [left.pop(0)]
        bottom = boxes[chain[0], 3]
        for index in list(left):
            above, below = boxes[chain[-1]], boxes[index]
            shared = min(above[2], below[2]) - max(above[0], below[0])
            if (
                abs(above[0] - below[0]) < SAME_LEFT * em
                and -MAX_OVERLAP * em < below[1] - bottom < MAX_GAP * em
                and shared > MIN_SHARED * min(above[2] - above[0], below[2] - below[0])
            ):
                chain.append(index)
                left.remove(index)
                bottom = max(bottom, below[3])
        if len(chain) > 1:
            lists.append(chain)
    return lists


def _around(boxes: np.ndarray) -> np.ndarray:
    """The box (4,) around boxes (N, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
