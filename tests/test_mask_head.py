import math

import torch
from detector_fixtures import page_target

from layoutdeit.config import HeadConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.box_head import LabelledBoxes
from layoutdeit.engines.mask_head import (
    build_mask_head,
    build_mask_predictor,
    mask_loss,
    mask_probabilities,
    mask_targets,
    paste_masks,
    regions_only,
)


def half_masked() -> tuple[Target, LabelledBoxes]:
    """A region of class 2 whose left half is its mask, and its box."""
    masks = torch.zeros(1, 60, 80, dtype=torch.bool)
    masks[0, 10:50, 20:40] = True
    target = Target(torch.tensor([[20.0, 10, 60, 50]]), torch.tensor([2]), masks)
    return target, LabelledBoxes(target.boxes, target.labels, torch.tensor([0]))


def test_heads_double_the_pooled_cells():
    config = HeadConfig(mask_dim=8, mask_layers=2)
    hidden = build_mask_head(config, 16)(torch.zeros(3, 16, 14, 14))
    assert build_mask_predictor(config, 5)(hidden).shape == (3, 5, 28, 28)


def test_targets_are_the_mask_inside_the_box():
    target, labelled = half_masked()
    wanted = mask_targets(target.masks, labelled, 28)
    assert wanted.shape == (1, 28, 28)
    assert wanted[0, :, :14].all() and not wanted[0, :, 14:].any()
    wider = LabelledBoxes(torch.tensor([[0.0, 10, 80, 50]]), labelled.labels, labelled.region)
    assert mask_targets(target.masks, wider, 28)[0, 5].nonzero()[:, 0].tolist() == list(range(7, 14))


def test_loss_reads_only_the_map_of_the_true_class():
    target, labelled = half_masked()
    logits = torch.full((1, 5, 28, 28), 1e4)
    logits[0, 1] = torch.where(mask_targets(target.masks, labelled, 28)[0] > 0, 20.0, -20.0)
    assert mask_loss(logits, [labelled], [target]) < 1e-6
    logits[0, 1] = 0
    assert math.isclose(mask_loss(logits, [labelled], [target]).item(), math.log(2), rel_tol=1e-5)


def test_background_has_no_mask():
    boxes = torch.tensor([[0.0, 0, 5, 5], [5, 5, 9, 9]])
    labelled = regions_only(LabelledBoxes(boxes, torch.tensor([0, 4]), torch.tensor([0, 1])))
    assert labelled.boxes.tolist() == [[5, 5, 9, 9]] and labelled.region.tolist() == [1]
    logits = torch.zeros(0, 5, 28, 28, requires_grad=True)
    loss = mask_loss(logits, [regions_only(LabelledBoxes(boxes, torch.zeros(2, dtype=torch.int64), torch.zeros(2)))],
                     [page_target()])  # fmt: skip
    loss.backward()
    assert loss.item() == 0


def test_probabilities_are_those_of_each_box_s_class():
    logits = torch.zeros(3, 5, 2, 2)
    logits[0, 4], logits[2, 0] = 100, -100
    maps = mask_probabilities(logits, [torch.tensor([5]), torch.tensor([], dtype=torch.int64), torch.tensor([2, 1])])
    assert [tuple(entry.shape) for entry in maps] == [(1, 2, 2), (0, 2, 2), (2, 2, 2)]
    assert maps[0].min() == 1 and (maps[2][0] == 0.5).all() and maps[2][1].max() == 0


def test_a_full_mask_fills_its_box():
    pasted = paste_masks(torch.ones(2, 28, 28), torch.tensor([[10.0, 5, 30, 25], [-8, 30, 12, 70]]), (60, 40))
    assert pasted.shape == (2, 60, 40) and pasted.dtype == torch.bool
    assert pasted[0, 5:25, 10:30].all() and pasted[0].sum() == 20 * 20
    assert pasted[1, 30:60, :12].all() and pasted[1].sum() == 30 * 12


def test_pasting_undoes_cutting():
    target, labelled = half_masked()
    again = paste_masks(mask_targets(target.masks, labelled, 28), labelled.boxes, (60, 80))
    assert torch.equal(again, target.masks)


def test_nothing_to_paste():
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (60, 40)).shape == (0, 60, 40)
    assert not paste_masks(torch.ones(1, 28, 28), torch.tensor([[90.0, 5, 95, 8]]), (60, 40)).any()
