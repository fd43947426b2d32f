"""Detectron2's tensors as a detector of ours: settings read off them, LayerScale folded, the same detections."""

from __future__ import annotations

import pytest
import torch
from detector_fixtures import debug_config
from torch import Tensor

from layoutdeit.config import DetectorConfig
from layoutdeit.detectron2_keys import DETECTRON2_BODY, to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.engines.base import Detector
from layoutdeit.published_detector import convert_detector

SETTINGS = [  # of debug_config, what no tensor tells
    "input.short_side=96", "input.long_side=160", "proposals.anchor_sizes=[8,16,32,64,128]", "proposals.candidates=50",
    "proposals.proposals=50", "heads.canonical_box_size=56", "heads.min_score=0.0", "heads.rois_per_image=32",
]  # fmt: skip


def dit_pair(*, cascade: bool, mask_layers: int = 2) -> tuple[Detector, dict[str, Tensor]]:
    """A random detector of ours, and the same as a published DiT checkpoint has it: LayerScale, no biases for keys."""
    torch.manual_seed(0)
    config = debug_config(mask_layers=mask_layers)
    config.backbone.grid_size_px = (224, 224)
    config.heads.cascade_ious = [0.5, 0.6, 0.7] if cascade else []
    config.heads.min_score = 0.0
    config.input.mean = config.input.std = (0.5, 0.5, 0.5)
    detector = build_detector(config)
    theirs = {}
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for name, tensor in to_detectron2(detector.state_dict(), num_classes=5).items():
            theirs[name] = tensor.clone()
        for index in range(12):
            block = f"{DETECTRON2_BODY}blocks.{index}."
            bias = detector.pyramid.bottom_up.blocks[index].attn.qkv.bias  # (3*C,)
            bias[192:384] = 0
            q_bias, _, v_bias = bias.clone().chunk(3)
            del theirs[f"{block}attn.qkv.bias"]
            theirs |= {f"{block}attn.q_bias": q_bias, f"{block}attn.v_bias": v_bias}
            for number, target in ((1, "attn.proj"), (2, "mlp.fc2")):
                gamma = 0.05 + torch.rand(192)
                theirs[f"{block}gamma_{number}"] = gamma
                theirs[f"{block}{target}.weight"] /= gamma[:, None]
                theirs[f"{block}{target}.bias"] /= gamma
    return detector, theirs


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("mask_layers", [0, 2])
def test_published_form_gives_the_same_detections(cascade: bool, mask_layers: int):
    detector, theirs = dit_pair(cascade=cascade, mask_layers=mask_layers)
    found = convert_detector(theirs, SETTINGS if mask_layers else [*SETTINGS, "heads.mask_dim=8"])
    assert found.config.heads == detector.config.heads and found.config.channels == detector.config.channels
    assert found.config.backbone.name == "deit_tiny_patch16_224"
    assert found.config.input.mean == found.config.input.std == (0.5, 0.5, 0.5)
    assert "format of the DeiT: BEiT" in found.remarks
    ours = build_detector(found.config)
    ours.load_state_dict(found.state)
    pages = [torch.rand(3, 130, 100), torch.rand(3, 96, 140)]
    has_masks = mask_layers > 0
    for got, wanted in zip(ours.predict(pages, masks=has_masks), detector.predict(pages, masks=has_masks), strict=True):
        assert len(wanted.boxes) > 5 and torch.equal(got.labels, wanted.labels)
        torch.testing.assert_close(got.boxes, wanted.boxes, atol=1e-2, rtol=0)
        torch.testing.assert_close(got.scores, wanted.scores, atol=1e-4, rtol=0)
        assert not has_masks or (got.masks != wanted.masks).float().mean() < 1e-3


def base_like(config: DetectorConfig) -> dict[str, Tensor]:
    """detectron2's weights of a detector that is never run, as tensors without data."""
    with torch.device("meta"):
        return to_detectron2(build_detector(config).state_dict())


