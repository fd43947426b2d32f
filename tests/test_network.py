"""A configuration's network: whose it is, what may be set of it, and what it starts from."""

import pytest
import torch

from backbone.config import DEIT_ONLY, ImageTrainConfig, ModelConfig, load_config
from backbone.named_model import NamedDimensions, build_named
from backbone.network import build_model
from backbone.vit import VisionTransformer

SMALL = ("model.depth=2", "model.embed_dim=32", "model.num_heads=2", "model.patch_size=8", "model.image_size=32")


def build(*overrides: str, num_classes: int = 3):
    return build_model(load_config(ImageTrainConfig, None, ["output_dir=x", "data.root=x", *overrides]), num_classes)


def test_a_published_name_is_ours_with_its_changes():
    model = build("model.name=deit_tiny_patch16_224", *SMALL, "model.distilled=true")
    assert isinstance(model, VisionTransformer) and model.dimensions.distilled
    assert (model.dimensions.depth, model.dimensions.num_classes, model.dimensions.image_size_hw) == (2, 3, (32, 32))
    assert model.blocks[-1].drop_path.p == 0.1, "the published rate where none is given"
    assert build(*SMALL, "model.drop_path=0").blocks[-1].drop_path.p == 0
    assert build(*SMALL, "model.num_classes=9").dimensions.num_classes == 9


def test_any_other_name_is_a_classifier_of_timm_or_torchvision():
    model = build("model.name=resnet10t", "model.image_size=64")
    assert model.dimensions == NamedDimensions("resnet10t", (64, 64), 3)
    assert model.train()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


@pytest.mark.parametrize(
    "option",
    "patch_size=8 embed_dim=32 depth=2 num_heads=2 distilled=true drop_path=0.2 activation_checkpointing=true".split(),
)
def test_what_only_a_deit_has_is_refused_for_another(option):
    assert option.partition("=")[0] in DEIT_ONLY and {*DEIT_ONLY} < {*ModelConfig.__dataclass_fields__}
    with pytest.raises(ValueError, match=f"model.{option.partition('=')[0]} is for a DeiT only, and 'resnet10t' is"):
        build("model.name=resnet10t", f"model.{option}")


@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_other_networks_that_cannot_be_trained_are_sentences():
    with pytest.raises(ValueError, match="unknown classifier 'deit_huge'"):
        build("model.name=deit_huge")
    with pytest.raises(ValueError, match="googlenet trains with auxiliary heads"):
        build("model.name=googlenet")
    with pytest.raises(ValueError, match="refuses images of 40 px .*set model.image_size"):
        build("model.name=vit_tiny_patch16_224", "model.image_size=40")


def test_a_classifier_starts_from_weights_of_another_class_count(tmp_path, caplog):
    five = build_named("resnet10t", 5).model
    torch.save({"model": five.state_dict()}, tmp_path / "five.pth")
    with caplog.at_level("INFO"):
        model = build("model.name=resnet10t", f"model.init_from={tmp_path / 'five.pth'}")
    assert torch.equal(model.layer4[0].conv1.weight, five.layer4[0].conv1.weight)
    assert "dropped: fc.weight, fc.bias (5 classes, the model has 3)" in caplog.text
