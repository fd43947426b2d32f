import torch
from torchvision.ops import roi_align

from layoutdeit.engines.pooling import FixedStrideAnchors, PyramidRoiAlign, roi_align_by_products

STRIDES = (4, 8, 16, 32, 64)


def test_anchors_stand_on_fixed_strides():
    """A page of 800x1088 has 17x13 cells at stride 64: 1088 / 17 is 64, 800 / 13 is not."""
    anchors = FixedStrideAnchors([32, 64, 128, 256, 512], [0.5, 1.0, 2.0], STRIDES)
    features = [torch.zeros(1, 1, -(-1088 // s), -(-800 // s)) for s in STRIDES]
    boxes = anchors(features)
    assert [len(level) for level in boxes] == [3 * f.shape[2] * f.shape[3] for f in features]
    coarsest = boxes[-1].reshape(17, 13, 3, 4)
    centres = (coarsest[..., :2] + coarsest[..., 2:]) / 2
    assert torch.allclose(centres[3, 5], torch.tensor([5 * 64.0, 3 * 64.0]).expand(3, 2))
    sides = coarsest[0, 0, :, 2:] - coarsest[0, 0, :, :2]
    assert torch.allclose(sides.prod(1), torch.full((3,), 512.0**2))
    assert torch.allclose(sides[:, 1] / sides[:, 0], torch.tensor([0.5, 1.0, 2.0]))


def make_pooler(output_size: int = 2) -> PyramidRoiAlign:
    return PyramidRoiAlign(output_size, canonical_box_size=224, names=("p2", "p3", "p4", "p5"), strides=STRIDES[:4])


def make_features() -> dict[str, torch.Tensor]:
    """Every level is constant, its index."""
    names = ("p2", "p3", "p4", "p5", "p6")
    return {
        name: torch.full((2, 3, 512 // s, 512 // s), float(i))
        for i, (name, s) in enumerate(zip(names, STRIDES, strict=True))
    }


def test_a_box_is_pooled_from_the_level_of_its_size():
    boxes = [torch.tensor([[0.0, 0, side, side]]) for side in (20, 400)]
    boxes[0] = torch.cat([boxes[0], torch.tensor([[0.0, 0, 112, 112], [0, 0, 224, 224], [0, 0, 448, 448]])])
    pooled = make_pooler()(make_features(), boxes)
    assert pooled.shape == (5, 3, 2, 2)
    assert pooled[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 2]


def test_pooling_is_aligned_roi_align():
    torch.manual_seed(0)
    features = {
        name: torch.randn(1, 3, 512 // s, 512 // s)
        for name, s in zip(("p2", "p3", "p4", "p5"), STRIDES[:4], strict=True)
    }
    box = torch.tensor([[33.3, 41.0, 190.7, 290.1]])
    expected = roi_align(features["p3"], [box], (7, 7), 1 / 8, sampling_ratio=0, aligned=True)
    torch.testing.assert_close(make_pooler(7)(features, [box]), expected)


def test_no_boxes_give_an_empty_pool():
    pooled = make_pooler()(make_features(), [torch.zeros(0, 4), torch.zeros(0, 4)])
    assert pooled.shape == (0, 3, 2, 2)


def test_products_equal_torchvision_s_kernel_and_its_gradient():
    torch.manual_seed(0)
    feature = torch.randn(2, 3, 40, 28, requires_grad=True)
    corners = torch.rand(30, 2) * torch.tensor([230.0, 330.0]) - 20  # some stick out of the map
    rois = torch.cat([torch.randint(2, (30, 1)), corners, corners + torch.rand(30, 2) * 200], dim=1)
    rois[0, 3:] = rois[0, 1:3]  # an empty box
    weight = torch.randn(30, 3, 7, 7)
    ours = roi_align_by_products(feature, rois, (7, 7), 1 / 8)
    reference = roi_align(feature, rois, (7, 7), 1 / 8, sampling_ratio=0, aligned=True)
    torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)
    (ours_grad,) = torch.autograd.grad((ours * weight).sum(), feature)
    (reference_grad,) = torch.autograd.grad((reference * weight).sum(), feature)
    torch.testing.assert_close(ours_grad, reference_grad, atol=1e-4, rtol=1e-4)
    assert roi_align_by_products(feature, rois[:0], (7, 7), 1 / 8).shape == (0, 3, 7, 7)
