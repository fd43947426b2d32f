"""Ink, its profiles and its ruled lines, on drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest

from layoutdeit.ink import REFERENCE_SIDE, find_ink, paper_level, runs


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


def printed() -> np.ndarray:
    """Twenty lines of words, and a dark photograph over a quarter of the page."""
    picture = paper()
    for top in range(60, 760, 35):
        for left in range(40, 540, 60):
            picture[top : top + 9, left : left + 45] = 30
    picture[420:760, 320:580] = 90
    return picture


@pytest.mark.parametrize("darkest", [0.8, 0.55])
@pytest.mark.parametrize("side", ["below", "right", "fold"])
def test_a_shadow_over_the_page_is_no_ink(side, darkest):
    down, across = np.mgrid[0:1:800j, 0:1:600j]
    depth = {"below": down, "right": (across + down) / 2, "fold": (2 * across - 1) ** 2}[side]
    light = 1 - (1 - darkest) * depth
    shaded = (printed() * light[..., None]).astype(np.uint8)
    assert np.array_equal(find_ink(shaded).along_x, find_ink(printed()).along_x)
    level = paper_level(shaded.min(axis=2))
    assert np.shape(level) == (800, 600) and np.abs(level - 250 * light).max() < 15


def test_evenly_lit_pages_have_one_level_whatever_is_on_them():
    pictures = [paper(), printed(), paper(4, 4), paper(800, 30), paper(level=20)]
    photograph = paper()
    photograph[250:] = 60  # most of the page
    half = paper()
    half[:, 300:] = np.linspace(250, 30, 300, dtype=np.uint8)[None, :, None]  # a picture of a gradient
    assert [np.ndim(paper_level(each.min(axis=2))) for each in (*pictures, photograph, half)] == [0] * 7


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
