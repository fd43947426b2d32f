import pytest
import torch
from torch import nn

from backbone.deit import build_deit
from layoutdeit.pyramid import STRIDES, DeitPyramid, SyncedBatchNorm2d


def make_pyramid(**changes) -> DeitPyramid:
    torch.manual_seed(0)
    backbone = build_deit("deit_tiny_patch16_224", num_classes=0, image_size_hw=(96, 64), **changes)
    return DeitPyramid(backbone, channels=8)


def test_maps_have_strides_4_to_64_on_a_non_square_page():
    maps = make_pyramid()(torch.rand(2, 3, 160, 96))
    assert list(maps) == ["p2", "p3", "p4", "p5", "p6"]
    for stride, level in zip(STRIDES, maps.values(), strict=True):
        assert level.shape == (2, 8, -(-160 // stride), -(-96 // stride))


@pytest.mark.parametrize(("depth", "expected"), [(12, [3, 5, 7, 11]), (24, [7, 11, 15, 23])])
def test_features_are_taken_after_a_third_half_two_thirds_and_all_blocks(depth, expected):
    assert make_pyramid(depth=depth).block_indices == expected


def test_too_shallow_a_backbone_is_refused():
    with pytest.raises(ValueError, match="depth 3 is too small"):
        make_pyramid(depth=3)


def test_every_parameter_of_the_pyramid_is_trained():
    pyramid = make_pyramid()
    sum(level.sum() for level in pyramid(torch.rand(2, 3, 64, 64)).values()).backward()
    idle = {name for name, parameter in pyramid.named_parameters() if parameter.grad is None}
    assert idle == {"bottom_up.norm.weight", "bottom_up.norm.bias"}  # the engine replaces it by an identity


def test_synced_batch_norm_alone_is_batch_norm():
    torch.manual_seed(0)
    ours, reference = SyncedBatchNorm2d(5), nn.BatchNorm2d(5)
    x = torch.randn(3, 5, 4, 6)
    assert torch.equal(ours(x), reference(x))
    assert torch.equal(ours.eval()(x), reference.eval()(x))


def _normalise_half(rank: int, world_size: int, store: str, out_dir: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3, 2)[2 * rank : 2 * rank + 2].requires_grad_()
    norm = SyncedBatchNorm2d(5)
    y = norm(x)
    (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
    torch.save({"y": y.detach(), "grad": x.grad, "var": norm.running_var}, f"{out_dir}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_synced_batch_norm_over_two_processes_equals_one_batch(tmp_path):
    torch.multiprocessing.spawn(_normalise_half, args=(2, str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3, 2).requires_grad_()
    norm = nn.BatchNorm2d(5)
    y = norm(x)
    weight = torch.arange(y.numel() // 2).reshape(2, 5, 3, 2).cos()
    (y * torch.cat([weight, weight])).sum().backward()
    torch.testing.assert_close(torch.cat([half["y"] for half in halves]), y)
    torch.testing.assert_close(torch.cat([half["grad"] for half in halves]), x.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(halves[0]["var"], norm.running_var)
