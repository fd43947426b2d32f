import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.detectron2_keys import from_detectron2, to_detectron2
from layoutdeit.engines import build_detector


def random_state(*, cascade: bool = False, mask_layers: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = debug_config(mask_layers=mask_layers)
    config.heads.cascade_ious = [0.5, 0.6, 0.7] if cascade else []
    state = build_detector(config).state_dict()
    return {name: torch.randn_like(t) if t.is_floating_point() else t for name, t in state.items()}


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("mask_layers", [0, 2])
def test_weights_round_trip_bit_for_bit(cascade, mask_layers):
    state = random_state(cascade=cascade, mask_layers=mask_layers)
    theirs = to_detectron2(state)
    assert len(theirs) == len(state) and not theirs.keys() & state.keys()
    back = from_detectron2(theirs)
    assert list(back) == list(state)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_names_are_those_of_the_published_detectors():
    theirs = to_detectron2(random_state())
    assert {
        "backbone.bottom_up.backbone.blocks.11.attn.qkv.weight",
        "backbone.bottom_up.backbone.fpn1.3.weight",
        "backbone.bottom_up.backbone.fpn2.0.bias",
        "backbone.fpn_lateral2.weight",
        "backbone.fpn_output5.bias",
        "proposal_generator.rpn_head.conv.weight",
        "proposal_generator.rpn_head.anchor_deltas.bias",
        "roi_heads.box_head.fc1.weight",
        "roi_heads.box_predictor.cls_score.bias",
        "roi_heads.mask_head.mask_fcn2.weight",
        "roi_heads.mask_head.predictor.weight",
    } <= theirs.keys()
    assert "roi_heads.box_predictor.2.bbox_pred.bias" in to_detectron2(random_state(cascade=True))


def test_background_is_the_last_class_there():
    state = random_state()
    scores = to_detectron2(state)["roi_heads.box_predictor.cls_score.bias"]
    ours = state["box_stages.0.predictor.cls_score.bias"]
    assert torch.equal(scores[-1], ours[0]) and torch.equal(scores[:-1], ours[1:])


def test_buffers_are_left_out_and_unknown_names_told():
    theirs = to_detectron2(random_state())
    anchors = "proposal_generator.anchor_generator.cell_anchors.0"
    buffers = {"pixel_mean": torch.zeros(3, 1, 1), anchors: torch.zeros(3, 4)}
    assert from_detectron2({**theirs, **buffers}).keys() == random_state().keys()
    with pytest.raises(ValueError, match=r"1 unknown names, first roi_heads\.keypoint_head\.weight"):
        from_detectron2({**theirs, "roi_heads.keypoint_head.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="not the weights of a detector of ours"):
        to_detectron2({"conv1.weight": torch.zeros(1)})
