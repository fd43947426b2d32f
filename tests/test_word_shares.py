import numpy as np
import pytest

from layoutdeit.reading import Word, text_of
from layoutdeit.word_shares import share_words, split_columns

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
    assert texts == ["abcdef", "gh"] and boxes == [upper, [0, 120, 60, 152]], "no words are covered by two boxes"


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


def test_box_without_words_of_its_own_is_told():
    assert shared([WHOLE, FIRST], ["list", "text"], [0.9, 0.45])[2] == [True, False]
    held, boxes, is_full = share_words(np.array([WHOLE]), ["text"], np.array([0.9]), [])
    assert held == [[]] and boxes.tolist() == [WHOLE] and is_full.tolist() == [True]


def two_columns() -> list[Word]:
    """Ten lines of four words in each of two columns, 12 points white between them: l00 to l93, r00 to r93."""
    return [
        Word(f"{side}{row}{place}", (x + 30 * place, 14 * row, x + 30 * place + 27, 14 * row + 10), 10.0)
        for row in range(10) for side, x in (("l", 0), ("r", 129)) for place in range(4)
    ]  # fmt: skip


def texts_of(boxes: list, words: list[Word], labels: str = "text text") -> tuple[list[str], list[list[float]]]:
    scores = np.linspace(0.9, 0.8, len(boxes))
    held, boxes, _ = share_words(np.array(boxes), labels.split(), scores, words)
    return [text_of(own) for own in held], boxes.tolist()


def test_words_that_a_box_takes_from_the_next_column_go_back():
    words = two_columns()
    left, right = [0, 0, 117, 136], [129, 0, 246, 136]
    wanted = texts_of([left, right], words)[0]
    for wide in ([0, 0, 150, 136], [0, 0, 150, 60]):
        found, boxes = texts_of([wide, right], words)
        assert boxes[0][2] == 117 and boxes[1] == right, "boxes end with their own words"
        assert found[1] == wanted[1] and found[0] == wanted[0][: len(found[0])]


def test_last_line_of_the_next_column_goes_back():
    """Seen in a real paper: the abstract's box held the last word of the column beside it."""
    words = two_columns()[48:72] + [Word("end", (129, 126, 146, 136), 10.0)]  # three lines, and a word on the right
    right = [129, 84, 246, 122]
    found, boxes = texts_of([[0, 84, 150, 140], right], words)
    assert found[0].split("\n")[-1] == "l80 l81 l82 l83" and found[1].endswith("\nend")
    assert boxes == [[0, 84, 117, 122], [129, 84, 246, 136]]


@pytest.mark.parametrize(
    ("other", "labels"),
    [
        ([129, 200, 246, 240], "text text"),  # far below
        ([0, 150, 246, 160], "text text"),  # a paragraph below both columns
        ([129, 0, 246, 136], "text figure"),
    ],
)
def test_words_apart_stay_where_nothing_takes_them(other, labels):
    words = two_columns() + [Word("below", (0, 150, 246, 160), 10.0), Word("far", (129, 200, 246, 240), 10.0)]
    found, _ = texts_of([[0, 0, 150, 136], other], words, labels)
    assert "r00" in found[0] and "r90" in found[0]


def test_a_text_across_columns_becomes_one_in_each():
    words = two_columns()
    boxes = np.array([[0, 0, 250, 66], [0, 70, 117, 136], [0, 0, 246, 136]])
    origins, found = split_columns(boxes, ["text", "text", "list"], words)
    assert origins.tolist() == [0, 0, 1, 2]
    assert found.tolist() == [[0, 0, 117, 66], [129, 0, 246, 66], [0, 70, 117, 136], [0, 0, 246, 136]]
    assert split_columns(boxes, ["text"] * 3, [])[1].tolist() == boxes.tolist(), "without words nothing is known"
    assert [part.shape for part in split_columns(np.zeros((0, 4)), [], words)] == [(0,), (0, 4)]


def test_a_term_and_its_explanation_stay_together():
    words = two_columns()
    found, _ = texts_of([[0, 0, 246, 66], [129, 70, 246, 136]], words)
    assert found[0].startswith("l00 l01 l02 l03 r00"), "half of the words is no stray"
