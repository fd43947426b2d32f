"""Corrections laid over what the model found, and what a browser may not send."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from app import corrections, training_set
from layoutdeit.layout import PageLayout, Region

FOUND = (Region("text", 0.9, (10, 10, 90, 30)), Region("list", 0.3, (10, 40, 90, 60)))
PAGE = PageLayout(1, 100, 200, FOUND)


def test_moved_deleted_and_added_regions_are_laid_over_the_page():
    sent = {
        "m0": {"label": "title", "box": [10, 12, 90, 32]},
        "m1": None,
        "u7": {"label": "figure", "box": [0, 100, 50, 150]},
    }
    edits = corrections.from_browser(sent, PAGE)
    regions = corrections.apply(PAGE, edits).regions
    assert [(region.label, region.box) for region in regions] == [
        ("title", (10, 12, 90, 32)),
        ("figure", (0, 100, 50, 150)),
    ]
    assert all(region.corrected and region.score == 1 for region in regions)
    assert corrections.from_browser(corrections.to_browser(edits), PAGE) == edits


def test_untouched_page_stays_as_it_is():
    assert corrections.apply(PAGE, {}) == PAGE


def test_box_is_cut_at_the_edge_of_the_page():
    [region] = corrections.from_browser({"m0": {"label": "text", "box": [-5, 10, 500, 30]}}, PAGE).values()
    assert region.box == (0, 10, 100, 30)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        ["m0"],
        {"../m0": None},
        {"m0": {"label": "script", "box": [0, 0, 9, 9]}},
        {"m0": {"label": ["text"], "box": [0, 0, 9, 9]}},
        {"m0": {"label": "text", "box": [0, 0, "wide", 9]}},
        {"m0": {"label": "text", "box": [0, 0, float("nan"), 9]}},
        {"m0": {"label": "text", "box": [9, 9, 9, 9]}},
        {"m0": {"label": "text", "box": [200, 0, 300, 9]}},
        {"m0": {"label": "text", "box": None}},
    ],
)
def test_what_is_no_box_on_the_page_is_dropped(sent: object):
    assert corrections.from_browser(sent, PAGE) == {}


@pytest.mark.parametrize(("num_pages", "kept_back"), [(1, []), (4, []), (5, [5]), (11, [5, 10])])
def test_every_fifth_page_is_kept_back(num_pages: int, kept_back: list[int]):
    pages = tuple(PageLayout(number, 100, 200) for number in range(1, num_pages + 1))
    train, val = training_set.split(pages)
    assert [page.number for page in val] == kept_back
    assert set(train) | set(val) == set(pages) and not set(train) & set(val)
