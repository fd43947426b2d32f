"""Classifiers of timm and torchvision by name: built, filled, and refused in a sentence."""

import pytest
import torch

from backbone.named_model import NamedDimensions, build_named, check_image_size, load_named_weights, start_from


@pytest.mark.parametrize(("library", "name"), [("timm", "resnet10t"), ("torchvision", "squeezenet1_1")])
def test_a_name_builds_its_library_s_network_with_its_normalisation(library, name):
    import timm
    import torchvision

    made = timm.create_model(name, num_classes=5) if library == "timm" else torchvision.models.get_model(name)
    named = build_named(name, 5, image_size_hw=(64, 48))
    assert named.model.state_dict().keys() == made.state_dict().keys()
    assert named.model.dimensions == NamedDimensions(name, (64, 48), 5) and not named.model.dimensions.distilled
    assert named.mean == (0.485, 0.456, 0.406) and named.std == (0.229, 0.224, 0.225)
    assert named.model.eval()(torch.rand(2, 3, 64, 48)).shape == (2, 5)
    size = build_named(name, 5).model.dimensions.image_size_hw
    assert size == ((176, 176) if library == "timm" else (224, 224))


def test_an_unknown_name_is_a_sentence():
    with pytest.raises(ValueError, match="unknown classifier 'regnetz_9000': neither timm nor torchvision"):
        build_named("regnetz_9000", 5)


def test_weights_are_loaded_strictly_or_refused_by_what_is_wrong():
    five = build_named("resnet10t", 5).model
    again = build_named("resnet10t", 5).model
    load_named_weights(again, five.state_dict(), "t.pth")
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in five.state_dict().items())
    with pytest.raises(ValueError, match="of t.pth knows 5 classes, the data set has 7: a teacher must be trained"):
        load_named_weights(build_named("resnet10t", 7).model, five.state_dict(), "t.pth")
    with pytest.raises(ValueError, match=r"t.pth holds no weights of resnet18: Missing key\(s\)"):
        load_named_weights(build_named("resnet18", 5).model, five.state_dict(), "t.pth")


def test_fine_tuning_keeps_all_but_a_head_of_other_classes():
    five = build_named("resnet10t", 5).model.state_dict()
    model = build_named("resnet10t", 7).model
    head = model.fc.weight.clone()
    said = start_from(model, five, "t.pth")
    assert f"used: {len(five) - 2} keys" in said and "dropped: fc.weight, fc.bias (5 classes, the model has 7)" in said
    assert torch.equal(model.fc.weight, head) and torch.equal(
        model.state_dict()["conv1.0.weight"], five["conv1.0.weight"]
    )
    assert start_from(build_named("resnet10t", 5).model, five, "t.pth") == f"used: {len(five)} keys as they are"
    with pytest.raises(ValueError, match="holds no weights of resnet18"):
        start_from(build_named("resnet18", 7).model, five, "t.pth")


def test_a_size_or_a_model_that_does_not_fit_is_seen_before_training():
    model = build_named("resnet10t", 5).model.train()
    check_image_size(model, 33, "model.image_size")
    assert model.training and int(model.bn1.num_batches_tracked) == 0, "the model is left as it was found"
    with pytest.raises(ValueError, match="deit_tiny_patch16_224 refuses images of 64 px .*: set model.image_size"):
        check_image_size(build_named("deit_tiny_patch16_224", 5).model, 64, "model.image_size")
    with pytest.raises(ValueError, match="does not answer with 0 logits: use a classifier"):
        check_image_size(build_named("resnet10t", 0).model, 32, "model.image_size")
