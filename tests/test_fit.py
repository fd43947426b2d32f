"""Boxes move to the print: on drawn pages whose right answer is known, and on made pages against their annotations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from printed_page import blank_page, print_paragraph

from layoutdeit.fit import fit_boxes, fit_to_page, merge_agreeing, without_captions, without_headings
from layoutdeit.ink import find_ink
from layoutdeit.labels import label_by_name
from layoutdeit.print_lines import ASCENT, DESCENT

TEXT, TITLE, TABLE, FIGURE = (label_by_name(name).id for name in ("text", "title", "table", "figure"))
CAPITAL = 8  # px: height of the drawn letters


def draw_page(scale: int = 1) -> np.ndarray:
    """A 600x800 page: five lines of print at x 60..300, y 100..; a ruled table at 330..560, y 100..200; a figure."""
    image = Image.new("RGB", (600 * scale, 800 * scale), "white")
    pen = ImageDraw.Draw(image)

    def box(x0: float, y0: float, x1: float, y1: float) -> None:
        pen.rectangle([x0 * scale, y0 * scale, x1 * scale - 1, y1 * scale - 1], fill="black")

    for line in range(5):
        for x in range(60, 300, 8):  # letters 6 px wide, 2 px apart
            box(x, 100 + 14 * line, x + 6, 100 + 14 * line + CAPITAL)
    for y in (100, 120, 200):
        box(330, y, 560, y + 1)
    for y in (106, 130, 150, 170):
        box(340, y, 370, y + 6)
        box(500, y, 550, y + 6)
    box(100, 400, 500, 600)
    return np.asarray(image)


def test_a_text_on_a_shaded_panel_stays_as_it_is():
    """A panel much darker than the paper is ink from edge to edge: no line of it can be told."""
    picture = draw_page().copy()
    print_ = picture < 128
    picture[80:200, 40:320] = 190
    picture[print_] = 0
    ink = find_ink(picture)
    box = np.array([[62.0, 98, 300, 165]])
    for label in (TEXT, TITLE):
        assert fit_boxes(box, [label], ink).tolist() == box.tolist()
    assert fit_boxes(box, [FIGURE], ink).tolist() != box.tolist()  # which is the panel


def test_a_paragraph_ends_at_its_lines():
    """Lines that lie in the box for the most part belong to it, others do not."""
    picture = draw_page()
    fitted = fit_boxes(np.array([[70, 110, 280, 153]]), [TEXT], find_ink(picture))[0]
    # the second line, y 114..122, to the fourth, y 142..150
    expected = [60, 122 - ASCENT * CAPITAL, 298, 150 + DESCENT * CAPITAL]
    np.testing.assert_allclose(fitted, expected, atol=0.5)


def test_half_a_column_becomes_the_column():
    fitted = fit_boxes(np.array([[62, 98, 185, 170]]), [TEXT], find_ink(draw_page()))[0]
    np.testing.assert_allclose(fitted[[0, 2]], [60, 298], atol=0.5)


def test_text_without_a_line_of_print_counts_less():
    """A ruled line, and white paper; a figure there is believed as before, as is a line that only touches the box."""
    boxes = np.array([[335.0, 114, 560, 127], [60, 300, 300, 380], [60, 300, 300, 380], [60, 95, 300, 112]])
    labels, scores = np.array([TEXT, TITLE, FIGURE, TEXT]), np.array([0.9, 0.8, 0.7, 0.6])
    fitted = fit_to_page(boxes, labels, scores, draw_page())
    assert fitted.labels.tolist() == [FIGURE, TEXT, TEXT, TITLE]
    np.testing.assert_allclose(fitted.scores, [0.7, 0.6, 0.45, 0.4])


@pytest.mark.parametrize(
    ("text", "score", "is_cut"),
    [
        ([100, 606, 500, 640], 0.9, True),
        ([100, 606, 500, 640], 0.4, False),  # hardly a text
        ([100, 606, 250, 640], 0.9, False),  # a label of the figure's, not as wide as it
        ([100, 480, 500, 510], 0.9, False),  # in its middle
        ([100, 540, 500, 640], 0.9, False),  # too high for a caption
    ],
)
def test_a_figure_ends_where_its_caption_begins(text, score, is_cut):
    picture = draw_page().copy()
    for x in range(100, 498, 8):
        picture[612:620, x : x + 6] = picture[626:634, x : x + 6] = 0
    boxes, labels = np.array([[100.0, 400, 500, 640], text]), np.array([FIGURE, TEXT])
    cut = without_captions(boxes, labels, np.array([0.8, score]), find_ink(picture))
    np.testing.assert_allclose(cut, [[100, 400, 500, 600 if is_cut else 640], text], atol=0.5)
    assert without_captions(boxes, labels, np.array([0.2, score]), find_ink(picture)).tolist() == boxes.tolist()


def test_captions_above_are_cut_off_too_one_after_the_other():
    boxes = np.array([[100.0, 340, 500, 600], [100, 340, 500, 360], [100, 364, 500, 390]])
    cut = without_captions(boxes, np.array([FIGURE, TEXT, TEXT]), np.array([0.9, 0.9, 0.9]), find_ink(draw_page()))
    np.testing.assert_allclose(cut[0], [100, 400, 500, 600], atol=0.5)


def test_a_table_ends_at_its_outer_rules():
    fitted = fit_boxes(np.array([[345, 110, 520, 180]]), [TABLE], find_ink(draw_page()))[0]
    np.testing.assert_allclose(fitted, [330, 100, 560, 201], atol=0.5)


def test_a_figure_ends_at_its_ink():
    fitted = fit_boxes(np.array([[120, 380, 470, 590]]), [FIGURE], find_ink(draw_page()))[0]
    np.testing.assert_allclose(fitted, [100, 400, 500, 600], atol=0.5)


def test_the_size_of_the_picture_does_not_matter():
    boxes = np.array([[70, 110, 280, 153], [345, 110, 520, 180], [120, 380, 470, 590]], dtype=float)
    labels = [TEXT, TABLE, FIGURE]
    once, twice = fit_boxes(boxes, labels, find_ink(draw_page())), fit_boxes(boxes * 2, labels, find_ink(draw_page(2)))
    np.testing.assert_allclose(twice / 2, once, atol=0.5)


@pytest.mark.parametrize("label", [TEXT, TITLE, TABLE, FIGURE])
@pytest.mark.parametrize(
    "box", [[10, 700, 200, 780], [-50, -50, -10, -10], [590, 790, 700, 900], [5, 5, 5, 5], [float("nan")] * 4]
)
def test_a_box_without_ink_stays(box: list[float], label: int):
    ink = find_ink(draw_page())
    np.testing.assert_array_equal(fit_boxes(np.array([box]), [label], ink)[0], box)


def test_no_boxes_and_a_blank_page():
    blank = np.full((300, 200, 3), 255, dtype=np.uint8)
    assert fit_to_page(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), blank).boxes.shape == (0, 4)
    kept = fit_to_page(np.array([[10.0, 10, 50, 60]]), np.array([TEXT]), np.array([0.5]), blank)
    assert kept.boxes.tolist() == [[10, 10, 50, 60]] and kept.scores.tolist() == [0.25]


def test_agreeing_boxes_become_one_with_a_higher_score():
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 102], [0, 0, 100, 101], [300, 0, 400, 100]], dtype=float)
    merged = merge_agreeing(boxes, np.array([TEXT, TEXT, TITLE, TEXT]), np.array([0.5, 0.6, 0.3, 0.7]))
    assert merged.labels.tolist() == [TEXT, TEXT, TITLE]
    assert merged.boxes.tolist() == boxes[[1, 3, 2]].tolist()
    np.testing.assert_allclose(merged.scores, [1 - 0.4 * (1 - 0.6 * 0.5), 0.7, 0.3])  # .72 now comes before .7


def test_a_title_that_is_part_of_a_line_counts_less():
    """The first words of a paragraph set in bold; a heading of its own line is believed."""
    picture = draw_page()
    boxes = np.array([[60.0, 98, 120, 110], [60, 98, 300, 110]])
    for box, score in zip(boxes, (0.4, 0.8), strict=True):
        fitted = fit_to_page(box[None], np.array([TITLE]), np.array([0.8]), picture)
        np.testing.assert_allclose(fitted.scores, [score])


def test_texts_end_where_paragraphs_do():
    """A line that two boxes have is one's alone, and boxes that are then alike are one."""
    picture = blank_page()
    print_paragraph(picture, print_paragraph(picture, 100, 4), 5)
    boxes = np.array([[60.0, 92, 300, 152], [60, 138, 300, 199], [60, 150, 300, 199]])
    fitted = fit_to_page(boxes, np.full(3, TEXT), np.array([0.9, 0.8, 0.7]), picture)
    assert len(fitted.boxes) == 2
    assert fitted.boxes[:, 3].max() < 205 and (fitted.boxes[:, 1] > 90).all()
    upper, lower = fitted.boxes[np.argsort(fitted.boxes[:, 1])]
    assert upper[3] <= lower[1] + 1


