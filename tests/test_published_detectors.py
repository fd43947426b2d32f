"""Checkpoints as the published DiT detectors have them become detectors of ours that compute the same."""

from __future__ import annotations

import pytest
import torch
from detector_fixtures import debug_config
from torch import Tensor

from layoutdeit.config import DetectorConfig
from layoutdeit.detectron2_keys import to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.published_detectors import convert_detectron2

PREFIX = "backbone.bottom_up.backbone."


def small(*, cascade: bool = False, name: str = "deit_tiny_patch16_224") -> DetectorConfig:
    """As published but for its sizes: what weights tell."""
    config = DetectorConfig(channels=16)
    config.backbone.name = name
    config.heads.box_dim, config.heads.mask_dim, config.heads.mask_layers = 32, 8, 2
    if cascade:
        config.heads.cascade_ious = [0.5, 0.6, 0.7]
        config.proposals.train_proposals = 2000
    return config


def random_detector(config: DetectorConfig):
    torch.manual_seed(0)
    detector = build_detector(config).eval()
    with torch.no_grad():
        for name, parameter in detector.named_parameters():
            if "blocks" in name or "token" in name or "pos_embed" in name:
                parameter.add_(torch.randn_like(parameter) * 0.02)
        for index in range(12):  # a DiT has no biases for keys
            qkv = detector.backbone.blocks[index].attn.qkv
            qkv.bias[len(qkv.bias) // 3 : 2 * len(qkv.bias) // 3] = 0
    return detector


def as_dit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same function under a published DiT's names: LayerScale taken out of the weights, biases apart."""
    theirs, published = to_detectron2(state), {}
    for name, tensor in theirs.items():
        if name.endswith("attn.qkv.bias"):
            query, _, value = tensor.chunk(3)
            published[name.replace("qkv.bias", "q_bias")], published[name.replace("qkv.bias", "v_bias")] = query, value
        elif ".blocks." in name and (".attn.proj." in name or ".mlp.fc2." in name):
            block, number = name.split(".blocks.")[1].split(".")[0], 1 if ".attn." in name else 2
            torch.manual_seed(int(block) * 2 + number)
            gamma = 0.05 + torch.rand(192)
            published[f"{PREFIX}blocks.{block}.gamma_{number}"] = gamma
            published[name] = tensor / (gamma[:, None] if tensor.ndim == 2 else gamma)
        else:
            published[name] = tensor
    return published


@pytest.mark.parametrize("cascade", [False, True])
def test_a_published_dit_computes_the_same_after_conversion(cascade):
    detector = random_detector(small(cascade=cascade))
    converted = convert_detectron2(as_dit(detector.state_dict()))
    assert "BEiT" in converted.origin
    expected = small(cascade=cascade)
    expected.input.mean = expected.input.std = (0.5, 0.5, 0.5)
    assert converted.config == expected
    ours = build_detector(converted.config).eval()
    ours.load_state_dict(converted.state)
    image = torch.randn(1, 3, 128, 96)
    with torch.no_grad():
        for name, level in detector.pyramid(image).items():
            torch.testing.assert_close(ours.pyramid(image)[name], level, atol=1e-4, rtol=1e-4)
    heads = [name for name in converted.state if not name.startswith("pyramid.bottom_up")]
    assert all(torch.equal(converted.state[name], detector.state_dict()[name]) for name in heads)


def test_a_deit_with_two_tokens_keeps_its_way_to_stretch_positions():
    detector = random_detector(small(name="deit_tiny_distilled_patch16_224"))
    converted = convert_detectron2(to_detectron2(detector.state_dict()))
    assert converted.config.backbone.position_rule == "scale_factor"
    assert converted.config.backbone.name == "deit_tiny_distilled_patch16_224"
    assert converted.config.input == DetectorConfig().input
    assert all(torch.equal(converted.state[name], tensor) for name, tensor in detector.state_dict().items())


def test_settings_given_are_taken():
    config = debug_config()
    state = build_detector(config).state_dict()
    assert convert_detectron2(to_detectron2(state), config).config is config
    with pytest.raises(ValueError, match="no square grid|give image_size_hw"):
        convert_detectron2(to_detectron2(state))  # 8x6 positions are no square


def test_other_models_are_refused():
    detector = random_detector(small())
    theirs = to_detectron2(detector.state_dict())
    with pytest.raises(ValueError, match=r"no weights of a DeiT pyramid: .* begin with backbone\.bottom_up"):
        convert_detectron2({"backbone.bottom_up.res2.0.conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="unknown names, first roi_heads.keypoint_head"):
        convert_detectron2({**theirs, "roi_heads.keypoint_head.weight": torch.zeros(1)})
    one_class = {**theirs, "roi_heads.box_predictor.cls_score.bias": torch.zeros(2)}
    with pytest.raises(ValueError, match="the weights know 1 classes"):
        convert_detectron2(one_class)
    ratios = {**theirs, "proposal_generator.rpn_head.objectness_logits.bias": torch.zeros(4)}
    with pytest.raises(ValueError, match="4 anchors a place.*--like MODEL"):
        convert_detectron2(ratios)
