"""Texts that hang are items, items one below the other are lists: on drawn pages, and where it must not happen."""

from __future__ import annotations

import numpy as np
import pytest
from printed_page import LEFT, PITCH, RIGHT, blank_page, print_line, print_paragraph

from layoutdeit.fit import fit_to_page
from layoutdeit.ink import find_ink
from layoutdeit.labels import label_by_name
from layoutdeit.list_items import (
    ITEM_SHARE,
    LIST_SHARE,
    TEXT_SHARE,
    find_lists,
    is_hanging,
    without_paragraphs,
)

TEXT, LIST, TITLE = (label_by_name(name).id for name in ("text", "list", "title"))


def print_item(picture: np.ndarray, baseline: int, num_lines: int, *, left: int = LEFT, indent: int = 18) -> int:
    """A number that hangs out, and lines to its right; returns the baseline of what comes next."""
    for line in range(num_lines):
        print_line(picture, baseline + line * PITCH, left + (0 if line == 0 else indent), left + RIGHT - LEFT)
    return baseline + num_lines * PITCH


def box_of(first: int, num_lines: int, left: int = LEFT) -> list[float]:
    return [left, first - 9, left + RIGHT - LEFT, first + (num_lines - 1) * PITCH + 3]


def found(picture: np.ndarray, boxes: list[list[float]], labels: list[int], scores: list[float]):
    return find_lists(np.array(boxes, dtype=np.float64), np.array(labels), np.array(scores), find_ink(picture))


def test_an_item_by_itself_is_likelier_an_item_than_a_text():
    picture = blank_page()
    print_item(picture, 100, 4)
    boxes, labels, scores = found(picture, [box_of(100, 4)], [TEXT], [0.9])
    assert boxes.tolist() == [box_of(100, 4)] * 2 and labels.tolist() == [TEXT, LIST]
    np.testing.assert_allclose(scores, [0.9 * TEXT_SHARE, 0.9 * ITEM_SHARE])
    fitted = fit_to_page(np.array([box_of(100, 4)]), np.array([TEXT]), np.array([0.9]), picture)
    assert fitted.labels.tolist() == [LIST, TEXT]


@pytest.mark.parametrize("last", [TEXT, LIST])
def test_items_one_below_the_other_are_a_list(last: int):
    """So is an item and the rest of the list, that a detector has found."""
    picture = blank_page()
    boxes = []
    baseline = 100
    for num_lines in (3, 2, 4):
        boxes.append(box_of(baseline, num_lines))
        baseline = print_item(picture, baseline, num_lines)
    mended, labels, scores = found(picture, boxes, [TEXT, TEXT, last], [0.9, 0.8, 0.7])
    assert labels[-1] == LIST and mended[-1].tolist() == [LEFT, boxes[0][1], RIGHT, boxes[2][3]]
    assert scores[-1] == pytest.approx(LIST_SHARE * 0.8)
    assert len(mended) == 3 + (3 if last == TEXT else 2) + 1


def test_items_apart_are_no_list():
    """In another column, far below, further to the right."""
    picture = blank_page()
    places = [(100, LEFT), (100, LEFT + 260), (200, LEFT), (236, LEFT + 40)]
    for baseline, left in places:
        print_item(picture, baseline, 3, left=left)
    mended, labels, _ = found(picture, [box_of(y, 3, x) for y, x in places], [TEXT] * 4, [0.9] * 4)
    assert labels.tolist() == [TEXT] * 4 + [LIST] * 4
    assert mended[4:].tolist() == mended[:4].tolist()


def test_paragraphs_headings_and_verse_are_no_items():
    """An indented first line, a line alone, lines that begin anywhere, lines set far in, a centred caption; no ink."""
    picture = blank_page()
    print_paragraph(picture, 100, 5)
    print_line(picture, 200)
    for line, left in enumerate((0, 20, 45, 31)):
        print_line(picture, 300 + line * PITCH, LEFT + left)
    print_item(picture, 400, 3, indent=80)
    for line, inset in enumerate((0, 24)):
        print_line(picture, 500 + line * PITCH, LEFT + inset, RIGHT - inset)
    ink = find_ink(picture)
    for first, num_lines in ((100, 5), (200, 1), (300, 4), (400, 3), (500, 2), (600, 3)):
        assert not is_hanging(np.array(box_of(first, num_lines)), ink)


