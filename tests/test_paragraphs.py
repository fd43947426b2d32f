"""Texts end where paragraphs do, on drawn columns whose paragraphs are known."""

from __future__ import annotations

import numpy as np
import pytest
from printed_page import LEFT, PITCH, RIGHT, blank_page, print_line, print_paragraph

from layoutdeit.ink import find_ink
from layoutdeit.paragraphs import mend_paragraphs


def rows(first: int, last: int, left: float = LEFT, right: float = RIGHT) -> list[float]:
    """A box around the lines whose baselines those are."""
    return [left, first - 8.5, right, last + 3]


def two_paragraphs(*, indent: int = 14, last: int = 120) -> tuple[np.ndarray, list[int]]:
    """A page with four and five lines, and the baselines of all nine."""
    picture = blank_page()
    next_one = print_paragraph(picture, 100, 4, indent=indent, last=last)
    print_paragraph(picture, next_one, 5, indent=indent, last=last)
    return picture, [100 + PITCH * line for line in range(9)]


def mend(picture: np.ndarray, boxes: list[list[float]], scores: list[float] | None = None, *, is_text=None):
    """Boxes after it, rounded, and where they are from."""
    given = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    sure = np.full(len(given), 0.9) if scores is None else np.array(scores)
    texts = np.ones(len(given), dtype=bool) if is_text is None else np.array(is_text)
    mended, origins = mend_paragraphs(given, texts, sure, find_ink(picture))
    return mended, origins.tolist()


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ((0, 2), (4, 8)),  # the last line of the first is in none
        ((0, 3), (5, 8)),  # the first of the second
        ((0, 4), (5, 8)),  # the first has it
        ((0, 4), (4, 8)),  # both have it
        ((0, 3), (3, 8)),  # both have the last of the first
        ((0, 2), (3, 8)),  # the second has it
        ((0, 2), (6, 8)),  # three lines are in none
    ],
)
@pytest.mark.parametrize(("indent", "last"), [(14, 120), (14, RIGHT - LEFT), (0, 120)])
def test_lines_go_to_the_paragraph_they_are_of(upper, lower, indent, last):
    """By the indent of the second, by the short last line of the first, or by both."""
    picture, lines = two_paragraphs(indent=indent, last=last)
    mended, origins = mend(picture, [rows(lines[upper[0]], lines[upper[1]]), rows(lines[lower[0]], lines[lower[1]])])
    assert origins == [0, 1]
    np.testing.assert_allclose(mended, [rows(lines[0], lines[3]), rows(lines[4], lines[8])], atol=1.0)


def test_a_text_around_two_paragraphs_is_parted():
    picture, lines = two_paragraphs()
    mended, origins = mend(picture, [rows(lines[0], lines[8])])
    assert origins == [0, 0]
    np.testing.assert_allclose(mended, [rows(lines[4], lines[8]), rows(lines[0], lines[3])], atol=1.0)


def test_where_print_says_nothing_texts_stay():
    """Full lines without an indent; a heading's lines; one line."""
    picture = blank_page()
    for line in range(6):
        print_line(picture, 100 + PITCH * line)
    boxes = [rows(100, 100 + 2 * PITCH), rows(100 + 3 * PITCH, 100 + 5 * PITCH)]
    assert mend(picture, boxes)[0].tolist() == boxes
    assert mend(picture, boxes[:1])[0][0, 3] == pytest.approx(100 + 5 * PITCH + 3, abs=1)  # lines in no box go on it
    assert mend(blank_page(), boxes)[0].tolist() == boxes
    assert mend(picture, [])[0].shape == (0, 4)


