import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.reading import Word, group_lines, join_lines, reading_order, region_texts

TWO_LINES = [
    Word("world", (40, 10, 70, 20)),
    Word(".", (71, 18, 73, 20)),
    Word("Hello", (5, 9, 35, 20)),
    Word("Below", (5, 24, 35, 34)),
    Word("2", (36, 22, 39, 27)),
]


def test_text_reads_line_by_line_left_to_right():
    assert region_texts([[0, 0, 100, 50]], TWO_LINES) == ["Hello world .\nBelow 2"]


def test_only_words_whose_centre_is_inside_count():
    assert region_texts([[0, 0, 54, 50], [60, 0, 100, 50]], TWO_LINES) == ["Hello\nBelow 2", "."]


def test_no_words_in_the_box_is_not_no_text_layer():
    assert region_texts([[200, 200, 300, 300]], TWO_LINES) == [""]
    assert region_texts([[0, 0, 100, 50]], []) == [None]
    assert region_texts(np.zeros((0, 4)), TWO_LINES) == []


def test_a_tall_word_does_not_swallow_the_next_line():
    tall = [Word("A", (0, 0, 10, 30)), Word("b", (12, 20, 20, 28)), Word("next", (0, 34, 20, 42))]
    assert [[word.text for word in line] for line in group_lines(tall)] == [["A", "b"], ["next"]]


def test_columns_are_read_one_after_the_other():
    title, left, right, low_left = [50, 10, 550, 40], [50, 60, 290, 300], [310, 55, 550, 200], [50, 310, 290, 500]
    table, after = [50, 520, 550, 600], [310, 620, 550, 700]
    boxes = [after, table, low_left, right, left, title]
    assert [boxes[index] for index in reading_order(boxes)] == [title, left, low_left, right, table, after]


def test_indented_regions_stay_in_their_column():
    boxes = [[50, 10, 200, 40], [70, 50, 280, 90], [50, 100, 280, 140], [320, 10, 540, 140]]
    assert reading_order(boxes) == [0, 1, 2, 3]


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=8))
def test_order_has_every_box_once(corners):
    boxes = [(x, y, x + w, y + h) for x, y, w, h in corners]
    assert sorted(reading_order(np.array(boxes).reshape(-1, 4))) == list(range(len(boxes)))


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("a hyphen-\nated word", "a hyphenated word"),
        ("a hyphen\u00ad\nated wo\u00adrd", "a hyphenated word"),
        ("state-of-the-\nart", "state-of-the-art"),
        ("New-\nYork", "New-York"),
        ("from 10-\n20", "from 10-20"),
        ("a dash -\nhere", "a dash - here"),
        ("\u6f22\u5b57\n\u304b\u306a\nlatin", "\u6f22\u5b57\u304b\u306a latin"),
        ("", ""),
    ],
)
def test_lines_are_joined_as_their_language_joins_them(text, joined):
    assert join_lines(text) == joined
