import numpy as np

from layoutdeit.layout import Region
from layoutdeit.reading import Word, text_of
from layoutdeit.region_text import read_regions, share_words

WORDS = [
    Word("A", (0, 0, 5, 10), 12.0), Word("1", (100, 0, 105, 10), 12.0),
    Word("B", (0, 14, 5, 24), 12.0), Word("2", (100, 14, 105, 24), 12.0),
]  # fmt: skip


def test_regions_get_text_size_and_cells():
    box = (0.0, 0.0, 200.0, 30.0)
    table, text = read_regions([Region("table", 0.9, box), Region("text", 0.9, box)], WORDS)
    assert table.text == text.text == "A 1\nB 2" and table.print_size == text.print_size == 12
    assert table.cells == (("A", "1"), ("B", "2")) and text.cells is None


def test_without_a_text_layer_nothing_is_known():
    (region,) = read_regions([Region("table", 0.9, (0, 0, 200, 30))], [])
    assert region.text is None and region.print_size is None and region.cells is None
    assert read_regions([], WORDS) == ()


LINES = [Word(name, (0, 20 * line, 60, 20 * line + 12), 12.0) for line, name in enumerate("abcdefgh")]
WHOLE, FIRST, SECOND = [0, 0, 60, 152], [0, 0, 60, 12], [0, 20, 60, 32]


def shared(boxes: list, labels: list[str], scores: list[float]) -> tuple[list[str], list, list[bool]]:
    held, boxes, is_full = share_words(np.array(boxes), labels, np.array(scores), LINES)
    return ["".join(text_of(own).split()) for own in held], boxes.tolist(), is_full.tolist()


def test_word_in_two_boxes_is_read_in_the_better_one_or_in_the_one_inside():
    texts, boxes, is_full = shared([WHOLE, FIRST], ["text", "title"], [0.9, 0.8])
    assert texts == ["bcdefgh", "a"] and boxes == [[0, 20, 60, 152], FIRST] and is_full == [True, True]
    assert shared([FIRST, WHOLE], ["title", "text"], [0.9, 0.8])[0] == ["a", "bcdefgh"]
    upper, lower = [0, 0, 60, 112], [0, 60, 60, 152]
    texts, boxes, _ = shared([upper, lower], ["text", "text"], [0.9, 0.8])
    assert texts == ["abcdef", "gh"] and boxes == [upper, lower], "too little is left of the second to move it"


def test_boxes_that_few_see_take_no_words_from_others():
    assert shared([WHOLE, FIRST], ["text", "title"], [0.9, 0.45])[0] == ["abcdefgh", ""]
    assert shared([WHOLE, FIRST], ["text", "title"], [0.9, 0.2])[0] == ["abcdefgh", "a"]
    assert shared([WHOLE, SECOND], ["table", "text"], [0.9, 0.9])[0] == ["abcdefgh", "b"]


def test_bullets_go_with_their_items():
    """A list around two items, the second of which is a better text's."""
    words = [
        Word("\u2022", (2, 3, 5, 7), 12.0), Word("one", (10, 0, 40, 10), 12.0),
        Word("2.", (0, 20, 7, 30), 12.0), Word("two", (10, 20, 40, 30), 12.0),
        Word("3.", (0, 40, 7, 50), 12.0),
    ]  # fmt: skip
    around, second = [0, 0, 40, 50], [10, 20, 40, 30]
    held, boxes, _ = share_words(np.array([second, around]), ["text", "list"], np.array([0.9, 0.8]), words)
    assert [text_of(own) for own in held] == ["2. two", "\u2022 one\n3."]
    assert boxes[0].tolist() == [0, 20, 40, 30]


def test_a_text_around_two_columns_is_read_column_by_column():
    words = [
        Word(f"{side}{row}{place}", (x + 30 * place, 14 * row, x + 30 * place + 25, 14 * row + 10), 12.0)
        for row in range(3) for side, x in (("l", 0), ("r", 150)) for place in range(4)
    ]  # fmt: skip
    text, title = read_regions([Region(label, 0.9, (0, 0, 300, 60)) for label in ("text", "title")], words)
    assert [line[0] for line in text.text.split("\n")] == ["l"] * 3 + ["r"] * 3
    assert len(title.text.split("\n")) == 3


def test_box_without_words_of_its_own_is_told():
    assert shared([WHOLE, FIRST], ["list", "text"], [0.9, 0.45])[2] == [True, False]
    held, boxes, is_full = share_words(np.array([WHOLE]), ["text"], np.array([0.9]), [])
    assert held == [[]] and boxes.tolist() == [WHOLE] and is_full.tolist() == [True]
