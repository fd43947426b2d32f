"""Our loader against the original's own code: the feature maps of microsoft/unilm's DeiT-B and DiT-B, random weights.

LAYOUTDEIT_DIT_SOURCE names that repository's dit/object_detection; its backbone files are imported alone, for the
package as a whole no longer imports. Nothing of it is kept here.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from layoutdeit.config import BackboneConfig, DetectorConfig
from layoutdeit.detectron2_keys import to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.published_detectors import BACKBONE, convert_detectron2

pytestmark = pytest.mark.filterwarnings("ignore")
LAYERS = ["layer3", "layer5", "layer7", "layer11"]
IMAGE_SIZE_HW = (256, 352)  # 16x22 patches: neither square nor the grid of the weights


@pytest.fixture(scope="module")
def source() -> Path:
    folder = os.environ.get("LAYOUTDEIT_DIT_SOURCE")
    if not folder:
        pytest.skip("LAYOUTDEIT_DIT_SOURCE does not name dit/object_detection of microsoft/unilm")
    return Path(folder)


def load(source: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"original_{name}", source / "ditod" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_random_weights(model: nn.Module) -> nn.Module:
    """Every parameter and statistic is noise, so that no zero, one or equal pair hides a difference."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn_like(tensor)
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            elif "gamma_" in name:
                tensor.copy_(0.3 + 0.1 * noise)
            else:
                is_scale = tensor.ndim == 1 and name.endswith("weight")
                tensor.copy_((1.0 if is_scale else 0.0) + (0.1 if tensor.ndim == 1 else 0.03) * noise)
    return model.eval()


def converted_from(original: nn.Module, name: str):
    """Its weights inside a whole checkpoint under the published names, converted by us."""
    config = DetectorConfig(backbone=BackboneConfig(name=name), channels=16)
    config.heads.box_dim, config.heads.mask_dim, config.heads.mask_layers = 16, 8, 1
    theirs = to_detectron2(build_detector(config).state_dict())
    heads = {key: tensor for key, tensor in theirs.items() if not key.startswith(BACKBONE)}
    body = {BACKBONE + key: tensor for key, tensor in original.state_dict().items()}
    converted = convert_detectron2({**heads, **body})
    detector = build_detector(converted.config).eval()
    detector.load_state_dict(converted.state)
    return detector


def assert_equal_maps(original: nn.Module, name: str, position_rule: str) -> None:
    detector = converted_from(original, name)
    assert detector.config.backbone.position_rule == position_rule
    torch.manual_seed(1)
    images = torch.randn(1, 3, *IMAGE_SIZE_HW)
    pyramid = detector.pyramid
    with torch.no_grad():
        expected = original.forward_features(images)
        x4, x8, x16, x32 = pyramid.bottom_up.intermediate_features(images, pyramid.block_indices)
        ours = [pyramid.to_stride_4(x4), pyramid.to_stride_8(x8), x16, pyramid.to_stride_32(x32)]
    for layer, stride, ours_map in zip(LAYERS, (4, 8, 16, 32), ours, strict=True):
        theirs = expected[layer]
        assert theirs.shape[2:] == (IMAGE_SIZE_HW[0] // stride, IMAGE_SIZE_HW[1] // stride) and theirs.std() > 0.1
        torch.testing.assert_close(ours_map, theirs, atol=1e-4, rtol=1e-4)


def test_the_published_deit_b(source):
    """Class and distillation token; positions stretched by (h + .1) / 14."""
    original = load(source, "deit").deit_base_patch16(img_size=(224, 224), out_features=LAYERS, drop_path_rate=0.1)
    assert_equal_maps(with_random_weights(original), "deit_base_distilled_patch16_224", "scale_factor")


def test_the_published_dit_b(source):
    """LayerScale, no biases for keys; positions stretched to the size."""
    original = load(source, "beit").dit_base_patch16(
        img_size=[224, 224], out_features=LAYERS, drop_path_rate=0.1, use_abs_pos_emb=True
    )
    assert_equal_maps(with_random_weights(original), "deit_base_patch16_224", "size")


def test_mae_b_is_a_deit_b(source):
    original = load(source, "deit").mae_base_patch16(img_size=(224, 224), out_features=LAYERS, drop_path_rate=0.1)
    detector = converted_from(with_random_weights(original), "deit_base_patch16_224")
    with torch.no_grad():
        images = torch.randn(1, 3, 224, 224)
        expected = original.forward_features(images)["layer7"]
        (ours,) = detector.backbone.intermediate_features(images, [7])
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
