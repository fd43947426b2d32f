import pytest
import torch
from detector_fixtures import blank_page, debug_config, page_target

from layoutdeit.engines import build_detector
from layoutdeit.engines.base import Detections
from layoutdeit.engines.given_frame import detections_in_given_frame


@pytest.fixture
def detector():
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = 0.0  # a random model is sure of nothing
    return build_detector(config)


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="unknown engine 'onnx': use one of torchvision, detectron2"):
        build_detector(debug_config(), "onnx")


def test_losses_are_finite_and_reach_every_parameter(detector):
    images = [blank_page(), torch.rand(3, 90, 140)]
    targets = [page_target(((10, 10, 80, 30), 2), ((10, 50, 90, 120), 1)), page_target(((5, 5, 100, 80), 5))]
    losses = detector(images, targets)
    assert set(losses) == {"objectness", "proposal_box", "class", "box", "mask"}
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    idle = [name for name, parameter in detector.named_parameters() if parameter.grad is None]
    assert idle == []


def test_empty_targets_are_normal(detector):
    losses = detector([blank_page(), blank_page()], [page_target(), page_target()])
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_without_a_mask_head_there_is_no_mask_loss():
    detector = build_detector(debug_config(mask_layers=0))
    assert "mask" not in detector([blank_page()], [page_target(((10, 10, 80, 30), 2))])
    with pytest.raises(ValueError, match="no mask head"):
        detector.predict([blank_page()], masks=True)


def test_predict_keeps_the_contract(detector):
    images = [torch.rand(3, 130, 100), torch.rand(3, 90, 140)]
    for image, found in zip(images, detector.predict(images, masks=True), strict=True):
        h, w = image.shape[-2:]
        assert isinstance(found, Detections)
        assert found.boxes.shape == (len(found.labels), 4) and len(found.boxes) > 0
        assert found.boxes.min() >= 0 and found.boxes[:, 2].max() <= w and found.boxes[:, 3].max() <= h
        assert set(found.labels.tolist()) <= {1, 2, 3, 4, 5}
        assert torch.all(found.scores[:-1] >= found.scores[1:])
        assert found.masks.shape == (len(found.labels), h, w) and found.masks.dtype == torch.bool


def test_further_looks_join_what_each_look_finds(detector):
    settings, image = detector.config.input, torch.rand(3, 130, 100)
    alone = []
    for side in (96, 64):
        settings.short_side = side
        alone.append(detector.predict([image])[0])
    detector.config.fit_to_ink, settings.short_side, settings.more_short_sides = True, 96, [64]
    joined = detector.predict([image], masks=True)[0]
    parts = [(part, (1.0, 1.0)) for part in alone]
    expected = detections_in_given_frame(parts, image, fit_to_ink=True)
    torch.testing.assert_close(joined.boxes, expected.boxes, atol=1e-3, rtol=0)
    torch.testing.assert_close(joined.scores, expected.scores)
    assert len(joined.boxes) > len(detections_in_given_frame(parts[:1], image, fit_to_ink=True).boxes) > 0
    assert joined.masks.shape == (len(joined.boxes), 130, 100)


def test_predict_finds_nothing_where_nothing_is_sure(detector):
    detector.config.heads.min_score = 1.0
    found = detector.predict([blank_page()], masks=True)[0]
    assert found.boxes.shape == (0, 4) and found.masks.shape == (0, 130, 100)


def test_predict_leaves_the_training_mode_and_the_weights_alone(detector):
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    assert detector.train().predict([blank_page()]) and detector.training
    assert not detector.eval().training and detector.predict([blank_page()]) and not detector.training
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_a_page_gets_the_same_boxes_alone_and_in_a_batch_of_its_shape(detector):
    torch.manual_seed(1)
    pages = [torch.rand(3, 130, 100), torch.rand(3, 130, 100)]
    alone, together = detector.predict(pages[1:])[0], detector.predict(pages)[1]
    torch.testing.assert_close(alone.boxes, together.boxes, atol=1e-3, rtol=0)


def test_autocast_losses_are_float32(detector):
    with torch.autocast("cpu", torch.bfloat16):
        losses = detector([blank_page()], [page_target(((10, 10, 80, 30), 2))])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


def test_published_size_is_the_default():
    """DiT's Mask R-CNN configuration: DeiT-B, 256 channels, 800..1333 px, anchors 32..512, 4 mask convolutions."""
    from layoutdeit.config import DetectorConfig

    with torch.device("meta"):
        detector = build_detector(DetectorConfig())
    assert detector.pyramid.bottom_up.dimensions.embed_dim == 768
    assert detector.pyramid.out_channels == 256
    assert detector.rpn.head.cls_logits.out_channels == 3
    assert detector.box_stages[0].predictor.cls_score.out_features == 6
    assert len(detector.mask_head) == 4
