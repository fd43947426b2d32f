import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import box_iou

from layoutdeit.engines.matching import (
    MAX_LOG_SCALE,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    has_area,
    match_boxes,
    page_generator,
    sample_labels,
)

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def random_boxes(count: int, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    corners = torch.rand(count, 2) * 100
    return torch.cat([corners, corners + 1 + torch.rand(count, 2) * 60], dim=1)


def test_offsets_round_trip():
    boxes, targets = random_boxes(20, 0), random_boxes(20, 1)
    offsets = encode_boxes(boxes, targets, WEIGHTS)
    torch.testing.assert_close(decode_boxes(boxes, offsets, WEIGHTS), targets, atol=1e-3, rtol=1e-4)


def test_offsets_are_those_of_torchvision():
    boxes, targets, coder = random_boxes(20, 0), random_boxes(20, 1), BoxCoder(WEIGHTS)
    torch.testing.assert_close(encode_boxes(boxes, targets, WEIGHTS), coder.encode([targets], [boxes])[0])
    offsets = torch.randn(20, 5 * 4)  # one box per class
    torch.testing.assert_close(
        decode_boxes(boxes, offsets, WEIGHTS).reshape(20, 5, 4), coder.decode(offsets, [boxes]), atol=1e-3, rtol=1e-4
    )


def test_a_box_does_not_explode():
    wild = decode_boxes(torch.tensor([[0.0, 0, 16, 16]]), torch.full((1, 4), 1e6), (1e6, 1e6, 1.0, 1.0))
    assert torch.allclose(wild[0, 2] - wild[0, 0], 16 * torch.tensor(MAX_LOG_SCALE).exp())


def test_boxes_are_cut_to_the_image_and_empty_ones_are_known():
    boxes = clip_boxes(torch.tensor([[-5.0, -5, 20, 20], [95, 10, 120, 30], [100, 10, 130, 30]]), (40, 100))
    assert boxes.tolist() == [[0, 0, 20, 20], [95, 10, 100, 30], [100, 10, 100, 30]]
    assert has_area(boxes).tolist() == [True, True, False]
    assert has_area(boxes[:0]).shape == (0,)


@pytest.mark.parametrize("best_too", [False, True])
def test_boxes_are_matched_as_torchvision_does(best_too):
    regions, boxes = random_boxes(6, 0), random_boxes(300, 1)
    ours = match_boxes(regions, boxes, positive_iou=0.5, negative_iou=0.3, best_too=best_too)
    theirs = Matcher(0.5, 0.3, allow_low_quality_matches=best_too)(box_iou(regions, boxes))
    assert torch.equal(ours.label == 1, theirs >= 0) and torch.equal(ours.label == 0, theirs == -1)
    assert torch.equal(ours.region[theirs >= 0], theirs[theirs >= 0])
    assert {-1, 0, 1} == set(ours.label.tolist())


def test_without_regions_every_box_is_background():
    matches = match_boxes(torch.zeros(0, 4), random_boxes(5, 0), positive_iou=0.5, negative_iou=0.5, best_too=True)
    assert matches.label.tolist() == matches.region.tolist() == [0] * 5


def test_boxes_without_area_match_nothing():
    point = torch.tensor([[3.0, 3, 3, 3]])
    assert match_boxes(point, point, positive_iou=0.5, negative_iou=0.5).label.tolist() == [0]


def test_a_sample_has_its_share_of_positives_and_fills_with_background():
    labels = torch.tensor([2] * 30 + [0] * 100 + [-1] * 20)
    positive, negative = sample_labels(labels, 40, 0.25)
    assert len(positive) == 10 and len(negative) == 30
    assert (labels[positive] == 2).all() and (labels[negative] == 0).all()
    assert len(set(positive.tolist())) == 10 and len(set(negative.tolist())) == 30
    few = sample_labels(torch.tensor([1, 0, 0, -1]), 40, 0.25)
    assert few[0].tolist() == [0] and sorted(few[1].tolist()) == [1, 2]
    assert [len(part) for part in sample_labels(labels[:0], 40, 0.25)] == [0, 0]


def test_a_page_with_a_seed_draws_the_same_whatever_was_drawn_before():
    labels = torch.tensor([1, 0] * 50)

    def drawn(seed: int, stream: int) -> list[int]:
        torch.rand(3)  # of other pages
        generator = page_generator(seed, stream, labels.device)
        return torch.cat(sample_labels(labels, 20, 0.5, generator)).tolist()

    assert drawn(7, 0) == drawn(7, 0)
    assert len({tuple(drawn(*numbers)) for numbers in ((7, 0), (7, 1), (9, 0))}) == 3
    assert page_generator(None, 0, labels.device) is None  # torch's own, as detectron2 draws