@pytest.mark.parametrize("label", [TEXT, TITLE])
def test_a_text_ends_at_a_ruled_line(label):
    """A caption whose box reaches into the table below it; a rule under one word ends nothing."""
    picture = draw_page().copy()
    boxes = np.array([[60.0, 98, 300, 140]])
    picture[124:126, 60:120] = 0
    whole = fit_boxes(boxes, [label], find_ink(picture))[0]
    picture[124:126, 50:310] = 0
    cut = fit_boxes(boxes, [label], find_ink(picture))[0]
    np.testing.assert_allclose([cut[3], whole[3]], [122 + DESCENT * CAPITAL, 136 + DESCENT * CAPITAL], atol=0.5)
    assert cut[1] == whole[1]


@pytest.mark.parametrize(
    ("title", "score", "expected"),
    [
        ([60, 90, 200, 102], 0.8, [102, 170]),
        ([60, 160, 200, 171], 0.8, [90, 160]),
        ([60, 90, 200, 102], 0.6, [90, 170]),  # the text is surer
        ([60, 120, 200, 132], 0.9, [90, 170]),  # in its middle
        ([60, 90, 200, 150], 0.9, [90, 170]),  # most of it
        ([60, 82, 200, 94], 0.9, [90, 170]),  # above it
        ([float("nan")] * 4, 0.9, [90, 170]),
    ],
)
def test_a_text_ends_where_a_heading_begins(title, score, expected):
    boxes = np.array([[60.0, 90, 300, 170], title])
    cut = without_headings(boxes, np.array([TEXT, TITLE]), np.array([0.9, score]))
    assert cut[0].tolist() == [60, expected[0], 300, expected[1]]
    np.testing.assert_array_equal(cut[1], boxes[1])
