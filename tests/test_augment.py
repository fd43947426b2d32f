import numpy as np
import pytest

from layoutdeit.augment import Page, augment_page, random_crop, random_shade, random_stretch
from layoutdeit.config import DataConfig
from layoutdeit.outlines import draw_masks


def drawn_page(height=300, width=220):
    """A white page with black boxes, so that boxes can be read back from the pixels."""
    image = np.full((height, width, 3), 255, np.uint8)
    boxes = np.array([[20, 30, 120, 60], [40, 150, 200, 260]], np.float32)
    for x0, y0, x1, y1 in boxes.astype(int):
        image[y0:y1, x0:x1] = 0
    return Page(image, boxes, np.array([1, 4]), [[], [corners(boxes[1])]])


def corners(box):
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def assert_boxes_are_where_the_ink_is(image, boxes, tolerance_px=1.5):
    ink = image.mean(2) < 128
    for x0, y0, x1, y1 in boxes:
        rows = np.flatnonzero(ink[round(y0) + 2 : round(y1) - 2, round(x0) + 2 : round(x1) - 2].any(1))
        assert len(rows) >= (y1 - y0) - 6
    covered = np.zeros_like(ink)
    for x0, y0, x1, y1 in boxes:
        x0, y0 = np.floor([x0 - tolerance_px, y0 - tolerance_px]).clip(0).astype(int)
        covered[y0 : int(y1 + tolerance_px) + 1, x0 : int(x1 + tolerance_px) + 1] = True
    assert not (ink & ~covered).any()


def assert_masks_are_where_the_ink_is(page):
    for mask, box in zip(draw_masks(page.outlines, page.boxes, page.size_hw), page.boxes, strict=True):
        if min(box[2:] - box[:2]) > 4:
            assert page.image[mask].mean() < 40


def test_stretch_moves_boxes_and_outlines_with_the_ink():
    shapes = set()
    for seed in range(20):
        page = random_stretch(drawn_page(), np.random.default_rng(seed))
        assert_boxes_are_where_the_ink_is(page.image, page.boxes)
        assert_masks_are_where_the_ink_is(page)
        shapes.add(page.image.shape)
    assert len(shapes) > 5


def test_crop_keeps_visible_boxes_with_their_labels():
    counts = set()
    for seed in range(30):
        page = random_crop(drawn_page(), (100, 180), np.random.default_rng(seed))
        height, width = page.size_hw
        assert 100 <= height <= 180 and 100 <= width <= 180
        assert len(page.boxes) == len(page.labels) == len(page.outlines) and set(page.labels) <= {1, 4}
        assert (page.boxes >= 0).all() and (page.boxes[:, 2] <= width).all() and (page.boxes[:, 3] <= height).all()
        for x0, y0, x1, y1 in page.boxes.astype(int):
            assert page.image[y0:y1, x0:x1].mean() < 10
        assert_masks_are_where_the_ink_is(page)
        counts.add(len(page.labels))
    assert {1, 2} <= counts or {0, 1} <= counts


def test_crop_of_a_page_smaller_than_the_range_is_the_page():
    page = random_crop(drawn_page(60, 50).selected(np.array([False, False])), (384, 600), np.random.default_rng(0))
    assert page.size_hw == (60, 50)


def test_the_published_crop_is_cut_from_a_page_of_one_of_three_sizes():
    """Sides as in detectron2's ResizeShortestEdge([400, 500, 600]) and RandomCrop("absolute_range", (384, 600))."""
    config = DataConfig(root=".", augmentation="published")
    kept, scales = 0, []
    for seed in range(400):
        whole = drawn_page()  # 300 x 220: at 400, 500 and 600 px of the short side 545, 682 and 818 high
        page = augment_page(whole, config, np.random.default_rng(seed))
        if page is whole:
            kept += 1
            continue
        height, width = page.size_hw
        assert 384 <= height <= 600 and 384 <= width <= 600
        assert_boxes_are_where_the_ink_is(page.image, page.boxes, tolerance_px=3)
        assert_masks_are_where_the_ink_is(page)
        assert (page.boxes[:, 2:] > page.boxes[:, :2]).all()
        whole_widths = page.boxes[:, 2] - page.boxes[:, 0]
        scales += [w / 100 for w, label in zip(whole_widths, page.labels, strict=True) if label == 1 and w > 180]
    assert 160 < kept < 240  # half
    found = {min((400, 500, 600), key=lambda side: abs(side / 220 - scale)) for scale in scales}
    assert found == {400, 500, 600}


def test_shade_keeps_the_range_and_the_contrast():
    image = drawn_page().image
    for seed in range(20):
        shaded = random_shade(image, np.random.default_rng(seed))
        assert shaded.dtype == np.uint8 and shaded.shape == image.shape
        assert int(shaded[0, 0].mean()) - int(shaded[40, 40].mean()) > 100


@pytest.mark.parametrize("augmentation", ["varied", "published"])
def test_empty_page_stays_empty(augmentation):
    page = drawn_page().selected(np.array([False, False]))
    for seed in range(8):
        config = DataConfig(root=".", augmentation=augmentation)
        out = augment_page(page, config, np.random.default_rng(seed))
        assert out.boxes.shape == (0, 4) and len(out.labels) == len(out.outlines) == 0
