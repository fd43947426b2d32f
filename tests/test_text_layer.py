import numpy as np
import pytest
from handmade_pdf import Sheet, make_pdf, written
from placed_rectangles import extent, near_colour

from layoutdeit.geometry import pixels_to_points
from layoutdeit.pdf import open_document
from layoutdeit.text_layer import ASCENT, DESCENT


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("user_unit", [None, 2])
def test_words_are_where_their_ink_is(rotate, user_unit):
    sheet = Sheet(written("Hxh", 150, 200, 30), (-20, 40, 400, 500), (100, 100, 350, 400), rotate, user_unit)
    with open_document(make_pdf(sheet)) as document:
        (word,) = document.words(0)
        picture = document.render(0, dpi=144)
        ink = extent(near_colour(picture.image, (0, 0, 0), 127))
        ink = pixels_to_points(ink, picture.image.size, document.page_size(0))
    assert word.text == "Hxh"
    np.testing.assert_allclose([word.box], ink, atol=1.5)


@pytest.mark.parametrize("rotate", [0, 90])
@pytest.mark.parametrize("user_unit", [None, 2])
def test_line_height_is_that_of_the_font_whatever_the_letters(rotate, user_unit):
    content = written("an", 150, 300, 20) + written("Ag", 150, 240, 20) + written("an", 150, 200, 40)
    with open_document(make_pdf(Sheet(content, (0, 0, 400, 500), None, rotate, user_unit))) as document:
        low, high, large = sorted(word.line_height for word in document.words(0))
    assert low == pytest.approx(high) and large == pytest.approx(2 * low)
    assert 20 * (user_unit or 1) < low < 32 * (user_unit or 1)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_line_box_reaches_from_ascent_to_descent_whatever_the_letters(rotate):
    content = written("xnx", 150, 300, 20) + written("Agj", 250, 300, 20)
    with open_document(make_pdf(Sheet(content, (0, 0, 400, 500), None, rotate))) as document:
        low, full = document.words(0)
        frame = document.frame(0)
        line = frame.to_display([(150, 300 - DESCENT * 20, 300, 300 + ASCENT * 20)])[0]
    across = [0, 2] if rotate in (90, 270) else [1, 3]  # the sides above and below the line
    for word in (low, full):
        np.testing.assert_allclose(np.array(word.line_box)[across], line[across], atol=0.01)
        assert all(word.line_box[i] <= word.box[i] and word.line_box[i + 2] >= word.box[i + 2] for i in (0, 1))


def test_words_come_in_the_order_of_the_file():
    content = written("second line", 72, 600) + written("first", 72, 700)
    with open_document(make_pdf(Sheet(content))) as document:
        assert [word.text for word in document.words(0)] == ["second", "line", "first"]


def test_page_without_text_has_no_words():
    with open_document(make_pdf(Sheet())) as document:
        assert document.words(0) == ()


def test_hyphen_at_the_end_of_a_line_ends_the_word():
    content = written("a hyphen-", 72, 700) + written("ated word", 72, 686)
    with open_document(make_pdf(Sheet(content))) as document:
        words = document.words(0)
    assert [word.text for word in words] == ["a", "hyphen-", "ated", "word"]
    assert all(word.box[3] - word.box[1] < 14 for word in words)


def test_letters_of_one_string_that_stand_in_other_columns_are_words_of_their_own():
    """Tables of crosses are drawn so: one string, its letters far apart, no space. Wide-set letters stay together."""
    content = "BT /F1 10 Tf 40 Tc 72 700 Td (XX) Tj 2 Tc 120 0 Td (XYZ) Tj ET\n"
    with open_document(make_pdf(Sheet(content + written("wide", 72, 600)))) as document:
        words = document.words(0)
    assert [word.text for word in words[:2]] == ["X", "X"] and words[-1].text == "wide"
    assert words[0].box[2] < 80 and words[1].box[0] > 115
    assert [word.text for word in words[2:-1]] == ["XYZ"]


def test_real_words_can_be_written_as_utf8(data_dir):
    for path in sorted((data_dir / "pdfs").glob("*.pdf")):
        with open_document(path, password="openpassword") as document:
            texts = [word.text for word in document.words(0)]
        assert all(text and text.isprintable() and text.encode() for text in texts)
