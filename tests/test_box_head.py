import math

import pytest
import torch
from detector_fixtures import debug_config, page_target

from layoutdeit.config import HeadConfig
from layoutdeit.engines import build_detector
from layoutdeit.engines.box_head import (
    BoxStages,
    LabelledBoxes,
    label_boxes,
    sample_proposals,
    select_detections,
)
from layoutdeit.engines.matching import encode_boxes
from layoutdeit.engines.pooling import PyramidRoiAlign

STRIDES = (4, 8, 16, 32)
NAMES = ("p2", "p3", "p4", "p5")
SIZE_HW = (128, 96)


def build(**settings) -> BoxStages:
    torch.manual_seed(0)
    config = HeadConfig(**{**vars(debug_config().heads), **settings})
    return BoxStages(config, 16, 5, PyramidRoiAlign(7, config.canonical_box_size, NAMES, STRIDES))


def maps() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(1, 16, SIZE_HW[0] // s, SIZE_HW[1] // s) for name, s in zip(NAMES, STRIDES, strict=True)}


def some_proposals() -> torch.Tensor:
    torch.manual_seed(1)
    corners = torch.rand(40, 2) * 60
    return torch.cat([corners, corners + 8 + torch.rand(40, 2) * 28], dim=1)


def test_boxes_get_the_label_of_what_they_overlap():
    target = page_target(((10, 10, 50, 50), 3), ((60, 60, 90, 120), 5))
    boxes = torch.tensor([[12.0, 10, 50, 50], [60, 70, 90, 120], [0, 0, 15, 15]])
    labelled = label_boxes(boxes, target, 0.5)
    assert labelled.labels.tolist() == [3, 5, 0] and labelled.region[:2].tolist() == [0, 1]
    assert label_boxes(boxes, page_target(), 0.5).labels.tolist() == [0, 0, 0]


def test_the_target_s_own_boxes_are_among_the_samples():
    target = page_target(((10, 10, 50, 50), 3))
    sampled = sample_proposals(torch.zeros(0, 4), target, HeadConfig(), 0.5)
    assert sampled.boxes.tolist() == target.boxes.tolist() and sampled.labels.tolist() == [3]


def test_loss_counts_only_the_box_of_the_true_class():
    stage = build()[0]
    box, region = torch.tensor([[8.0, 10, 52, 48]]), page_target(((10, 10, 50, 50), 3))
    labelled = [LabelledBoxes(box, torch.tensor([3]), torch.tensor([0]))]
    offsets = torch.full((1, 20), 1e3)
    offsets[0, 8:12] = encode_boxes(box, region.boxes, stage.weights)[0]
    class_loss, box_loss = stage.losses(torch.zeros(1, 6), offsets, labelled, [region])
    torch.testing.assert_close(class_loss, torch.tensor(math.log(6)))
    assert box_loss.item() == 0
    offsets[0, 8] += 3
    background = LabelledBoxes(box, torch.tensor([0]), torch.tensor([0]))
    twice = torch.cat([offsets, offsets])
    _, box_loss = stage.losses(torch.zeros(2, 6), twice, [*labelled, background], [region, page_target()])
    assert box_loss.item() == 1.5  # by the number of all sampled boxes


def test_no_boxes_cost_nothing():
    stage, nothing = build()[0], torch.zeros(0, dtype=torch.int64)
    logits, offsets = stage(torch.zeros(0, 16, 7, 7))
    losses = stage.losses(logits, offsets, [LabelledBoxes(torch.zeros(0, 4), nothing, nothing)], [page_target()])
    sum(losses).backward()
    assert [loss.item() for loss in losses] == [0, 0]


def test_detections_are_the_best_of_every_class_apart_from_each_other():
    boxes = torch.tensor([[10.0, 10, 50, 50], [11, 10, 50, 50], [60, 60, 200, 90], [0, 0, 5, 5]]).repeat(1, 5)
    scores = torch.full((4, 6), 0.01)
    scores[0, 2], scores[1, 2], scores[1, 4], scores[2, 1] = 0.9, 0.8, 0.7, 0.6
    found = select_detections(boxes, scores, (100, 100), HeadConfig())
    assert found.labels.tolist() == [2, 4, 1]
    assert found.boxes.tolist() == [[10, 10, 50, 50], [11, 10, 50, 50], [60, 60, 100, 90]]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.7, 0.6]))
    assert len(select_detections(boxes, scores, (100, 100), HeadConfig(detections_per_page=1)).boxes) == 1


