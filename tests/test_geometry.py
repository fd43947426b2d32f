import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit import geometry

SIDE = st.integers(0, 1000)
BOXES = st.lists(
    st.tuples(SIDE, SIDE, SIDE, SIDE).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    ),
    max_size=6,
).map(lambda boxes: np.array(boxes, dtype=float).reshape(-1, 4))
SIZE = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@settings(deadline=None)
@given(BOXES)
def test_formats_round_trip(boxes):
    np.testing.assert_array_equal(geometry.xywh_to_xyxy(geometry.xyxy_to_xywh(boxes)), boxes)


def test_xywh_is_corner_and_size():
    np.testing.assert_array_equal(geometry.xyxy_to_xywh([[1, 2, 5, 10]]), [[1, 2, 4, 8]])


@settings(deadline=None)
@given(BOXES, BOXES)
def test_iou_is_symmetric_and_between_0_and_1(a, b):
    overlap = geometry.iou(a, b)
    assert overlap.shape == (len(a), len(b))
    assert ((overlap >= 0) & (overlap <= 1)).all()
    np.testing.assert_allclose(overlap, geometry.iou(b, a).T)


@settings(deadline=None)
@given(BOXES)
def test_a_box_is_itself(boxes):
    has_area = geometry.areas(boxes) > 0
    np.testing.assert_allclose(np.diag(geometry.iou(boxes, boxes))[has_area], 1)
    np.testing.assert_allclose(np.diag(geometry.containment(boxes, boxes))[has_area], 1)


def test_overlap_of_known_boxes():
    a, b = [[0, 0, 10, 10]], [[5, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4]]
    np.testing.assert_allclose(geometry.intersections(a, b), [[50, 0, 4]])
    np.testing.assert_allclose(geometry.iou(a, b), [[50 / 150, 0, 0.04]])
    np.testing.assert_allclose(geometry.containment(b, a), [[0.5], [0], [1]])


def test_inverted_and_empty_boxes_have_no_area():
    np.testing.assert_array_equal(geometry.areas([[5, 5, 1, 9], [3, 3, 3, 8]]), [0, 0])
    np.testing.assert_array_equal(geometry.iou([[3, 3, 3, 3]], [[3, 3, 3, 3]]), [[0]])


@settings(deadline=None)
@given(BOXES, SIZE)
def test_clipped_boxes_are_in_the_frame(boxes, size):
    clipped = geometry.clip(boxes - 100, *size)
    assert (clipped >= 0).all() and (clipped <= [*size, *size]).all()


@settings(deadline=None)
@given(BOXES, SIZE, SIZE)
def test_pixels_and_points_round_trip(boxes, size_px, size_pt):
    points = geometry.pixels_to_points(boxes, size_px, size_pt)
    np.testing.assert_allclose(geometry.points_to_pixels(points, size_px, size_pt), boxes, rtol=1e-9, atol=1e-9)


def test_each_axis_has_its_own_scale():
    points = geometry.pixels_to_points([[10, 10, 100, 200]], (100, 200), (50, 400))
    np.testing.assert_allclose(points, [[5, 20, 50, 400]])


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_boxes_stay_no_boxes(boxes):
    assert geometry.xyxy_to_xywh(boxes).shape == (0, 4)
    assert geometry.clip(boxes, 3, 4).shape == (0, 4)
    assert geometry.iou(boxes, [[0, 0, 1, 1]]).shape == (0, 1)


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        geometry.areas([1, 2, 3, 4])
