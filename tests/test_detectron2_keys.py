import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.detectron2_keys import from_detectron2, to_detectron2
from layoutdeit.engines import build_detector

ANCHORS = "proposal_generator.anchor_generator.cell_anchors"


def random_state(*, cascade: bool = False, mask_layers: int = 2, distilled: bool = False) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = debug_config(mask_layers=mask_layers)
    config.heads.cascade_ious = [0.5, 0.6, 0.7] if cascade else []
    config.backbone.name = "deit_tiny_distilled_patch16_224" if distilled else "deit_tiny_patch16_224"
    state = build_detector(config).state_dict()
    return {name: torch.randn_like(t) if t.is_floating_point() else t + 7 for name, t in state.items()}


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("mask_layers", [0, 2])
@pytest.mark.parametrize("distilled", [False, True])
def test_weights_round_trip_bit_for_bit(cascade, mask_layers, distilled):
    state = random_state(cascade=cascade, mask_layers=mask_layers, distilled=distilled)
    theirs = to_detectron2(state, num_classes=5)
    assert len(theirs) == len(state) and not theirs.keys() & state.keys()
    back = from_detectron2(theirs, num_classes=5)
    assert list(back) == list(state)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_names_are_those_of_the_published_detectors():
    theirs = to_detectron2(random_state())
    assert {
        "backbone.bottom_up.backbone.blocks.11.attn.qkv.weight",
        "backbone.bottom_up.backbone.fpn1.1.running_var",
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


def test_constants_of_older_detectron2_are_left_out():
    theirs = to_detectron2(random_state())
    constants = {
        "pixel_mean": torch.zeros(3, 1, 1),
        "pixel_std": torch.ones(3, 1, 1),
        f"{ANCHORS}.0": torch.zeros(3, 4),
    }
    assert from_detectron2({**theirs, **constants}).keys() == random_state().keys()


def test_unknown_weights_are_named():
    theirs = to_detectron2(random_state())
    with pytest.raises(ValueError, match=r"unknown names: roi_heads\.keypoint_head\.weight$"):
        from_detectron2({**theirs, "roi_heads.keypoint_head.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"of a detector of ours; missing: .* unknown names: conv1\.weight"):
        to_detectron2({"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"unknown names: backbone\.bottom_up\.backbone\.blocks\.3\.gamma_1"):
        from_detectron2({**theirs, "backbone.bottom_up.backbone.blocks.3.gamma_1": torch.zeros(1)})


@pytest.mark.parametrize("cascade", [False, True])
def test_each_missing_weight_is_named(cascade):
    state = random_state(cascade=cascade)
    for name in state:
        with pytest.raises(ValueError, match=f"missing: .*{name}"):
            to_detectron2({other: tensor for other, tensor in state.items() if other != name})
    theirs = to_detectron2(state)
    for name in theirs:
        with pytest.raises(ValueError, match=f"missing: .*{name}"):
            from_detectron2({other: tensor for other, tensor in theirs.items() if other != name})


def test_nothing_at_all_is_no_detector():
    with pytest.raises(ValueError, match="detector of ours; missing"):
        to_detectron2({})
    with pytest.raises(ValueError, match="detectron2 detector on a DeiT; missing"):
        from_detectron2({})


def test_another_class_count_is_told():
    state = random_state()
    with pytest.raises(ValueError, match=r"cls_score.weight has 6 rows, 1 classes need 2 \(with background\)"):
        to_detectron2(state, num_classes=1)
    theirs = to_detectron2(state)
    theirs["roi_heads.box_predictor.bbox_pred.bias"] = torch.zeros(4)  # boxes for all classes alike
    with pytest.raises(ValueError, match=r"bbox_pred.bias has 4 rows, 5 classes need 20 \(4 each\)"):
        from_detectron2(theirs)
