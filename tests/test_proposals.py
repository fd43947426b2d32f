import torch
from detector_fixtures import debug_config, page_target
from torchvision.ops import box_iou

from layoutdeit.config import ProposalConfig
from layoutdeit.engines.proposals import ProposalNetwork

STRIDES = (4, 8, 16, 32, 64)
SIZE_HW = (128, 96)


def build(**settings) -> ProposalNetwork:
    torch.manual_seed(0)
    config = debug_config().proposals
    return ProposalNetwork(ProposalConfig(**{**vars(config), **settings}), 16, STRIDES)


def maps(batch: int = 1, seed: int = 0) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(batch, 16, SIZE_HW[0] // s, SIZE_HW[1] // s) for s in STRIDES]


def test_proposals_are_inside_the_image_apart_and_best_first():
    rpn = build(proposals=20).eval()
    boxes = rpn(maps(2), [SIZE_HW, (100, 90)])[0]
    assert [len(entry) for entry in boxes] == [20, 20]
    for entry, (h, w) in zip(boxes, [SIZE_HW, (100, 90)], strict=True):
        assert entry.min() >= 0 and entry[:, 2].max() <= w and entry[:, 3].max() <= h
        assert ((entry[:, 2:] - entry[:, :2]) > 0).all()


def test_the_best_of_every_level_stay():
    """One level's scores far above the others' do not crowd these out before suppression."""
    rpn = build(candidates=4, proposals=100, nms_iou=1.0).eval()
    with torch.no_grad():
        assert len(rpn(maps(), [SIZE_HW])[0][0]) == 4 * len(STRIDES)


def test_training_and_inference_count_apart():
    rpn = build(proposals=5, train_proposals=9)
    assert len(rpn.eval()(maps(), [SIZE_HW])[0][0]) == 5
    assert len(rpn.train()(maps(), [SIZE_HW])[0][0]) == 9


def test_losses_are_sums_over_samples_by_the_number_asked_for():
    """With random scores of zero every sampled anchor costs log 2, sampled or not by its label."""
    rpn = build(anchors_per_image=64)
    for layer in (rpn.head.cls_logits, rpn.head.bbox_pred):
        torch.nn.init.zeros_(layer.weight)
    target = page_target(((10, 20, 60, 70), 1), ((5, 90, 80, 120), 2))
    _, losses = rpn(maps(2), [SIZE_HW] * 2, [target, page_target()])
    torch.testing.assert_close(losses["objectness"], torch.tensor(2.0).log())
    assert losses["proposal_box"] > 0
    _, empty = rpn(maps(2), [SIZE_HW] * 2, [page_target(), page_target()])
    assert empty["proposal_box"] == 0 and empty["proposal_box"].requires_grad


def test_a_proposal_learns_its_region():
    rpn, features = build(), maps()
    target = page_target(((17, 21, 61, 73), 1))
    before = box_iou(target.boxes, rpn.eval()(features, [SIZE_HW])[0][0][:1])
    optimizer = torch.optim.Adam(rpn.parameters(), lr=1e-2)
    for _ in range(60):
        losses = rpn.train()(features, [SIZE_HW], [target])[1]
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    best = rpn.eval()(features, [SIZE_HW])[0][0][:1]
    assert box_iou(target.boxes, best) > max(0.9, float(before))


def test_broken_scores_lose_their_box_only():
    rpn = build(proposals=9000, candidates=1000, nms_iou=1.0).eval()
    features = maps()
    with torch.no_grad():
        whole = len(rpn(features, [SIZE_HW])[0][0])
        features[-1][:] = float("nan")
        boxes = rpn(features, [SIZE_HW])[0][0]
    assert torch.isfinite(boxes).all() and 0 < len(boxes) < whole
