"""Weights of every format compute in our DeiT what they computed where they came from, and every key is accounted for.

The originals are built from timm and transformers with random weights; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from timm.models.beit import Beit
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer as TimmVisionTransformer
from torch import Tensor, nn

from backbone.checkpoint import KeyReport
from backbone.conversion import Converted, UnknownGridError, convert_state_dict, load_converted
from backbone.vit import VisionTransformer, VitDimensions

# 24 * (55 / 24) rounds to just under 55: the ratio must not lose a hidden unit on its way.
SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 2.3}
IMAGES = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def randomised(model: nn.Module) -> nn.Module:
    """Weights large enough to matter everywhere, LayerScale, tokens, norms and biases too; in double precision."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.double().eval()


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in model.state_dict().items()}


def build(weights: dict[str, Tensor], **options: object) -> tuple[VisionTransformer, Converted, KeyReport]:
    """Our model of the converted weights, in double precision, every key accounted for."""
    converted = convert_state_dict(weights, **{"num_heads": 3, **options})
    model = VisionTransformer(converted.dimensions)
    model.load_state_dict(converted.state_dict)
    report = load_converted(model, converted)
    assert_accounted_for(report, converted, weights, model)
    return model.double().eval(), converted, report


def assert_accounted_for(
    report: KeyReport, converted: Converted, weights: dict[str, Tensor], model: VisionTransformer
) -> None:
    """Every key of the file is in the report once; every weight of the model has its keys, or is said to be missing."""
    assert sorted([*report.used, *report.renamed, *report.folded, *report.resized, *report.dropped]) == sorted(
        weights
    ), str(report)
    for name in model.state_dict():
        assert bool(converted.sources.get(name)) != (name in report.missing), name


def block_outputs(model: nn.Module, blocks: nn.ModuleList, images: Tensor) -> list[Tensor]:
    """What comes out of every block, each (B, N, C)."""
    outputs: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda block, args, out: outputs.append(out)) for block in blocks]
    model.forward_features(images)
    for hook in hooks:
        hook.remove()
    return outputs


@pytest.mark.parametrize("vit", [TimmVisionTransformer, VisionTransformerDistilled])
def test_timm_deit_gives_the_same_logits(vit: Callable[..., nn.Module]):
    original = randomised(vit(num_classes=5, **SMALL))
    model, converted, report = build(weights_of(original))
    torch.testing.assert_close(model(IMAGES), original(IMAGES), rtol=0, atol=1e-5)
    assert converted.format_name == "DeiT"
    assert len(report.used) == len(original.state_dict()) and not report.missing
    assert model.dimensions == VitDimensions(
        (32, 32), 8, 24, 2, 3, pytest.approx(2.3, abs=0.02), vit is VisionTransformerDistilled, 5, 1e-6
    )


@pytest.mark.parametrize("vit", [TimmVisionTransformer, VisionTransformerDistilled])
@pytest.mark.parametrize("official_names", [False, True])
def test_deit_3_gives_the_same_logits(vit: Callable[..., nn.Module], official_names: bool):
    original = randomised(vit(num_classes=5, no_embed_class=True, init_values=1e-4, **SMALL))
    if vit is VisionTransformerDistilled:  # timm gives it all positions, and adds them as if they were the patches'
        original.pos_embed = nn.Parameter(original.pos_embed[:, 2:])
    weights = weights_of(original)
    if official_names:  # models_v2.py of facebookresearch/deit
        weights = {
            name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): w for name, w in weights.items()
        }
    model, converted, report = build(weights)
    torch.testing.assert_close(model(IMAGES), original(IMAGES), rtol=0, atol=1e-5)
    assert converted.format_name == "DeiT-III"
    num_prefix = model.dimensions.num_prefix_tokens
    assert not model.pos_embed[:, :num_prefix].any() and model.pos_embed[:, num_prefix:].all()
    touched = [name for name in weights if "gamma" in name or "attn.proj" in name or "mlp.fc2" in name]
    assert len(touched) == 12 and set(report.folded) == {*touched}
    assert "zeros put before them" in report.resized["pos_embed"]