def test_a_broken_box_is_no_detection():
    boxes, scores = torch.tensor([[float("nan")] * 4, [0, 0, 9, 9]]), torch.full((2, 6), 0.9)
    assert select_detections(boxes, scores, (100, 100), HeadConfig()).boxes.tolist() == [[0, 0, 9, 9]] * 5


def test_a_cascade_has_one_box_for_all_classes_and_a_loss_per_stage():
    stages = build(cascade_ious=[0.5, 0.6, 0.7])
    assert [stage.predictor.bbox_pred.out_features for stage in stages] == [4, 4, 4]
    assert [stage.positive_iou for stage in stages] == [0.5, 0.6, 0.7]
    target = page_target(((10, 20, 60, 70), 1))
    losses, sampled = stages.losses(maps(), [some_proposals()], [target], [SIZE_HW])
    assert list(losses) == ["class_0", "box_0", "class_1", "box_1", "class_2", "box_2"]
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in stages.parameters())
    assert len(sampled[0].boxes) == stages.config.rois_per_image


def test_the_pyramid_learns_from_the_mean_of_the_stages():
    """A cascade adds its losses but divides the gradient that reaches the maps by the number of stages."""
    target, features = page_target(((10, 20, 60, 70), 1)), {n: m.requires_grad_() for n, m in maps().items()}
    stages = build(cascade_ious=[0.5, 0.6, 0.7])
    torch.manual_seed(3)
    losses, _ = stages.losses(features, [some_proposals()], [target], [SIZE_HW])
    losses["class_0"].backward()
    scaled = features["p2"].grad.clone()
    features["p2"].grad = None
    torch.manual_seed(3)
    alone = sample_proposals(some_proposals(), target, stages.config, 0.5)
    logits, offsets = stages[0](stages.pool(features, [alone.boxes]))
    stages[0].losses(logits, offsets, [alone], [target])[0].backward()
    torch.testing.assert_close(scaled * 3, features["p2"].grad)


def test_a_cascade_refines_boxes_step_by_step():
    """Every stage moves boxes right by a tenth of their width: three stages make 1.1 ** 0 + ... of it."""
    stages = build(cascade_ious=[0.5, 0.6, 0.7], min_score=0.0, nms_iou=1.0, detections_per_page=1).eval()
    with torch.no_grad():
        for stage in stages:
            torch.nn.init.zeros_(stage.predictor.bbox_pred.weight)
            stage.predictor.bbox_pred.bias.copy_(torch.tensor([0.1 * stage.weights[0], 0, 0, 0]))
        found = stages.detect(maps(), [torch.tensor([[10.0, 10, 30, 40]])], [SIZE_HW])[0]
    torch.testing.assert_close(found.boxes[0], torch.tensor([16.0, 10, 36, 40]))


def test_a_cascade_detector_keeps_the_contract():
    config = debug_config()
    config.heads.cascade_ious = [0.5, 0.6, 0.7]
    config.heads.min_score = 0.0
    torch.manual_seed(0)
    detector = build_detector(config)
    losses = detector([torch.rand(3, 130, 100)], [page_target(((10, 10, 80, 30), 2))])
    assert "class_2" in losses and "mask" in losses and "class" not in losses
    found = detector.predict([torch.rand(3, 130, 100)], masks=True)[0]
    assert found.masks.shape == (len(found.boxes), 130, 100) and len(found.boxes) > 0
    assert detector([torch.rand(3, 90, 140)], [page_target()])["box_2"].item() == 0


@pytest.mark.parametrize("ious", [[0.5], [0.6, 0.7], [0.5, 0.4], [0.5, 0.6, 0.7, 0.8]])
def test_a_cascade_that_cannot_be_is_refused(ious):
    with pytest.raises(ValueError, match="cascade_ious"):
        HeadConfig(cascade_ious=ious)
