"""Ink, its profiles and its ruled lines, on drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest

from layoutdeit.ink import REFERENCE_SIDE, find_ink, runs


def paper(height: int = 800, width: int = REFERENCE_SIDE, level: int = 250) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def test_profiles_count_the_ink_of_a_stretch():
    picture = paper()
    picture[100:110, 50:80] = 0
    ink = find_ink(picture)
    assert ink.size_hw == (800, 600)
    rows = ink.rows(40, 60)  # ten of the thirty columns
    assert rows[100:110].tolist() == [10] * 10 and rows.sum() == 100
    assert ink.columns(105, 300)[50:80].tolist() == [5] * 30


def test_colour_is_ink_and_yellowed_paper_is_not():
    picture = paper()
    picture[:] = (245, 235, 200)
    picture[300:310, 100:200] = (245, 235, 60)  # yellow print: dark only in blue
    ink = find_ink(picture)
    assert ink.rows(0, 600).sum() == 1000


def test_a_blank_page_has_no_ink_and_no_rules():
    ink = find_ink(paper())
    assert ink.rows(0, 600).sum() == 0
    assert ink.rules.shape == (0, 4)


def test_rules_are_long_and_thin():
    picture = paper()
    picture[200:202, 50:350] = 0  # a rule
    picture[300:302, 50:90] = 0  # a dash
    picture[400:440, 50:350] = 0  # a bar
    assert find_ink(picture).rules.tolist() == [[50, 200, 350, 202]]


@pytest.mark.parametrize(
    ("profile", "max_gap", "expected"),
    [
        ("", 0, []),
        ("000", 0, []),
        ("0110", 0, [(1, 3)]),
        ("1101", 0, [(0, 2), (3, 4)]),
        ("1101", 1, [(0, 4)]),
        ("1001", 1, [(0, 1), (3, 4)]),
    ],
)
def test_runs(profile: str, max_gap: int, expected: list[tuple[int, int]]):
    starts, ends = runs(np.array([mark == "1" for mark in profile], dtype=bool), max_gap=max_gap)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == expected


def test_rules_across_span_most_of_a_stretch():
    picture = paper()
    picture[200:202, 50:350] = 0
    picture[300:302, 50:150] = 0
    ink = find_ink(picture)
    assert ink.rules_across(50, 350).tolist() == [[50, 200, 350, 202]]
    assert ink.rules_across(60, 140)[:, 1].tolist() == [200, 300]
    assert ink.rules_across(400, 500).shape == (0, 4)
