"""The proof against the authors' own code: from its random weights, the same feature maps and the same detections.

Its backbones (microsoft/unilm, dit/object_detection/ditod) are imported alone, from the checkout that
LAYOUTDEIT_DIT_SOURCE names: the package as a whole no longer imports. Everywhere else these tests are skipped.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from detector_fixtures import debug_config
from torch import Tensor, nn

from layoutdeit.detectron2_keys import DETECTRON2_BODY, to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.engines.base import Detector
from layoutdeit.published_detector import convert_detector

pytestmark = pytest.mark.filterwarnings("ignore")  # of code written for torch 1.9

PACKAGE = "dit_original"
LAYERS = ["layer3", "layer5", "layer7", "layer11"]
SIZES = {"tiny": {"embed_dim": 192, "num_heads": 3}, "base": {"embed_dim": 768, "num_heads": 12}}


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """The folder of the authors' detector, its modules importable one by one."""
    source = os.environ.get("LAYOUTDEIT_DIT_SOURCE")
    if not source:
        pytest.skip("LAYOUTDEIT_DIT_SOURCE does not name a checkout of microsoft/unilm")
    folder = Path(source) / "dit" / "object_detection"
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(folder / "ditod")]
    sys.modules[PACKAGE] = package
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def original_backbone(kind: str, size: str) -> nn.Module:
    """As deit_base_patch16 and dit_base_patch16 build it; "tiny" is the same, narrower."""
    options = {**SIZES[size], "img_size": [224, 224], "depth": 12, "qkv_bias": True, "out_features": LAYERS}
    if kind == "deit":
        module = importlib.import_module(f"{PACKAGE}.deit")
        return module.ViT(**options, drop_rate=0.0, use_checkpoint=True, num_extra_tokens=2)
    module = importlib.import_module(f"{PACKAGE}.beit")
    return module.BEiT(**options, init_values=0.1, use_abs_pos_emb=True)


def randomize(model: nn.Module) -> None:
    """Noise on every tensor, LayerScale, biases, tokens, positions and batch statistics too, of a size that matters."""
    generator = torch.Generator().manual_seed(1)

    def noise(tensor: Tensor) -> Tensor:
        return torch.empty_like(tensor).normal_(generator=generator)

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "gamma" in name:
                tensor.copy_(0.5 + 0.2 * noise(tensor))
            elif name.endswith("running_var"):
                tensor.copy_(1 + 0.5 * noise(tensor).abs())
            elif name.endswith(("pos_embed", "token", "running_mean")):
                tensor.copy_(0.5 * noise(tensor))
            elif tensor.is_floating_point():
                tensor.add_(noise(tensor), alpha=0.05 if tensor.ndim < 2 else float(tensor.std()))


def converted(backbone: nn.Module, size: str) -> Detector:
    """Our detector around the same backbone, read from a checkpoint with the published names."""
    config = debug_config()
    config.backbone.name = (
        f"deit_{size}_distilled_patch16_224" if hasattr(backbone, "dist_token") else (f"deit_{size}_patch16_224")
    )
    config.backbone.grid_size_px = (224, 224)
    around = {
        name: tensor
        for name, tensor in to_detectron2(build_detector(config).state_dict()).items()
        if not name.startswith(DETECTRON2_BODY)
    }
    body = {f"{DETECTRON2_BODY}{name}": tensor for name, tensor in backbone.state_dict().items()}
    found = convert_detector({**body, **around})
    detector = build_detector(found.config).eval()
    detector.load_state_dict(found.state)
    return detector


@torch.inference_mode()
def our_maps(detector: Detector, images: Tensor) -> list[Tensor]:
    """What the pyramid hands to its FPN: strides 4, 8, 16 and 32."""
    seen = []
    handle = detector.pyramid.fpn.register_forward_pre_hook(lambda module, inputs: seen.extend(inputs[0].values()))
    detector.pyramid(images)
    handle.remove()
    return seen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["deit", "dit"])
def test_feature_maps_are_the_originals(original: Path, kind: str, size: str):
    torch.manual_seed(0)
    backbone = original_backbone(kind, size).eval()
    randomize(backbone)
    detector = converted(backbone, size)
    for size_hw in [(256, 352), (224, 224), (352, 256)]:
        images = torch.randn(1, 3, *size_hw)
        with torch.no_grad():
            expected = list(backbone(images).values())
        ours = our_maps(detector, images)
        assert [tuple(m.shape[-2:]) for m in ours] == [(size_hw[0] // s, size_hw[1] // s) for s in (4, 8, 16, 32)]
        for found, wanted in zip(ours, expected, strict=True):
            assert wanted.std() > 0.1, "maps of nothing prove nothing"
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["deit", "dit"])
def test_each_has_its_own_rule_for_positions(original: Path, kind: str):
    """The other rule is far off, so the test above can tell them apart."""
    torch.manual_seed(0)
    backbone = original_backbone(kind, "tiny").eval()
    randomize(backbone)
    detector = converted(backbone, "tiny")
    own = detector.config.backbone.position_resize
    assert own == {"deit": "scale_factor", "dit": "size"}[kind]
    detector.config.backbone.position_resize = {"size": "scale_factor", "scale_factor": "size"}[own]
    other = build_detector(detector.config).eval()
    other.load_state_dict(detector.state_dict())
    images = torch.randn(1, 3, 256, 352)
    with torch.no_grad():
        expected = list(backbone(images).values())
    assert all(
        (found - wanted).abs().max() > 0.01 for found, wanted in zip(our_maps(other, images), expected, strict=True)
    )


@pytest.mark.parametrize("name", ["maskrcnn/maskrcnn_dit_base.yaml", "cascade/cascade_dit_base.yaml"])
def test_detections_are_the_originals(original: Path, name: str):
    """The authors' backbone in detectron2 by the authors' configuration, against our engine from the same weights."""
    pytest.importorskip("detectron2", reason="detectron2 is not installed")
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    importlib.import_module(f"{PACKAGE}.backbone")  # registers build_vit_fpn_backbone
    cfg = get_cfg()
    importlib.import_module(f"{PACKAGE}.config").add_vit_config(cfg)
    cfg.merge_from_file(str(original / "publaynet_configs" / name))
    cfg.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    theirs = build_model(cfg).eval()
    randomize(theirs.backbone.bottom_up)
    for part in (theirs.proposal_generator, theirs.roi_heads):
        for parameter in part.parameters():  # bold enough that scores differ and boxes move
            parameter.data.add_(torch.randn_like(parameter) * (2 * parameter.std() if parameter.ndim > 1 else 0.05))

    found = convert_detector(theirs.state_dict(), ["input.short_side=256"])
    assert found.config.input.mean == found.config.input.std == (0.5, 0.5, 0.5)
    ours = build_detector(found.config)
    ours.load_state_dict(found.state)

    image = torch.rand(3, 256, 352)
    with torch.no_grad():
        expected = theirs([{"image": image * 255, "height": 256, "width": 352}])[0]["instances"]
    detections = ours.predict([image], masks=True)[0]
    assert len(expected) > 5 and expected.scores.std() > 0.01
    assert torch.equal(detections.labels, expected.pred_classes + 1)
    torch.testing.assert_close(detections.scores, expected.scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(detections.boxes, expected.pred_boxes.tensor, atol=1e-2, rtol=0)  # px
    assert (detections.masks != expected.pred_masks).float().mean() < 1e-3
