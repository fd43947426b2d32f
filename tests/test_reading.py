import numpy as np
import pytest

from layoutdeit.reading import Word, columns_of, group_lines, join_lines, print_size, snap_to_words, text_of, words_in

TWO_LINES = [
    Word("world", (40, 10, 70, 20)),
    Word(".", (71, 18, 73, 20)),
    Word("Hello", (5, 9, 35, 20)),
    Word("Below", (5, 24, 35, 34)),
    Word("2", (36, 22, 39, 27)),
]


def test_text_reads_line_by_line_left_to_right():
    assert text_of(words_in([0, 0, 100, 50], TWO_LINES)) == "Hello world .\nBelow 2"


def test_only_words_whose_centre_is_inside_count():
    read = [text_of(words_in(box, TWO_LINES)) for box in ([0, 0, 54, 50], [60, 0, 100, 50], [200, 200, 300, 300])]
    assert read == ["Hello\nBelow 2", ".", ""]


def test_a_tall_word_does_not_swallow_the_next_line():
    tall = [Word("A", (0, 0, 10, 30)), Word("b", (12, 20, 20, 28)), Word("next", (0, 34, 20, 42))]
    assert [[word.text for word in line] for line in group_lines(tall)] == [["A", "b"], ["next"]]


def test_a_drop_cap_stands_before_the_first_of_its_lines():
    lines = [Word(f"{word}{line}", (30 + 30 * x, 13 * line, 55 + 30 * x, 13 * line + 10), 12)
             for line in range(4) for x, word in enumerate("abc")]  # fmt: skip
    found = group_lines([Word("T", (0, 0, 28, 36), 40), *lines])
    assert [[word.text for word in line] for line in found] == [
        ["T", "a0", "b0", "c0"], *([f"{word}{line}" for word in "abc"] for line in (1, 2, 3))
    ]  # fmt: skip


def test_larger_words_above_others_are_a_line_of_their_own():
    small = [Word(f"w{x}", (30 * x, 40, 30 * x + 25, 50), 12) for x in range(6)]
    large = [Word("Big", (0, 0, 60, 30), 36), Word("head", (70, 0, 120, 30), 36)]
    assert [[w.text for w in line] for line in group_lines([*small, *large])] == [
        ["Big", "head"],
        [w.text for w in small],
    ]


def test_a_line_from_right_to_left_is_read_so():
    texts = ["world", "of", "\u05d0", "\u05d1", "12", "\u05d2"]  # as they stand, left to right
    line = [Word(text, (20 * x, 0, 20 * x + 15, 10), 12) for x, text in enumerate(texts)]
    (found,) = group_lines(line)
    assert [word.text for word in found] == ["\u05d2", "12", "\u05d1", "\u05d0", "world", "of"]


def test_long_texts_are_joined_in_time_that_grows_with_them():
    """Each line once was searched together with all before it: these would be 10^10 letters."""
    assert len(join_lines("some words of a line\n" * 50_000)) == 21 * 50_000 - 1


def test_boxes_of_words_become_tight_and_empty_ones_are_known():
    given = [[0, 0, 100, 50], [0, 0, 100, 50], [200, 200, 300, 300]]
    boxes, is_full = snap_to_words(given, ["text", "figure", "list"], TWO_LINES)
    assert boxes.tolist() == [[5, 9, 73, 34], [0, 0, 100, 50], [200, 200, 300, 300]]
    assert is_full.tolist() == [True, True, False]


def test_boxes_become_those_of_the_lines_where_they_are_known():
    words = [Word("an", (10, 14, 20, 20), 12, (10, 10, 20, 22)), Word("Ag", (24, 12, 34, 22), 12, (24, 10, 34, 22))]
    assert snap_to_words([[0, 0, 100, 50]], ["text"], words)[0].tolist() == [[10, 10, 34, 22]]


def test_without_a_text_layer_boxes_stay():
    boxes, is_full = snap_to_words([[0, 0, 100, 50]], ["text"], [])
    assert boxes.tolist() == [[0, 0, 100, 50]] and is_full.tolist() == [True]
    assert snap_to_words(np.zeros((0, 4)), [], TWO_LINES)[0].shape == (0, 4)


