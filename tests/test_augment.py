import numpy as np

from layoutdeit.augment import augment_page, random_crop, random_shade, random_stretch
from layoutdeit.config import DataConfig


def drawn_page(height=300, width=220):
    """A white page with black boxes, so that boxes can be read back from the pixels."""
    image = np.full((height, width, 3), 255, np.uint8)
    boxes = np.array([[20, 30, 120, 60], [40, 150, 200, 260]], np.float32)
    for x0, y0, x1, y1 in boxes.astype(int):
        image[y0:y1, x0:x1] = 0
    return image, boxes, np.array([1, 4])


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


def test_stretch_moves_boxes_with_the_ink():
    image, boxes, _ = drawn_page()
    shapes = set()
    for seed in range(20):
        stretched, moved = random_stretch(image, boxes, np.random.default_rng(seed))
        assert_boxes_are_where_the_ink_is(stretched, moved)
        shapes.add(stretched.shape)
    assert len(shapes) > 5


def test_crop_keeps_visible_boxes_with_their_labels():
    image, boxes, labels = drawn_page()
    counts = set()
    for seed in range(30):
        cropped, moved, kept = random_crop(image, boxes, labels, (100, 180), np.random.default_rng(seed))
        assert 100 <= cropped.shape[0] <= 180 and 100 <= cropped.shape[1] <= 180
        assert len(moved) == len(kept) and set(kept) <= {1, 4}
        assert (
            (moved >= 0).all() and (moved[:, 2] <= cropped.shape[1]).all() and (moved[:, 3] <= cropped.shape[0]).all()
        )
        for x0, y0, x1, y1 in moved.astype(int):
            assert cropped[y0:y1, x0:x1].mean() < 10
        counts.add(len(kept))
    assert {1, 2} <= counts or {0, 1} <= counts


def test_crop_of_a_page_smaller_than_the_range_is_the_page():
    image, boxes, labels = drawn_page(60, 50)
    cropped, _, _ = random_crop(image, boxes[:0], labels[:0], (384, 600), np.random.default_rng(0))
    assert cropped.shape == image.shape


def test_shade_keeps_the_range_and_the_contrast():
    image, _, _ = drawn_page()
    for seed in range(20):
        shaded = random_shade(image, np.random.default_rng(seed))
        assert shaded.dtype == np.uint8 and shaded.shape == image.shape
        assert int(shaded[0, 0].mean()) - int(shaded[40, 40].mean()) > 100


def test_empty_page_stays_empty():
    image, boxes, labels = drawn_page()
    for seed in range(8):
        out = augment_page(image, boxes[:0], labels[:0], DataConfig(root="."), np.random.default_rng(seed))
        assert out[1].shape == (0, 4) and len(out[2]) == 0
