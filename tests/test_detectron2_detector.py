"""detectron2 behind the contract, and equal to the torchvision engine on random weights."""

from __future__ import annotations

import pytest
import torch
from detector_fixtures import blank_page, debug_config, page_target

pytest.importorskip("detectron2", reason="detectron2 is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of detectron2 and what it imports

from layoutdeit.engines import available_engines, build_detector  # noqa: E402
from layoutdeit.engines.base import Detections  # noqa: E402

CASCADE = [0.5, 0.6, 0.7]


def pair(cascade: list[float] | None = None, *, mask_layers: int = 2):
    """The same random weights in both engines."""
    torch.manual_seed(0)
    config = debug_config(mask_layers=mask_layers)
    config.heads.cascade_ious = cascade or []
    config.heads.min_score = 0.0  # a random model is sure of nothing
    ours, theirs = build_detector(config), build_detector(config, "detectron2")
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def pages() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.rand(3, 130, 100), torch.rand(3, 90, 140)]


def targets() -> list:
    return [page_target(((10, 10, 80, 30), 2), ((10, 50, 90, 120), 1)), page_target(((5, 5, 100, 80), 5))]


def test_engine_is_there():
    assert "detectron2" in available_engines()


@pytest.mark.parametrize("cascade", [None, CASCADE])
def test_weights_go_in_and_come_out_under_our_names(cascade):
    ours, theirs = pair(cascade)
    state = ours.state_dict()
    assert theirs.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in theirs.state_dict().items())
    assert theirs.backbone.state_dict().keys() >= ours.backbone.state_dict().keys()
    with pytest.raises(ValueError, match="unknown names"):
        theirs.load_state_dict({"conv1.weight": torch.zeros(1)})


@pytest.mark.parametrize("cascade", [None, CASCADE])
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_step_has_the_losses_of_the_other_engine(cascade, is_empty):
    ours, theirs = pair(cascade)
    truth = [page_target(), page_target()] if is_empty else targets()
    torch.manual_seed(2)
    expected = ours(pages(), truth)
    torch.manual_seed(2)
    losses = theirs(pages(), truth)
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[name], atol=1e-5, rtol=1e-4)
    sum(losses.values()).backward()
    sum(expected.values()).backward()
    gradient = theirs.backbone.blocks[0].attn.qkv.weight.grad
    torch.testing.assert_close(gradient, ours.backbone.blocks[0].attn.qkv.weight.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("cascade", [None, CASCADE])
def test_predictions_are_those_of_the_other_engine(cascade):
    ours, theirs = pair(cascade)
    for one, other in zip(ours.predict(pages(), masks=True), theirs.predict(pages(), masks=True), strict=True):
        assert isinstance(other, Detections) and len(other.boxes) > 10
        torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(one.scores, other.scores, atol=1e-5, rtol=0)
        assert torch.equal(one.labels, other.labels) and torch.equal(one.masks, other.masks)


def test_blank_pages_and_modes():
    _, theirs = pair()
    theirs.config.heads.min_score = 1.0
    strict = build_detector(theirs.config, "detectron2")
    found = strict.predict([blank_page()], masks=True)[0]
    assert found.boxes.shape == (0, 4) and found.masks.shape == (0, 130, 100)
    assert theirs.train().predict([blank_page()]) and theirs.training
    with pytest.raises(ValueError, match="no mask head"):
        pair(mask_layers=0)[1].predict([blank_page()], masks=True)


def test_boxes_move_to_the_ink_as_in_the_other_engine():
    ours, theirs = pair()
    ours.config.fit_to_ink, ours.config.input.more_short_sides = True, [64]  # the two share their configuration
    one, other = ours.predict(pages())[0], theirs.predict(pages())[0]
    torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=0)


def test_autocast_losses_are_finite():
    _, theirs = pair()
    with torch.autocast("cpu", torch.bfloat16):
        losses = theirs(pages(), targets())
    assert all(torch.isfinite(loss) for loss in losses.values())