@pytest.mark.parametrize("init_values", [None, 0.1])
def test_beit_gives_the_same_block_outputs(init_values: float | None):
    """DiT is a BEiT with absolute positions: biases for queries and values only, the mean of the patches classified."""
    original = randomised(Beit(num_classes=5, init_values=init_values, use_abs_pos_emb=True, **SMALL))
    model, converted, report = build(weights_of(original))
    for ours, theirs in zip(
        block_outputs(model, model.blocks, IMAGES), block_outputs(original, original.blocks, IMAGES), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert converted.format_name == "BEiT" and model.dimensions.num_classes == 0
    assert set(report.dropped) == {"fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias"}
    assert "pools the tokens in another way" in str(report)
    assert set(report.missing) == {"norm.weight", "norm.bias"}
    assert report.folded["blocks.0.attn.q_bias"] == "joined into attn.qkv, zeros for k"


def test_beit_that_reads_the_class_token_gives_the_same_logits():
    original = randomised(Beit(num_classes=5, init_values=0.1, global_pool="token", **SMALL))
    model, _, report = build(weights_of(original))
    torch.testing.assert_close(model(IMAGES), original(IMAGES), rtol=0, atol=1e-5)
    assert not report.dropped and not report.missing


@pytest.mark.parametrize("kind", [{"use_rel_pos_bias": True}, {"use_shared_rel_pos_bias": True}])
def test_relative_positions_are_refused(kind: dict[str, bool]):
    weights = Beit(num_classes=5, init_values=0.1, use_abs_pos_emb=False, **kind, **SMALL).state_dict()
    with pytest.raises(ValueError, match="relative position bias .*only models with absolute positions"):
        convert_state_dict(weights, num_heads=3)


@pytest.mark.parametrize(
    "kind", [{"qk_norm": True}, {"reg_tokens": 2}, {"pre_norm": True}, {"class_token": False, "global_pool": "avg"}]
)
def test_networks_that_are_no_deit_are_refused(kind: dict[str, object]):
    weights = TimmVisionTransformer(num_classes=5, **kind, **SMALL).state_dict()
    with pytest.raises(ValueError, match="no plain DeiT has|cls_token .*missing|no square grid"):
        convert_state_dict(weights, num_heads=3)


def test_absent_biases_are_zeros_and_said_to_be():
    original = randomised(TimmVisionTransformer(num_classes=5, qkv_bias=False, **SMALL))
    model, _, report = build(weights_of(original))
    torch.testing.assert_close(model(IMAGES), original(IMAGES), rtol=0, atol=1e-5)
    assert set(report.missing) == {"blocks.0.attn.qkv.bias", "blocks.1.attn.qkv.bias"}


def test_head_of_the_mean_of_all_patches_is_dropped():
    original = randomised(TimmVisionTransformer(num_classes=5, global_pool="avg", **SMALL))
    model, _, report = build(weights_of(original))
    ours, theirs = block_outputs(model, model.blocks, IMAGES), block_outputs(original, original.blocks, IMAGES)
    torch.testing.assert_close(ours[-1], theirs[-1], rtol=0, atol=1e-5)
    assert {"head.weight", "fc_norm.weight"} < set(report.dropped)


@pytest.fixture(scope="module")
def transformers() -> ModuleType:
    return pytest.importorskip("transformers")


def hugging_face(transformers: ModuleType, kind: str, **changes: object) -> nn.Module:
    """A tiny random model of transformers; kind: DeiTModel, ViTForImageClassification, ..."""
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 55}
    config = getattr(transformers, kind.partition("For")[0].removesuffix("Model") + "Config")
    settings = {"image_size": 32, "patch_size": 8, "num_labels": 5, **changes}
    return randomised(getattr(transformers, kind)(config(**sizes, **settings)))


