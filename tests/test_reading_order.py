import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.reading_order import reading_order

# Pages by name of their regions, in the order they should be read.
PAGES = {
    "two columns, a title above, a table across below": {
        "title": [50, 10, 550, 40], "left": [50, 60, 290, 300], "low left": [50, 310, 290, 500],
        "right": [310, 55, 550, 200], "table": [50, 520, 550, 600], "after": [310, 620, 550, 700],
    },
    "a figure across the middle": {
        "l1": [50, 40, 290, 200], "l2": [50, 210, 290, 400], "r1": [310, 40, 550, 120], "r2": [310, 130, 550, 400],
        "figure": [50, 420, 550, 600], "caption": [50, 610, 550, 630], "l3": [50, 650, 290, 700],
        "r3": [310, 650, 550, 700],
    },
    "three columns, a figure over two of them": {
        "title": [50, 10, 550, 30], "a1": [50, 40, 200, 300], "a2": [50, 310, 200, 600],
        "figure": [220, 40, 550, 200], "b": [220, 210, 370, 600], "c": [400, 210, 550, 600],
    },
    "an indented list": {
        "p": [50, 40, 290, 100], "list": [70, 105, 280, 200], "q": [50, 205, 290, 400], "r": [310, 40, 550, 400],
    },
    "two figures side by side and their caption": {
        "f1": [50, 40, 290, 200], "f2": [310, 40, 550, 200], "caption": [50, 210, 550, 230],
        "x": [50, 250, 290, 300], "y": [310, 250, 550, 300],
    },
    "a short title in the middle above three columns, the page's number below": {
        "title": [240, 40, 350, 70], "a": [50, 100, 200, 600], "b": [220, 100, 370, 600], "c": [390, 100, 540, 600],
        "number": [285, 640, 305, 650],
    },
    "one column": {"h": [50, 40, 200, 60], "p": [50, 70, 550, 200], "q": [50, 210, 550, 300]},
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("seed", range(3))
def test_pages_are_read_as_people_read_them(page, seed):
    names = list(PAGES[page])
    shuffled = np.random.default_rng(seed).permutation(len(names))
    boxes = [PAGES[page][names[index]] for index in shuffled]
    assert [names[shuffled[index]] for index in reading_order(boxes)] == names


def test_many_boxes_take_no_memory_of_their_cube():
    boxes = np.random.default_rng(0).uniform(0, 600, (400, 4))
    boxes[:, 2:] = boxes[:, :2] + 5
    tracemalloc.start()
    assert len(reading_order(boxes)) == 400
    assert tracemalloc.get_traced_memory()[1] < 20e6  # of 400 ** 3 booleans it would be 64
    tracemalloc.stop()


def test_no_regions_no_order():
    assert reading_order(np.zeros((0, 4))) == []


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=12))
def test_order_has_every_box_once(corners):
    boxes = [(x, y, x + w, y + h) for x, y, w, h in corners]
    assert sorted(reading_order(np.array(boxes).reshape(-1, 4))) == list(range(len(boxes)))
