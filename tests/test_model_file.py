import json

import pytest
import torch
from safetensors.torch import save_file

from backbone.model_file import Classifier, ImageInput, load_classifier, save_classifier
from backbone.named_model import NamedDimensions, build_named
from backbone.vit import VisionTransformer, VitDimensions


def test_a_file_alone_rebuilds_its_model(tmp_path):
    dims = VitDimensions(
        image_size_hw=(32, 48), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3, distilled=True
    )
    model = VisionTransformer(dims, drop_path=0.5)
    expected = ImageInput((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.9)
    save_classifier(tmp_path / "m.safetensors", Classifier(model, expected, ("a", "b", "c"), {"epochs": 3}))
    loaded = load_classifier(tmp_path / "m.safetensors")
    images = torch.randn(2, 3, 32, 48)
    assert torch.equal(loaded.model(images), model.eval()(images)) and loaded.model.dimensions == dims
    assert loaded.input == expected and loaded.class_names == ("a", "b", "c") and loaded.record == {"epochs": 3}


def test_a_file_alone_rebuilds_a_classifier_of_timm_or_torchvision(tmp_path):
    model = build_named("resnet10t", 3, image_size_hw=(32, 48)).model.train()
    model(torch.randn(4, 3, 32, 48))  # moves batch norm's statistics, which the file must hold too
    expected = ImageInput((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.9)
    save_classifier(tmp_path / "m.safetensors", Classifier(model, expected, ("a", "b", "c"), {"epochs": 3}))
    loaded = load_classifier(tmp_path / "m.safetensors")
    images = torch.randn(2, 3, 32, 48)
    assert torch.equal(loaded.model(images), model.eval()(images)) and not loaded.model.training
    assert loaded.dimensions == NamedDimensions("resnet10t", (32, 48), 3)
    assert loaded.input == expected and loaded.class_names == ("a", "b", "c") and loaded.record == {"epochs": 3}


def test_a_file_from_before_named_classifiers_loads(tmp_path):
    """The metadata of release 0.1, written out, so that a change of today's keys cannot lose old files."""
    dims = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=1, num_heads=2, num_classes=2)
    model = VisionTransformer(dims).eval()
    metadata = {
        "format": "deit-classifier/1",
        "dimensions": json.dumps(
            {"image_size_hw": [32, 32], "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 4.0}
            | {"distilled": False, "num_classes": 2, "norm_eps": 1e-6}
        ),
        "input": json.dumps({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "eval_crop": 0.875}),
        "class_names": json.dumps(["a", "b"]),
        "record": json.dumps({}),
    }
    save_file(model.state_dict(), tmp_path / "old.safetensors", metadata)
    loaded = load_classifier(tmp_path / "old.safetensors")
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded.model(images), model(images)) and loaded.dimensions == dims


def test_a_damaged_file_is_a_sentence(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"\x99" * 500)
    with pytest.raises(ValueError, match="cut.safetensors is not a whole safetensors file .*fetch or save it again"):
        load_classifier(tmp_path / "cut.safetensors")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_classifier(tmp_path / "none.safetensors")
    torch.save({}, tmp_path / "m.pth")
    with pytest.raises(ValueError, match="does not say which model it holds"):
        load_classifier(tmp_path / "m.pth")