def test_defaults_are_the_published_configurations():
    config = DetectorConfig()
    found = convert_detector(base_like(config))
    assert found.config == config, "the defaults are the published DeiT-B's, and all that tensors tell agrees"
    config.heads.cascade_ious = [0.5, 0.6, 0.7]
    config.backbone.name = "deit_large_patch16_224"
    found = convert_detector(base_like(config))
    assert found.config.heads == config.heads and found.config.backbone.name == "deit_large_patch16_224"
    assert found.config.proposals.train_proposals == 2000


def test_two_tokens_mean_the_published_rule_for_positions_unless_told():
    config = DetectorConfig()
    config.backbone.name = "deit_base_distilled_patch16_224"
    found = convert_detector(base_like(config))
    assert found.config.backbone.position_resize == "scale_factor"
    assert any("positions are resized by scale_factor" in remark for remark in found.remarks)
    told = convert_detector(base_like(config), ["backbone.position_resize=size"])
    assert told.config.backbone.position_resize == "size"


def test_mean_and_deviation_of_the_file_win():
    mean, std = torch.tensor([127.5, 51.0, 0.0]), torch.tensor([51.0, 102.0, 255.0])
    constants = {"pixel_mean": mean.view(3, 1, 1), "pixel_std": std.view(3, 1, 1)}
    found = convert_detector({**base_like(DetectorConfig()), **constants})
    assert found.config.input.mean == (0.5, 0.2, 0.0) and found.config.input.std == (0.2, 0.4, 1.0)


def test_what_cannot_be_the_same_is_an_error():
    config = DetectorConfig()
    config.num_classes = 1  # which no detector of ours may have
    with pytest.raises(ValueError, match=r"tell 1 kinds of region apart, a detector of ours 5 \(text, title"):
        convert_detector(base_like(config))
    theirs = base_like(DetectorConfig())
    with pytest.raises(ValueError, match=r"no weights of a detectron2 detector on a DeiT.*first names: none"):
        convert_detector({})
    with pytest.raises(ValueError, match=r"first names: conv1"):
        convert_detector({"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="relative position bias"):
        convert_detector({**theirs, f"{DETECTRON2_BODY}blocks.0.attn.relative_position_bias_table": torch.zeros(3, 12)})
    with pytest.raises(ValueError, match=r"unknown names: roi_heads\.keypoint_head"):
        convert_detector({**theirs, "roi_heads.keypoint_head.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"build another detector.*anchors|cls_logits.weight is \(3"):
        convert_detector(theirs, ["proposals.aspect_ratios=[0.5,1.0]"])
    with pytest.raises(ValueError, match="no known DeiT has width 192, depth 4"):
        convert_detector({name: t for name, t in tiny_theirs().items() if not _is_late_block(name)})


def tiny_theirs() -> dict[str, Tensor]:
    config = debug_config()
    config.backbone.grid_size_px = (224, 224)
    return base_like(config)


def _is_late_block(name: str) -> bool:
    parts = name.removeprefix(DETECTRON2_BODY).split(".")
    return parts[0] == "blocks" and int(parts[1]) >= 4


def test_a_last_norm_of_the_file_is_not_lost_in_silence():
    theirs = tiny_theirs()
    norm = {f"{DETECTRON2_BODY}norm.{part}": torch.ones(192) for part in ("weight", "bias")}
    with pytest.raises(ValueError, match=r"unknown names: backbone\.bottom_up\.backbone\.norm\.weight"):
        convert_detector({**theirs, **norm})


@pytest.mark.parametrize("part", ["cls_token", "attn.qkv.weight", "gamma_1", "cls_score.bias", "q_bias", "mask_fcn1"])
def test_weights_without_their_shape_are_refused_with_a_sentence(part):
    _, theirs = dit_pair(cascade=False)
    name = next(name for name in theirs if part in name)
    with pytest.raises(ValueError, match=r"shapes of the weights|is \(.*\), not \("):
        convert_detector({**theirs, name: torch.zeros(())}, SETTINGS)
