"""Lines that a detector's boxes leave out, given to the paragraphs they go on."""

from __future__ import annotations

import numpy as np
import pytest

from layoutdeit.orphan_lines import adopt_lines
from layoutdeit.reading import Word, text_of, words_in


def line(name: str, y: float, *, x: float = 0, num_words: int = 4, size: float = 10.0) -> list[Word]:
    """Words of 27 points, 3 apart, of a font whose lines are 1.2 times as high as its letters."""
    boxes = [(x + 30 * place, y, x + 30 * place + 27, y + size) for place in range(num_words)]
    return [
        Word(f"{name}{place}", box, 1.2 * size, (box[0], y - 0.1 * size, box[2], y + 1.1 * size))
        for place, box in enumerate(boxes)
    ]


PARAGRAPH = [word for row in range(4) for word in line(f"p{row}", 14 * row)]
BOX = [0, 0, 117, 52]


def grown(extra: list[Word], *, boxes: list = [BOX], labels: str = "text", scores: tuple = (0.9, 0.8)) -> list[str]:  # noqa: B006
    """First words of the lines of each box."""
    words = PARAGRAPH + extra
    held = [words_in(box, words) for box in boxes]
    names = labels.split()
    found = adopt_lines(held, np.array(boxes, dtype=float), names, np.array(scores[: len(names)]), words)
    return [" ".join(row.split()[0][:-1] for row in text_of(own).splitlines()) for own in found]


@pytest.mark.parametrize("label", ["text", "list"])
def test_lines_that_go_on_are_adopted_one_after_the_other(label):
    below = line("below", 56) + line("last", 70, num_words=1)
    above = line("above", -14)
    assert grown(below + above, labels=label) == ["above p0 p1 p2 p3 below last"]


@pytest.mark.parametrize(
    "other",
    [
        line("footer", 80),  # two lines further down
        line("large", 56, size=14),
        line("wide", 56, num_words=8),  # over the next column too
        line("left", 56, x=-40, num_words=2),
    ],
)
def test_lines_apart_of_another_size_or_width_stay_out(other):
    assert grown(other + line("after", 70)) == ["p0 p1 p2 p3"]


def test_lines_of_the_next_column_do_not_matter():
    assert grown(line("below", 56, num_words=2) + line("next", 56, x=135)) == ["p0 p1 p2 p3 below"]


def test_words_of_others_are_not_taken():
    below = line("below", 56) + line("last", 70)
    second = [0, 56, 117, 66]
    assert grown(below, boxes=[BOX, second], labels="text title") == ["p0 p1 p2 p3", "below"]
    assert grown(below, boxes=[BOX, second], labels="text figure") == ["p0 p1 p2 p3", "below"]
    both = grown(below, boxes=[[0, 0, 117, 24], [0, 28, 117, 52]], labels="text text")
    assert both == ["p0 p1", "p2 p3 below last"], "each line once"


def test_box_that_is_not_shown_keeps_no_line_from_one_that_is():
    """The app analyses at a low score and shows what is above a higher one: both must say the same."""
    below = line("below", 56)
    for label in ("text", "title", "figure"):
        boxes = [BOX, [0, 56, 117, 66]]
        assert grown(below, boxes=boxes, labels=f"text {label}", scores=(0.9, 0.45))[0] == "p0 p1 p2 p3 below"


def test_single_lines_titles_and_boxes_that_few_see_do_not_grow():
    below = line("below", 56)
    assert grown(below, boxes=[[0, 42, 117, 52]]) == ["p3"]
    assert grown(below, labels="title") == grown(below, scores=(0.3,)) == ["p0 p1 p2 p3"]
    assert adopt_lines([[]], np.array([BOX]), ["text"], np.array([0.9]), []) == [[]]


def test_lines_on_top_of_each_other_end():
    """As a page that means harm has them: no pitch at all."""
    same = [Word(f"w{number}", (0, 0, 100, 10), 12.0) for number in range(50)]
    held = [same[:20]]
    assert len(adopt_lines(held, np.array([BOX]), ["text"], np.array([0.9]), same)[0]) in (20, 50)
