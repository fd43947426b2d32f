"""The transformer by itself: any shape, both heads, features for the pyramid, and what training adds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backbone import vit
from backbone.vit import Attention, PatchEmbed, VisionTransformer, VitDimensions

SMALL = {"image_size_hw": (32, 48), "patch_size": 8, "embed_dim": 24, "depth": 4, "num_heads": 3, "num_classes": 5}


def build(*, drop_path: float = 0.0, activation_checkpointing: bool = False, **changes: object) -> VisionTransformer:
    """A model of seconds, always with the same weights; positions large enough to matter."""
    torch.manual_seed(0)
    dimensions = VitDimensions(**{**SMALL, **changes})
    model = VisionTransformer(dimensions, drop_path=drop_path, activation_checkpointing=activation_checkpointing)
    nn.init.normal_(model.pos_embed, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("distilled", [False, True])
@pytest.mark.parametrize("size_hw", [(32, 48), (48, 32), (64, 8), (8, 8)])
def test_any_image_shape_gives_logits_and_tokens(distilled: bool, size_hw: tuple[int, int]):
    model = build(distilled=distilled).eval()
    images = torch.randn(2, 3, *size_hw)
    assert model(images).shape == (2, 5)
    num_tokens = (2 if distilled else 1) + size_hw[0] // 8 * (size_hw[1] // 8)
    assert model.forward_features(images).shape == (2, num_tokens, 24)


def test_empty_batch_gives_no_logits():
    assert build().eval()(torch.zeros(0, 3, 32, 48)).shape == (0, 5)


def test_batch_members_do_not_see_each_other():
    model = build().eval()
    images = torch.randn(3, 3, 32, 48)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]))


@pytest.mark.parametrize("size_hw", [(33, 48), (32, 47)])
def test_image_side_off_the_patch_grid_is_an_error(size_hw: tuple[int, int]):
    with pytest.raises(ValueError, match=r"multiples of 8, got .*pad the image"):
        build()(torch.zeros(1, 3, *size_hw))


def test_dimensions_that_cannot_be_built_are_errors():
    with pytest.raises(ValueError, match="embed_dim 25 is not a multiple of num_heads 3"):
        VitDimensions(**{**SMALL, "embed_dim": 25})
    with pytest.raises(ValueError, match="not a multiple of the patch size 8"):
        VitDimensions(**{**SMALL, "image_size_hw": (30, 48)})


def test_distilled_evaluation_is_the_mean_of_both_heads():
    model = build(distilled=True)
    images = torch.randn(2, 3, 32, 48)
    logits, logits_dist = model.train()(images)
    assert not torch.allclose(logits, logits_dist)
    torch.testing.assert_close(model.eval()(images), (logits + logits_dist) / 2)


def test_without_classes_there_is_no_head():
    model = build(num_classes=0, distilled=True)
    assert not [name for name, _ in model.named_parameters() if name.startswith("head")]
    assert model.forward_features(torch.zeros(1, 3, 32, 48)).shape == (1, 26, 24)
    with pytest.raises(ValueError, match="forward_features"):
        model(torch.zeros(1, 3, 32, 48))


@pytest.mark.parametrize("distilled", [False, True])
def test_intermediate_features_are_maps_in_the_order_asked(distilled: bool):
    model = build(distilled=distilled).eval()
    maps = model.intermediate_features(torch.randn(2, 3, 40, 24), (3, 0))
    assert [features.shape for features in maps] == [(2, 24, 5, 3)] * 2
    first = model.intermediate_features(torch.zeros(1, 3, 40, 24), (0,))[0]
    again = model.intermediate_features(torch.zeros(1, 3, 40, 24), (3, 0))[1]
    torch.testing.assert_close(first, again)


def test_last_intermediate_features_are_the_tokens_before_the_norm():
    model = build(distilled=True).eval()
    images = torch.randn(1, 3, 32, 48)
    last = model.intermediate_features(images, (3,))[0]
    tokens = last.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, H*W, C)
    torch.testing.assert_close(model.norm(tokens), model.forward_features(images)[:, 2:])


@pytest.mark.parametrize("wrong", [4, -1])
def test_features_of_a_block_that_does_not_exist_are_an_error(wrong: int):
    with pytest.raises(ValueError, match=rf"no blocks \[{wrong}\]: the model has blocks 0 to 3"):
        build().intermediate_features(torch.zeros(1, 3, 32, 48), (0, wrong))


def test_patches_are_cut_row_by_row():
    """The map's (row, column) is the patch at that row and column of the image."""
    images = torch.randn(1, 3, 16, 24)
    embed = PatchEmbed(8, 6)
    patch = embed(images[:, :, 8:16, 16:24])
    torch.testing.assert_close(embed(images)[:, :, 1, 2], patch[:, :, 0, 0])