@pytest.mark.parametrize("scrap", [(0, 0), (0, 1), (7, 7)])
def test_a_text_takes_in_a_line_of_its_paragraph_that_was_found_by_itself(scrap):
    """The scrap stays where it is, inside, and goes in the clean-up. One of a third of the lines is no scrap."""
    picture = blank_page()
    print_paragraph(picture, 100, 8, indent=14, last=120)
    lines = [100 + PITCH * line for line in range(8)]
    first, last = scrap
    boxes = [rows(lines[0 if first else last + 1], lines[first - 1 if first else 7]), rows(lines[first], lines[last])]
    mended, origins = mend(picture, boxes)
    assert origins == [0, 1]
    np.testing.assert_allclose(mended[0], rows(lines[0], lines[7]), atol=1.0)
    np.testing.assert_allclose(mended[1], boxes[1], atol=1.0)
    half = [rows(lines[0], lines[2]), rows(lines[3], lines[7])]
    np.testing.assert_allclose(mend(picture, half)[0], half, atol=1.0)


def test_lines_beyond_another_box_or_further_off_are_not_taken():
    """A title between, a wider line, print in another pitch."""
    picture, lines = two_paragraphs()
    box = rows(lines[0], lines[2])
    title = rows(lines[3], lines[3])
    mended, _ = mend(picture, [box, title], is_text=[True, False])
    assert mended.tolist() == [box, title]
    print_line(picture, lines[8] + 2 * PITCH)
    print_line(picture, lines[0] - PITCH, right=RIGHT + 250)
    lower = rows(lines[4], lines[8])
    mended, _ = mend(picture, [rows(lines[0], lines[3]), lower])
    assert mended.tolist() == [rows(lines[0], lines[3]), lower]


def test_nothing_is_taken_across_a_ruled_line():
    picture, lines = two_paragraphs()
    box = rows(lines[0], lines[1])
    picture[lines[1] + 3 : lines[1] + 4, LEFT - 5 : RIGHT + 5] = 0
    assert mend(picture, [box])[0].tolist() == [box]


def test_an_item_with_a_hanging_indent_is_not_parted():
    picture = blank_page()
    for line in range(6):
        print_line(picture, 100 + PITCH * line, left=LEFT + (0 if line % 3 == 0 else 14))
    box = rows(100, 100 + 5 * PITCH)
    assert mend(picture, [box])[0].tolist() == [box]


def test_unsure_texts_other_classes_and_panels_are_left_alone():
    picture, lines = two_paragraphs()
    box = rows(lines[0], lines[8])
    for found in (mend(picture, [box], [0.4]), mend(picture, [box], is_text=[False])):
        assert found[0].tolist() == [box]
    panel = picture.copy()
    panel[80:220, 40:320] = np.minimum(panel[80:220, 40:320], 190)
    assert mend(panel, [box])[0].tolist() == [box]
    nowhere = [float("nan")] * 4
    mended, _ = mend(picture, [nowhere, rows(lines[0], lines[2])])
    assert np.isnan(mended[0]).all() and mended[1, 3] == pytest.approx(lines[3] + 3, abs=1)


def test_columns_are_told_apart():
    """What stands beside a text, and a caption across both columns, are no lines of its column."""
    picture, lines = two_paragraphs()
    picture[:, 320 : 320 + RIGHT - LEFT] = picture[:, LEFT:RIGHT]
    print_line(picture, 300, right=560)
    caption = rows(300, 300, right=560)
    boxes = [rows(lines[0], lines[3]), rows(lines[5], lines[8]), rows(lines[0], lines[4], 320, 560), caption]
    mended, origins = mend(picture, boxes)
    assert origins == [0, 1, 2, 3, 2][: len(origins)]
    np.testing.assert_allclose(mended[:2], [rows(lines[0], lines[3]), rows(lines[4], lines[8])], atol=1.0)
    assert mended[3].tolist() == caption


@pytest.mark.parametrize("scale", [2, 3])
def test_the_size_of_the_picture_does_not_matter(scale: int):
    picture, lines = two_paragraphs()
    boxes = [rows(lines[0], lines[4]), rows(lines[4], lines[8])]
    large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_allclose(
        mend(large, [[scale * side for side in box] for box in boxes])[0] / scale, mend(picture, boxes)[0], atol=0.5
    )
