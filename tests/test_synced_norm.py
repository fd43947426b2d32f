"""Batch norm over processes equals that of one process with the whole batch."""

from __future__ import annotations

import torch
from detector_fixtures import blank_page, debug_config
from torch import nn

from layoutdeit.engines import build_detector
from layoutdeit.synced_norm import SyncedBatchNorm2d, synced_over_gpus


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


def test_a_detector_for_gpus_has_torch_s_norm_and_finds_the_same():
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = 0.0
    detector = build_detector(config)
    state, expected = {n: t.clone() for n, t in detector.state_dict().items()}, detector.predict([blank_page()])[0]
    converted = synced_over_gpus(detector)
    assert isinstance(converted.pyramid.to_stride_4[1], nn.SyncBatchNorm)
    assert not [module for module in converted.modules() if isinstance(module, SyncedBatchNorm2d)]
    assert converted.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in converted.state_dict().items())
    assert torch.equal(converted.predict([blank_page()])[0].scores, expected.scores)