def print_lines(lefts: list[int], widths: list[int] | None = None) -> np.ndarray:
    """A page with lines that begin so far right of the column's edge, of which some end early."""
    picture = blank_page()
    for line, left in enumerate(lefts):
        end = RIGHT if widths is None else LEFT + widths[line]
        print_line(picture, 100 + line * PITCH, LEFT + left, end)
    return picture


@pytest.mark.parametrize(
    ("lefts", "first", "num_lines"),
    [
        ([0, 0, 12, 24, 12, 24], 2, 4),  # a paragraph above
        ([12, 24, 12, 24, 0, 0], 0, 4),  # below
        ([0, 0, 0, 12, 24, 0, 0], 3, 2),  # both
        ([0, 12, 24, 24, 12, 24], 1, 5),  # one line above, but the rest are items
        ([12, 12, 12, 0], 0, 3),  # one line below, and the list begins further in
        ([0, 18, 0, 12, 24, 12, 24], 3, 4),  # a paragraph above begins with an indent
        ([12, 24, 12, 24, 18, 0, 0], 0, 4),  # and one below
    ],
)
def test_paragraphs_above_and_below_a_list_are_no_part_of_it(lefts, first, num_lines):
    picture = print_lines(lefts)
    whole = np.array(box_of(100, len(lefts)))
    cut = without_paragraphs(whole, find_ink(picture))
    baseline = 100 + first * PITCH
    assert cut[1] <= baseline - 7 and cut[3] >= baseline + (num_lines - 1) * PITCH
    assert cut[1] > baseline - PITCH - 1 or first == 0
    assert cut[3] < baseline + num_lines * PITCH - 5 or first + num_lines == len(lefts)
    fitted = fit_to_page(whole[None], np.array([LIST]), np.array([0.9]), picture)
    np.testing.assert_allclose(
        fitted.boxes[0], [LEFT + 12, baseline - 9, RIGHT, baseline + (num_lines - 1) * PITCH + 3], atol=3
    )


@pytest.mark.parametrize(
    ("lefts", "widths"),
    [
        ([0, 14, 14], None),  # a single item
        ([0, 14, 14, 0], None),  # and the first line of the next
        ([0, 14, 0, 14, 14], None),  # items that hang out
        ([0, 0, 0, 0], None),  # nothing is set in
        ([0, 0, 14, 14], [90, 240, 240, 240]),  # a short item, then a long one
        ([0, 14], None),
        ([0, 14, 0, 14, 14, 14], [240, 100, 240, 240, 240, 100]),  # an item of two lines, one of four
        ([], None),
    ],
)
def test_whole_lists_stay_whole(lefts, widths):
    picture = print_lines(lefts, widths)
    assert without_paragraphs(np.array(box_of(100, max(1, len(lefts)))), find_ink(picture)) is None


def test_unsure_texts_and_other_classes_are_not_asked():
    picture = blank_page()
    print_item(picture, 100, 4)
    for label, score in ((TEXT, 0.2), (TITLE, 0.9), (LIST, 0.9)):
        assert len(found(picture, [box_of(100, 4)], [label], [score])[0]) == 1
    nowhere = [float("nan")] * 4
    assert len(found(picture, [nowhere, box_of(100, 4)], [TEXT, TEXT], [0.9, 0.9])[0]) == 3
    assert find_lists(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), find_ink(picture))[0].shape == (0, 4)


def test_the_size_of_the_picture_does_not_matter():
    picture = blank_page()
    second = print_item(picture, 100, 3)
    print_item(picture, second, 3)
    boxes = [box_of(100, 3), box_of(second, 3)]
    large = picture.repeat(2, axis=0).repeat(2, axis=1)
    twice = found(large, [[2 * side for side in box] for box in boxes], [TEXT] * 2, [0.9] * 2)[0]
    assert (twice / 2).tolist() == found(picture, boxes, [TEXT] * 2, [0.9] * 2)[0].tolist()
