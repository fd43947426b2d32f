"""Draws for a batch over processes: real processes together draw what one does."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import StochasticDepth

from backbone.batch_draws import BatchStochasticDepth, draw_rows, process_place


def test_alone_the_rows_are_the_draw_and_depth_is_torchvision_s():
    torch.manual_seed(0)
    expected = torch.rand(5, 2)
    torch.manual_seed(0)
    assert process_place() == (0, 1)
    assert torch.equal(draw_rows(lambda rows: torch.rand(rows, 2), 5), expected)
    x = torch.rand(6, 3, 2)
    for rate in (0.0, 0.4, 1.0):
        torch.manual_seed(1)
        ours = BatchStochasticDepth(rate)(x)
        torch.manual_seed(1)
        assert torch.equal(ours, StochasticDepth(rate, "row")(x))
    assert torch.equal(BatchStochasticDepth(0.4).eval()(x), x)


def _draw(rank: int, world_size: int, store: str, out_dir: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    x = torch.arange(24.0).reshape(6, 4)[rank::world_size]
    drawn = {"rows": draw_rows(lambda rows: torch.rand(rows), 3)}
    drawn |= {f"depth{rate}": BatchStochasticDepth(rate)(x) for rate in (0.5, 1.0)}
    torch.save(drawn, f"{out_dir}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.heavy  # 8 s: two processes import torch
def test_two_processes_draw_what_one_does(tmp_path):
    torch.multiprocessing.spawn(_draw, args=(2, str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    torch.manual_seed(0)
    x = torch.arange(24.0).reshape(6, 4)
    expected = {"rows": torch.rand(6)}
    expected |= {f"depth{rate}": BatchStochasticDepth(rate)(x) for rate in (0.5, 1.0)}
    for name, whole in expected.items():
        joined = torch.stack([part[name] for part in parts], dim=1).flatten(0, 1)  # row 0 of each, row 1 of each, ...
        assert torch.equal(joined, whole), name
