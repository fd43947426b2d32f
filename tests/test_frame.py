import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.frame import PageFrame

COORDINATE = st.floats(-1e4, 1e4)


@settings(deadline=None)
@given(
    st.tuples(COORDINATE, COORDINATE),
    st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)),
    st.sampled_from([0, 90, 180, 270]),
    st.floats(0.1, 100),
    st.tuples(*[COORDINATE] * 4),
)
def test_boxes_round_trip(origin, size, rotation, unit, corners):
    frame = PageFrame(*origin, origin[0] + size[0], origin[1] + size[1], rotation, unit)
    box = np.array([[min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2])]])
    np.testing.assert_allclose(frame.to_user_space(frame.to_display(box)), box, atol=1e-6)


@pytest.mark.parametrize(
    ("rotation", "shown"),
    [(0, [0, 50, 10, 70]), (90, [0, 0, 20, 10]), (180, [90, 0, 100, 20]), (270, [50, 90, 70, 100])],
)
def test_bottom_left_corner_turns_clockwise_with_the_page(rotation, shown):
    frame = PageFrame(200, -30, 300, 40, rotation)  # 100 wide, 70 high
    assert frame.size == ((100, 70) if rotation in (0, 180) else (70, 100))
    np.testing.assert_allclose(frame.to_display([[200, -30, 210, -10]]), [shown])


def test_user_unit_scales_the_page():
    frame = PageFrame(10, 10, 110, 60, 0, user_unit=2)
    assert frame.size == (200, 100)
    np.testing.assert_allclose(frame.to_display([[10, 50, 20, 60]]), [[0, 0, 20, 20]])


def test_no_boxes_give_no_boxes():
    frame = PageFrame(0, 0, 10, 20, 90)
    assert frame.to_display(np.zeros((0, 4))).shape == (0, 4)
    assert frame.to_user_space([]).shape == (0, 4)
