"""What the backbone looks at, against attention written out and against pages whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from backbone.vit import VisionTransformer, VitDimensions
from layoutdeit.attention import CLASS, DARKEST, DISTILLATION, attention_map, draw_attention, token_names
from layoutdeit.config import BackboneConfig, DetectorConfig, InputConfig
from layoutdeit.engines.torchvision_engine import TorchvisionDetector

SIDE = 64


def small_detector(name: str = "deit_tiny_patch16_224") -> TorchvisionDetector:
    """Random weights; pages of 64 px."""
    torch.manual_seed(3)
    return TorchvisionDetector(
        DetectorConfig(
            backbone=BackboneConfig(name=name, grid_size_px=(SIDE, SIDE), drop_path=0.0),
            channels=16,
            input=InputConfig(short_side=SIDE, long_side=2 * SIDE, train_short_sides=[SIDE]),
        )
    )


def test_weights_are_those_the_block_uses():
    torch.manual_seed(0)
    vit = VisionTransformer(VitDimensions(embed_dim=32, depth=3, num_heads=4, image_size_hw=(32, 48), num_classes=0))
    images = torch.rand(2, 3, 32, 48)
    rows = torch.arange(7)
    weights = vit.attention_weights(images, 1, rows)  # (2, 4, 7, 7)
    assert weights.shape == (2, 4, 7, 7)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 4, 7))
    seen = []
    vit.blocks[1].attn.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    vit.forward_features(images)
    tokens, expected = seen[0]
    attention = vit.blocks[1].attn
    values = attention.qkv(tokens)[..., 64:].unflatten(-1, (4, 8)).transpose(1, 2)  # (2, 4, 7, 8)
    assert torch.allclose(attention.proj((weights @ values).transpose(1, 2).flatten(2)), expected, atol=1e-6)
    with pytest.raises(ValueError, match="no block 3"):
        vit.attention_weights(images, 3, rows)


def test_map_covers_the_page_and_not_its_padding():
    detector = small_detector()
    weights = attention_map(detector, torch.rand(3, 100, 70), CLASS)  # becomes 91 x 64, padded to 96 x 64
    assert weights.shape == (6, 4) and weights.dtype == np.float32
    assert 0 < weights.sum() <= 1 + 1e-6
    first = attention_map(detector, torch.rand(3, 100, 70), CLASS, block=0)
    assert first.shape == (6, 4)
    assert detector.training, "the mode was changed"


def test_a_box_starts_from_its_own_patches():
    detector = small_detector()
    image = torch.rand(3, SIDE, SIDE)
    one = attention_map(detector, image, (17.0, 33.0, 30.0, 47.0))  # inside the patch of row 2, column 1
    vit = detector.backbone.eval()
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (detector.config.input.mean, detector.config.input.std)
    )
    rows = torch.tensor([1 + 2 * 4 + 1])
    with torch.no_grad():
        expected = vit.attention_weights(((image - mean) / std)[None], 11, rows)[0, :, 0, 1:].mean(0).reshape(4, 4)
    assert np.allclose(one, expected, atol=1e-7)
    outside = attention_map(detector, image, (-5.0, 60.0, 500.0, 500.0))  # the last row of patches
    assert outside.shape == (4, 4)


def test_tokens_are_those_of_the_backbone():
    assert token_names(small_detector()) == (CLASS,)
    distilled = small_detector("deit_tiny_distilled_patch16_224")
    assert token_names(distilled) == (CLASS, DISTILLATION)
    image = torch.rand(3, SIDE, SIDE)
    assert not np.array_equal(attention_map(distilled, image, CLASS), attention_map(distilled, image, DISTILLATION))
    with pytest.raises(ValueError, match="distillation token"):
        attention_map(small_detector(), image, DISTILLATION)


def test_picture_is_bright_where_attention_is():
    weights = np.zeros((4, 2))
    weights[3, 1] = 1.0
    drawn = np.asarray(draw_attention(Image.new("RGB", (40, 80), "white"), weights))
    assert drawn.shape == (80, 40, 3)
    assert drawn[75, 35].min() > 240 and drawn[5, 5].max() <= round(255 * DARKEST) + 1
    nothing = np.asarray(draw_attention(Image.new("RGB", (40, 80), "white"), np.zeros((4, 2))))
    assert nothing.max() <= round(255 * DARKEST) + 1
