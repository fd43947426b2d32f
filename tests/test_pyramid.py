import pytest
import torch

from backbone.deit import build_deit
from layoutdeit.pyramid import STRIDES, DeitPyramid


def make_pyramid(**changes) -> DeitPyramid:
    torch.manual_seed(0)
    backbone = build_deit("deit_tiny_patch16_224", num_classes=0, image_size_hw=(96, 64), **changes)
    return DeitPyramid(backbone, channels=8)


def test_maps_have_strides_4_to_64_on_a_non_square_page():
    maps = make_pyramid()(torch.rand(2, 3, 160, 96))
    assert list(maps) == ["p2", "p3", "p4", "p5", "p6"]
    for stride, level in zip(STRIDES, maps.values(), strict=True):
        assert level.shape == (2, 8, -(-160 // stride), -(-96 // stride))


@pytest.mark.parametrize(("depth", "expected"), [(12, [3, 5, 7, 11]), (24, [7, 11, 15, 23])])
def test_features_are_taken_after_a_third_half_two_thirds_and_all_blocks(depth, expected):
    assert make_pyramid(depth=depth).block_indices == expected


def test_too_shallow_a_backbone_is_refused():
    with pytest.raises(ValueError, match="depth 3 is too small"):
        make_pyramid(depth=3)


def test_every_parameter_of_the_pyramid_is_trained():
    pyramid = make_pyramid()
    sum(level.sum() for level in pyramid(torch.rand(2, 3, 64, 64)).values()).backward()
    idle = {name for name, parameter in pyramid.named_parameters() if parameter.grad is None}
    assert idle == {"bottom_up.norm.weight", "bottom_up.norm.bias"}  # the engine replaces it by an identity
