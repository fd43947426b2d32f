import pytest
import torch

from backbone.model_file import Classifier, ImageInput, load_classifier, save_classifier
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


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_classifier(tmp_path / "none.safetensors")
    torch.save({}, tmp_path / "m.pth")
    with pytest.raises(ValueError, match="does not say which model it holds"):
        load_classifier(tmp_path / "m.pth")
