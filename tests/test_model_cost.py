"""The sums of model_cost.py against torch's own counter and the literature."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from backbone.deit import DEIT_SIZES, deit_dimensions
from backbone.model_cost import multiply_adds, num_parameters
from backbone.vit import VisionTransformer, VitDimensions

WIDE = VitDimensions(image_size_hw=(32, 64), patch_size=8, embed_dim=32, depth=2, num_heads=2, mlp_ratio=3)
HEADLESS = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=1, num_heads=2, num_classes=0)


@pytest.mark.parametrize(
    "dims", [*DEIT_SIZES.values(), WIDE, HEADLESS], ids=[*DEIT_SIZES, "not_square", "without_head"]
)
def test_sums_equal_what_torch_counts(dims):
    with torch.device("meta"):
        model = VisionTransformer(dims).eval()
        images = torch.empty(1, 3, *dims.image_size_hw)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(images) if dims.num_classes else model.forward_features(images)
    assert 2 * multiply_adds(dims) == counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "billions", "millions"),
    [
        ("deit_tiny_patch16_224", 1.25, 5.7),
        ("deit_small_patch16_224", 4.60, 22.1),
        ("deit_base_patch16_224", 17.56, 86.6),
    ],
)
def test_published_sizes(name, billions, millions):
    """Multiply-adds with attention; the paper's 5 M, 22 M and 86 M parameters (arXiv:2012.12877, Table 1)."""
    dims = deit_dimensions(name)
    assert multiply_adds(dims) / 1e9 == pytest.approx(billions, abs=0.006)
    assert num_parameters(dims) / 1e6 == pytest.approx(millions, abs=0.06)
