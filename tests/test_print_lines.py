"""Lines of print and their baselines, on drawn pages: apart, touching, with dirt between."""

from __future__ import annotations

import numpy as np
import pytest
from printed_page import CAPITAL, LEFT, PITCH, RIGHT, SMALL, TAIL, blank_page, print_line

from layoutdeit.ink import find_ink
from layoutdeit.print_lines import ASCENT, DESCENT, baselines_of, find_lines, rows_of_text


def page(pitch: int, num_lines: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The rows' ink of that many lines, and the baselines they were set on."""
    picture = blank_page()
    baselines = 100 + pitch * np.arange(num_lines)
    for baseline in baselines:
        print_line(picture, int(baseline))
    return find_ink(picture).rows(LEFT, RIGHT), baselines


@pytest.mark.parametrize("pitch", [PITCH, CAPITAL + TAIL, SMALL + TAIL + 1])
def test_lines_are_found_apart_and_touching(pitch: int):
    """The tails of a line reach into the heads of the next where they are set at 9 or 10 px."""
    counts, baselines = page(pitch)
    starts, ends = find_lines(counts, 1.0)
    np.testing.assert_array_equal(baselines_of(counts, starts, ends), baselines)
    assert (starts < baselines).all() and (ends >= baselines).all() and (starts[1:] >= ends[:-1]).all()


def test_a_line_that_touches_counts_though_it_is_short():
    picture = blank_page()
    for line, right in enumerate((RIGHT, RIGHT, LEFT + 100, RIGHT)):
        print_line(picture, 100 + (CAPITAL + TAIL) * line, right=right)
    counts = find_ink(picture).rows(LEFT, RIGHT)
    starts, ends = find_lines(counts, 1.0)
    assert baselines_of(counts, starts, ends).tolist() == [100, 110, 120, 130]


def test_rules_and_dirt_are_no_lines_and_a_block_is_one():
    counts = np.zeros(200, dtype=np.int64)
    counts[20:22] = 240  # a ruled line
    counts[50] = 3
    counts[80:130] = 200  # black from edge to edge
    assert [side.tolist() for side in find_lines(counts, 1.0)] == [[80], [130]]
    assert [side.tolist() for side in find_lines(np.zeros(0, dtype=np.int64), 1.0)] == [[], []]


def test_only_lines_that_reach_into_the_given_rows():
    counts, baselines = page(PITCH)
    starts, _ = find_lines(counts, 1.0, low=112, high=130)
    assert starts.tolist() == (baselines[1:4] - CAPITAL).tolist()


def test_twice_the_size_has_twice_the_rows():
    """find_lines is told how large the picture is."""
    counts, baselines = page(CAPITAL + TAIL)
    large = np.repeat(counts, 2) * 2
    starts, ends = find_lines(large, 2.0)
    assert baselines_of(large, starts, ends).tolist() == (2 * baselines).tolist()


def test_a_text_reaches_from_ascent_to_descent():
    top, bottom = rows_of_text(np.array([93, 105]), np.array([100, 112]))
    assert (top, bottom) == pytest.approx((100 - 7 * ASCENT, 112 + 7 * DESCENT))
