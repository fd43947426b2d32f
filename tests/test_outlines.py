import numpy as np
import pytest
from pycocotools import mask as mask_codec

from layoutdeit.outlines import draw_masks, is_box, rle_polygons


def to_arrays(polygons):
    return [np.array(polygon, np.float32).reshape(-1, 2) for polygon in polygons]


def some_masks():
    rng = np.random.default_rng(0)
    full, steps = np.ones((5, 4), bool), np.zeros((40, 30), bool)
    steps[5:20, 3:25] = steps[20:30, 3:12] = True
    steps[8:10, 6:9] = False  # a hole
    return [full, steps, rng.random((17, 9)) < 0.4, np.eye(6, dtype=bool)]


@pytest.mark.parametrize("mask", some_masks(), ids=["full", "steps", "noise", "diagonal"])
@pytest.mark.parametrize("is_text", [True, False])
def test_run_lengths_become_rectangles_that_cover_the_same_pixels(mask, is_text):
    if is_text:
        counts = mask_codec.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    else:
        flat = mask.ravel(order="F")
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
        counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    polygons = rle_polygons(counts, mask.shape)
    drawn = draw_masks([to_arrays(polygons)], np.zeros((1, 4)), mask.shape)
    np.testing.assert_array_equal(drawn[0], mask)


def test_a_paragraph_takes_few_rectangles():
    mask = np.zeros((60, 50), bool)
    mask[10:40, 5:45] = mask[40:50, 5:20] = True
    counts = mask_codec.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert len(rle_polygons(counts, mask.shape)) == 2


def test_an_empty_mask_has_no_polygons_and_broken_ones_are_refused():
    assert rle_polygons([20], (5, 4)) == []
    with pytest.raises(ValueError, match="runs for 7"):
        rle_polygons([3, 4], (5, 4))
    with pytest.raises(ValueError, match="middle of a number"):
        rle_polygons("o", (5, 4))
    for text in ("é", " 4", "o" * 14 + "0"):
        with pytest.raises(ValueError, match="have no number"):
            rle_polygons(text, (5, 4))
    with pytest.raises(ValueError, match="of no page"):
        rle_polygons([], (0, 0))


def test_polygons_are_drawn_as_pycocotools_draws_them_and_boxes_stand_in():
    l_shape = [2, 2, 30, 2, 30, 12, 14.5, 12, 14.5, 25, 2, 25]
    island = [20, 16, 28, 16, 28, 24]
    drawn = draw_masks([to_arrays([l_shape, island]), []], np.array([[2, 2, 30, 25], [5, 6, 9, 16]]), (30, 40))
    reference = mask_codec.decode(mask_codec.merge(mask_codec.frPyObjects([l_shape, island], 30, 40)))
    np.testing.assert_array_equal(drawn[0], reference.astype(bool))
    assert drawn[1].sum() == 40 and drawn[1][6:16, 5:9].all()
    assert draw_masks([], np.zeros((0, 4)), (3, 4)).shape == (0, 3, 4)


def test_outlines_reaching_out_of_the_frame_are_cut():
    drawn = draw_masks([to_arrays([[-20, -5, 10, -5, 10, 50, -20, 50]])], np.zeros((1, 4)), (20, 15))
    expected = np.zeros((20, 15), bool)
    expected[:, :10] = True
    np.testing.assert_array_equal(drawn[0], expected)


@pytest.mark.parametrize(
    ("polygon", "answer"),
    [
        ([10, 20, 40, 20, 40, 50, 10, 50], True),
        ([10, 20, 10, 50, 40, 50, 40, 20, 10, 20], True),  # the other way round, closed
        ([10, 20, 40, 20, 40, 50, 12, 50], False),
        ([10, 20, 40, 50, 40, 20, 10, 20], False),  # three corners only
        ([10, 20, 40, 20, 40, 50], False),
    ],
)
def test_only_the_four_corners_are_a_box(polygon, answer):
    assert is_box(polygon, [10, 20, 30, 30]) is answer
    assert not is_box(polygon, None)
