"""The published models: sizes as published, outputs as timm's from the same weights."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from backbone.deit import DEIT_SIZES, IMAGENET_MEAN, IMAGENET_STD, build_deit, deit_dimensions

PARAMETER_COUNTS = {
    "deit_tiny_patch16_224": 5_717_416,
    "deit_small_patch16_224": 22_050_664,
    "deit_base_patch16_224": 86_567_656,
    "deit_tiny_distilled_patch16_224": 5_910_800,
    "deit_small_distilled_patch16_224": 22_436_432,
    "deit_base_distilled_patch16_224": 87_338_192,
    "deit_base_patch16_384": 86_859_496,
    "deit_base_distilled_patch16_384": 87_630_032,
    "deit_large_patch16_224": 304_326_632,
}
TIMM_NAMES = {"deit_large_patch16_224": "vit_large_patch16_224"}  # DeiT-III's without LayerScale is a plain ViT


def randomize(model: nn.Module, seed: int) -> None:
    """Give every parameter noise, so that no zero bias or unit scale hides a difference."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.empty_like(parameter).normal_(std=0.02, generator=generator)
            parameter.copy_(1 + noise if "norm" in name and name.endswith("weight") else noise)


def test_all_published_models_are_here():
    assert DEIT_SIZES.keys() == PARAMETER_COUNTS.keys()


@pytest.mark.parametrize("name", PARAMETER_COUNTS)
def test_parameter_counts_are_the_published_ones(name: str):
    with torch.device("meta"):
        model = build_deit(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETER_COUNTS[name]


@pytest.mark.parametrize("name", PARAMETER_COUNTS)
def test_logits_equal_timm(name: str):
    reference = timm.create_model(TIMM_NAMES.get(name, name), pretrained=False).eval()
    randomize(reference, seed=0)
    with torch.device("meta"):
        model = build_deit(name).eval()
    model.load_state_dict(reference.state_dict(), strict=True, assign=True)
    images = torch.randn(1, 3, *model.dimensions.image_size_hw, generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        expected, logits = reference(images), model(images)

    assert logits.shape == (1, 1000) and logits.std() > 0.1
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_training_logits_of_both_heads_equal_timm():
    name = "deit_tiny_distilled_patch16_224"
    reference = timm.create_model(name, pretrained=False)
    reference.set_distilled_training(True)
    randomize(reference, seed=0)
    model = build_deit(name)
    model.load_state_dict(reference.state_dict(), strict=True)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        for logits, expected in zip(model.train()(images), reference.train()(images), strict=True):
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_initial_weights_are_spread_as_in_timm():
    """Same spread per parameter as the reference's own start; the values are random."""
    name = "deit_tiny_distilled_patch16_224"
    reference = dict(timm.create_model(name, pretrained=False).named_parameters())
    for key, parameter in build_deit(name).named_parameters():
        if key in ("cls_token", "head.weight", "head_dist.weight"):
            continue  # timm starts these at 1e-6 or 0; the official code at .02, as here
        assert parameter.std().item() == pytest.approx(reference[key].std().item(), abs=3e-3), key


def test_dimensions_can_be_changed_by_name():
    model = build_deit("deit_tiny_distilled_patch16_224", num_classes=10, image_size_hw=(64, 32), patch_size=8, depth=2)
    assert len(model.blocks) == 2
    assert model.pos_embed.shape == (1, 2 + 8 * 4, 192)
    assert model.head_dist.weight.shape == (10, 192)
    assert model.eval()(torch.randn(1, 3, 64, 32)).shape == (1, 10)


def test_unknown_model_or_dimension_is_named():
    with pytest.raises(ValueError, match=r"unknown model 'deit_huge'.*deit_tiny_patch16_224"):
        build_deit("deit_huge")
    with pytest.raises(TypeError, match="embed_dims"):
        deit_dimensions("deit_tiny_patch16_224", embed_dims=3)


def test_normalisation_is_imagenets():
    config = timm.create_model("deit_tiny_patch16_224", pretrained=False).pretrained_cfg
    assert config["mean"] == IMAGENET_MEAN and config["std"] == IMAGENET_STD
