import numpy as np
import pytest
import torch
from detector_fixtures import page_target
from PIL import Image

from layoutdeit.engines.base import Target
from layoutdeit.engines.preprocess import (
    prepare_images,
    prepare_targets,
    resized_size_hw,
)

PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1), "size_divisor": 32}


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [((792, 601), (527, 400)), ((601, 792), (400, 527)), ((3000, 100), (800, 27)), ((10_000, 3), (800, 1))],
)
def test_short_side_is_reached_unless_the_long_side_would_pass_its_limit(size_hw, expected):
    assert resized_size_hw(size_hw, 400, 800) == expected


def test_batch_is_padded_with_zeros_to_the_divisor():
    inputs = prepare_images(
        [torch.ones(3, 120, 90), torch.ones(3, 60, 90)], short_side=60, long_side=200, mean=(0, 0, 0), std=(2, 2, 2),
        size_divisor=32,
    )  # fmt: skip
    assert inputs.images.shape == (2, 3, 96, 96)
    assert inputs.sizes_hw == [(80, 60), (60, 90)]
    assert torch.all(inputs.images[0, :, :80, :60] == 0.5)
    assert inputs.images[0, :, 80:].abs().sum() == inputs.images[1, :, 60:].abs().sum() == 0


def test_resize_is_antialiased_like_pillow():
    pixels = (np.random.default_rng(0).random((200, 160, 3)) * 255).astype(np.uint8)
    image = torch.from_numpy(pixels.transpose(2, 0, 1)).float() / 255
    ours = prepare_images([image], short_side=64, long_side=640, **PLAIN).images[0, :, :80, :64]
    pillow = np.asarray(Image.fromarray(pixels).resize((64, 80), Image.Resampling.BILINEAR)).transpose(2, 0, 1) / 255
    assert np.abs(ours.numpy() - pillow).max() < 2 / 255


def test_boxes_travel_to_the_batch_s_frame():
    target = page_target(((10, 20, 50, 61), 1), ((0, 0, 90, 120), 5))
    inputs = prepare_images([torch.rand(3, 120, 90)], short_side=45, long_side=500, **PLAIN)
    entry = prepare_targets([target], inputs, masks=False)[0]
    torch.testing.assert_close(entry.boxes, target.boxes / 2)
    assert entry.masks is None and entry.labels is target.labels


def test_every_image_may_have_its_own_short_side():
    inputs = prepare_images([torch.rand(3, 120, 90)] * 2, short_side=[45, 60], long_side=500, **PLAIN)
    assert inputs.sizes_hw == [(60, 45), (80, 60)]
    assert inputs.scales_xy == [(0.5, 0.5), (60 / 90, 80 / 120)]


def test_masks_default_to_the_boxes():
    inputs = prepare_images([torch.rand(3, 64, 96)], short_side=64, long_side=96, **PLAIN)
    entry = prepare_targets([page_target(((10, 20, 50, 60), 1))], inputs, masks=True)[0]
    assert entry.masks.shape == (1, 64, 96)
    assert entry.masks[0, 20:60, 10:50].all() and entry.masks.sum() == 40 * 40


def test_given_masks_are_resized():
    masks = torch.zeros(1, 64, 96, dtype=torch.bool)
    masks[0, :32] = True
    inputs = prepare_images([torch.rand(3, 64, 96)], short_side=32, long_side=96, **PLAIN)
    target = Target(torch.tensor([[0.0, 0, 96, 64]]), torch.tensor([4]), masks)
    entry = prepare_targets([target], inputs, masks=True)[0]
    assert entry.masks.shape == (1, 32, 48) and entry.masks.sum() == 16 * 48


def test_empty_target_keeps_its_shapes():
    inputs = prepare_images([torch.rand(3, 64, 96)], short_side=64, long_side=96, **PLAIN)
    entry = prepare_targets([page_target()], inputs, masks=True)[0]
    assert entry.boxes.shape == (0, 4) and entry.masks.shape == (0, 64, 96)


def test_no_images_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="at least one image"):
        prepare_images([], short_side=64, long_side=96, **PLAIN)
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        prepare_images([torch.rand(1, 8, 8)], short_side=64, long_side=96, **PLAIN)