def as_in_files(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names transformers writes, and had in memory before its version 5."""
    new_to_old = {
        "layers.": "encoder.layer.", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
        "q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value",
        "attention.o_proj": "attention.output.dense",
    }  # fmt: skip
    renamed = {}
    for name, tensor in weights.items():
        for new, old in new_to_old.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize("names", [dict, as_in_files])
@pytest.mark.parametrize(
    "kind", ["DeiTForImageClassificationWithTeacher", "DeiTForImageClassification", "ViTForImageClassification"]
)
def test_hugging_face_classifiers_give_the_same_logits(
    transformers: ModuleType, kind: str, names: Callable[[dict[str, Tensor]], dict[str, Tensor]]
):
    original = hugging_face(transformers, kind)
    model, converted, report = build(names(weights_of(original)))
    torch.testing.assert_close(model(IMAGES), original(IMAGES).logits, rtol=0, atol=1e-5)
    assert converted.format_name == f"Hugging Face {kind[:4] if kind[0] == 'D' else 'ViT'}"
    assert model.dimensions.norm_eps == 1e-12 and not report.used and not report.dropped
    assert ("head_dist.weight" in report.missing) == (kind == "DeiTForImageClassification")


@pytest.mark.parametrize("kind", ["DeiTModel", "DeiTForMaskedImageModeling"])
def test_hugging_face_trunks_give_the_same_features(transformers: ModuleType, kind: str):
    original = hugging_face(transformers, kind)
    model, _, report = build(weights_of(original))
    trunk = original if kind == "DeiTModel" else original.deit
    torch.testing.assert_close(model.forward_features(IMAGES), trunk(IMAGES).last_hidden_state, rtol=0, atol=1e-5)
    expected = {"pooler.dense"} if kind == "DeiTModel" else {"decoder.0", "deit.embeddings"}
    assert {name.rpartition(".")[0] for name in report.dropped} == expected


@pytest.mark.parametrize("names", [dict, as_in_files])
@pytest.mark.parametrize("is_mean_pooled", [True, False])
def test_hugging_face_beit_gives_the_same_block_outputs(
    transformers: ModuleType, is_mean_pooled: bool, names: Callable[[dict[str, Tensor]], dict[str, Tensor]]
):
    """The form of microsoft/dit-base; fine-tuned, it pools by the mean."""
    original = hugging_face(
        transformers,
        "BeitForImageClassification",
        use_absolute_position_embeddings=True,
        use_mean_pooling=is_mean_pooled,
    )
    model, converted, report = build(names(weights_of(original)))
    expected = original(IMAGES, output_hidden_states=True).hidden_states[1:]
    for ours, theirs in zip(block_outputs(model, model.blocks, IMAGES), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert converted.format_name == "Hugging Face BEiT"
    assert ("classifier.weight" in report.dropped) == is_mean_pooled


def test_parts_of_pretraining_are_dropped_in_words():
    weights = weights_of(Beit(num_classes=0, init_values=0.1, global_pool="token", **SMALL))
    extra = {"mask_token": torch.ones(1, 1, 24), "lm_head.weight": torch.ones(8, 24), "lm_head.bias": torch.ones(8)}
    _, _, report = build({**weights, **extra})
    assert report.dropped == {
        "mask_token": "used in pretraining only",
        "lm_head.weight": "the head of pretraining",
        "lm_head.bias": "the head of pretraining",
    }


def test_names_of_wrapped_models_are_unwrapped():
    weights = weights_of(TimmVisionTransformer(num_classes=5, **SMALL))
    _, _, report = build({f"module._orig_mod.{name}": tensor for name, tensor in weights.items()})
    assert report.renamed["module._orig_mod.cls_token"] == "cls_token" and not report.used
    assert "module._orig_mod.blocks.*.norm1.bias to blocks.*.norm1.bias" in str(report)


def test_grid_that_is_not_square_is_asked_for():
    """24 patches and a class token are 25 positions, which must not pass for a square of patches alone."""
    original = randomised(TimmVisionTransformer(num_classes=5, **{**SMALL, "img_size": (48, 32)}))
    with pytest.raises(UnknownGridError, match="25 positions are no square grid: give image_size_hw"):
        convert_state_dict(weights_of(original), num_heads=3)
    with pytest.raises(ValueError, match="do not fit a grid 7x4"):
        convert_state_dict(weights_of(original), num_heads=3, image_size_hw=(56, 32))
    model, _, _ = build(weights_of(original), image_size_hw=(48, 32))
    images = torch.randn(1, 3, 48, 32, dtype=torch.float64)
    torch.testing.assert_close(model(images), original(images), rtol=0, atol=1e-5)


def test_published_widths_tell_their_heads_and_others_are_asked_for():
    weights = weights_of(TimmVisionTransformer(num_classes=5, **{**SMALL, "embed_dim": 192, "depth": 1}))
    assert convert_state_dict(weights).dimensions.num_heads == 3
    with pytest.raises(ValueError, match="how many heads a width of 24 has: give num_heads"):
        convert_state_dict(weights_of(TimmVisionTransformer(num_classes=5, **SMALL)))


@pytest.mark.parametrize("weights", [{}, {"layer1.0.conv1.weight": torch.ones(1)}])
def test_weights_of_something_else_are_an_error(weights: dict[str, Tensor]):
    with pytest.raises(ValueError, match="no weights of a DeiT in a format known here"):
        convert_state_dict(weights)


@pytest.mark.parametrize("name", ["cls_token", "pos_embed", "blocks.0.mlp.fc1.weight", "blocks.1.attn.qkv.weight"])
def test_weights_that_are_not_whole_are_an_error(name: str):
    weights = weights_of(TimmVisionTransformer(num_classes=5, **SMALL))
    del weights[name]
    with pytest.raises(ValueError, match=f"not whole: {name} .*is missing"):
        convert_state_dict(weights, num_heads=3)


def test_model_of_another_shape_is_filled_and_the_keys_of_the_file_reported(transformers: ModuleType):
    """One head for two tokens is doubled for their mean; a model without the second token must not see that."""
    weights = weights_of(hugging_face(transformers, "DeiTForImageClassification"))
    converted = convert_state_dict(weights, num_heads=3)
    dims = {**vars(converted.dimensions), "distilled": False, "norm_eps": 1e-6}
    model = VisionTransformer(VitDimensions(**{**dims, "image_size_hw": (64, 40)}))
    report = load_converted(model, converted)
    assert torch.equal(model.head.weight, weights["classifier.weight"])
    assert report.folded["classifier.weight"] == "as head"
    assert "grid 4x4 to 8x5" in report.resized["deit.embeddings.position_embeddings"]
    assert report.dropped == {"deit.embeddings.distillation_token": "the model has no distillation token"}
    assert "eps 1e-12 where the weights come from, 1e-06 in the model" in str(report)
    other = VisionTransformer(VitDimensions(**{**dims, "num_classes": 7}))
    assert "5 classes, the model has 7" in load_converted(other, converted).dropped["classifier.weight"]
    with pytest.raises(ValueError, match="the weights have 3 attention heads, the model has 2"):
        load_converted(VisionTransformer(VitDimensions(**{**dims, "num_heads": 2})), converted)