def test_number_that_stands_before_a_title_is_part_of_it():
    heading = [Word("Current", (50, 10, 90, 22), 14), Word("state", (93, 10, 120, 22), 14)]
    body = [Word("1", (10, 40, 15, 50), 12), Word("Before", (50, 40, 80, 50), 12)]

    def left_edge(number: Word, label: str = "title") -> float:
        return snap_to_words([[48, 8, 122, 24]], [label], [number, *heading, *body])[0][0, 0]

    assert left_edge(Word("1.2", (20, 10, 32, 22), 14)) == 20
    assert left_edge(Word("A.", (20, 10, 32, 22), 14)) == 20
    assert left_edge(Word("1.2", (20, 10, 32, 22), 14), "text") == 50
    assert left_edge(Word("14", (20, 14, 28, 22), 8)) == 50  # of a line
    assert left_edge(Word("1.2", (0, 10, 12, 22), 14)) == 50  # too far
    assert left_edge(Word("column", (20, 10, 40, 22), 14)) == 50
    body.append(Word("Type", (20, 10, 34, 22), 14))  # the column to the left ends with a number
    assert left_edge(Word("1", (36, 10, 40, 22), 14)) == 50
    del body[-1]
    other = [[10, 8, 40, 24], [48, 8, 122, 24]]
    words = [Word("1", (20, 10, 26, 22), 14), *heading, *body]
    assert snap_to_words(other, ["text", "title"], words)[0][1, 0] == 50
    worse = snap_to_words(other[::-1], ["title", "text"], words)[0]  # best first: the title may have what it takes
    assert worse[0, 0] == 20


def test_bullets_and_numbers_before_the_items_of_a_list_are_part_of_it():
    def line(y: float, *words: str, x: float = 50) -> list[Word]:
        return [Word(text, (x + 40 * place, y, x + 40 * place + 30, y + 10), 12) for place, text in enumerate(words)]

    bullets = [Word("\u2022", (38, 3, 42, 7), 12), Word("2.", (36, 28, 44, 38), 12)]
    number = Word("17", (20, 14, 28, 24), 12)  # of a line
    words = [*bullets, number, *line(0, "one", "item"), *line(14, "goes", "on"), *line(28, "another", "one")]
    (box,), _ = snap_to_words([[48, -2, 130, 40]], ["list"], words)
    assert box.tolist() == [36, 0, 120, 38]
    (box,), _ = snap_to_words([[48, -2, 130, 40]], ["text"], words)
    assert box[0] == 50


def column(left: float, *lines: str) -> list[Word]:
    return [
        Word(text, (left + 30 * place, 14 * row, left + 30 * place + 25, 14 * row + 10), 12)
        for row, line in enumerate(lines)
        for place, text in enumerate(line.split())
    ]


def test_text_of_two_columns_is_read_one_after_the_other():
    left, right = ["a b c d", "e f g h", "i j k", "l m n o"], ["p q r s", "t u v w", "x y z"]
    columns = columns_of([*column(0, *left), *column(150, *right)])
    assert [text_of(words).split("\n") for words in columns] == [left, right]
    assert len(columns_of([*column(0, *left), *column(150, *right), *column(300, *right)])) == 3
    assert columns_of([]) == [[]]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["Name", "Place", "Day", "Hour"], ["a b c d", "e f g h", "i j k l", "m n o p"]),  # a form
        (["a b c d", "e f g h"], ["i j k l", "m n o p"]),  # too little to tell
        (["a b c d e f g h i j", "k", "l m n", "o p"], ["q r s t", "u v w", "x y z", "1 2 3"]),  # terms of any length
    ],
)
def test_what_is_no_running_text_is_read_across(left, right):
    place = 30 * max(len(line.split()) for line in left) + 30
    assert len(columns_of([*column(0, *left), *column(place, *right)])) == 1


def test_print_size_is_that_of_most_letters():
    words = [Word("Large", (0, 0, 9, 9), 20.0), Word("small print", (0, 0, 9, 9), 10.0), Word("x", (0, 0, 1, 1))]
    assert print_size(words) == 10 and print_size(words[2:]) is None and print_size([]) is None


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("a hyphen-\nated word", "a hyphenated word"),
        ("a hyphen\u00ad\nated wo\u00adrd", "a hyphenated word"),
        ("state-of-the-\nart", "state-of-the-art"),
        ("New-\nYork", "New-York"),
        ("from 10-\n20", "from 10-20"),
        ("a dash -\nhere", "a dash - here"),
        ("short-\nand long-term", "short- and long-term"),
        ("Vor-\nund Nachteile", "Vor- und Nachteile"),
        ("a signal-\nto-noise ratio", "a signal-to-noise ratio"),
        ("the \u00abinter-\nnational\u00bb", "the \u00abinternational\u00bb"),
        ("na\u0308h-\nen", "na\u0308hen"),
        ("under-\norder", "underorder"),
        ("\u6f22\u5b57\n\u304b\u306a\nlatin", "\u6f22\u5b57\u304b\u306a latin"),
        ("", ""),
    ],
)
def test_lines_are_joined_as_their_language_joins_them(text, joined):
    assert join_lines(text) == joined