def test_attention_is_softmax_of_scaled_products():
    attention = Attention(12, num_heads=3)
    tokens = torch.randn(2, 5, 12)
    q, k, v = attention.qkv(tokens).reshape(2, 5, 3, 3, 4).permute(2, 0, 3, 1, 4)
    weights = ((q @ k.transpose(-2, -1)) / 4**0.5).softmax(dim=-1)
    expected = attention.proj((weights @ v).transpose(1, 2).reshape(2, 5, 12))
    torch.testing.assert_close(attention(tokens), expected)


def test_stochastic_depth_grows_linearly_to_its_rate():
    rates = [block.drop_path.p for block in build(drop_path=0.3).blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert build(drop_path=0.3, depth=1).blocks[0].drop_path.p == 0


def test_stochastic_depth_drops_whole_samples_in_training_only():
    model = build(drop_path=0.5)
    images = torch.randn(1, 3, 32, 48).expand(64, -1, -1, -1)
    torch.testing.assert_close(model.eval()(images), build().eval()(images))

    drop_path = model.blocks[-1].drop_path.train()
    branch = torch.ones(64, 7, 24)
    rows = drop_path(branch)
    kept = rows[rows.flatten(1).any(dim=1)]
    assert 16 < len(kept) < 48
    assert (kept == 2).all(), "kept branches are scaled by 1 / (1 - rate)"


@pytest.mark.parametrize("drop_path", [0.0, 0.4])
def test_activation_checkpointing_gives_the_same_gradients(drop_path: float):
    images = torch.randn(2, 3, 32, 48)
    gradients = []
    for activation_checkpointing in (False, True):
        model = build(drop_path=drop_path, activation_checkpointing=activation_checkpointing, distilled=True).train()
        torch.manual_seed(2)
        logits, logits_dist = model(images)
        (logits.square().sum() + logits_dist.square().sum()).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    plain, checkpointed = gradients
    assert plain.keys() == checkpointed.keys()
    for name in plain:
        torch.testing.assert_close(plain[name], checkpointed[name])


def test_activation_checkpointing_keeps_fewer_activations():
    def num_saved_values(activation_checkpointing: bool) -> int:
        model = build(activation_checkpointing=activation_checkpointing).train()
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
            model(torch.randn(2, 3, 32, 48))
        return sum(saved)

    assert num_saved_values(True) < num_saved_values(False) / 2


def test_every_parameter_gets_a_gradient():
    model = build(distilled=True, num_classes=5).train()
    sum(logits.square().sum() for logits in model(torch.randn(2, 3, 48, 32))).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_runs_in_bfloat16():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert build(distilled=True).eval()(torch.randn(1, 3, 40, 24)).isfinite().all()
    assert build().to(torch.bfloat16).eval()(torch.randn(1, 3, 40, 24, dtype=torch.bfloat16)).dtype is torch.bfloat16


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
def test_gradients_in_bfloat16_are_those_of_float32(monkeypatch, kept_bytes):
    monkeypatch.setattr(vit, "KEPT_WEIGHTS_BYTES", kept_bytes)
    torch.manual_seed(0)
    attention, tokens = vit.Attention(32, 2), torch.randn(2, 300, 32)
    gradients = []
    for is_rounded in (False, True):
        attention.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_rounded):
            (attention(tokens).float() * tokens).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in attention.parameters()])
    for exact, rounded in zip(*gradients, strict=True):
        assert (exact - rounded).norm() < 0.02 * exact.norm().clamp(min=1)


def test_positions_follow_the_models_own_rule():
    by_size, by_factor = build().eval(), build(position_resize="scale_factor").eval()
    same, other = torch.randn(1, 3, 32, 48), torch.randn(1, 3, 64, 40)
    torch.testing.assert_close(by_size(same), by_factor(same))
    assert (by_size.forward_features(other) - by_factor.forward_features(other)).abs().max() > 0.01
    with pytest.raises(ValueError, match="unknown rule to resize positions 'area'"):
        build(position_resize="area")
