"""Draws for a batch that is spread over processes: the same ones as where one process has all of it.

Used by the model's stochastic depth and by the detector's engines. It holds where generators stand alike in all
processes, as the loops seed them, and where process r of W has rows r, r + W, ... of the batch, as the samplers deal.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed
from torch import Tensor
from torchvision.ops import StochasticDepth


def process_place() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) outside a job of several."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def draw_rows(draw: Callable[[int], Tensor], num_rows: int) -> Tensor:
    """Draw for the whole batch and keep this process's rows. draw(N) -> (N, ...), result (num_rows, ...)."""
    rank, world_size = process_place()
    return draw(num_rows * world_size)[rank::world_size]


class BatchStochasticDepth(StochasticDepth):
    """Stochastic depth per image (arXiv:1603.09382) that drops the same images on one process and on many."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...), some images zero and the others scaled by 1 / (1 - rate); unchanged in evaluation."""
        if not self.training or self.p == 0 or process_place()[1] == 1:
            return super().forward(x)
        others = [1] * (x.ndim - 1)
        kept = draw_rows(lambda rows: x.new_empty(rows, *others).bernoulli_(1 - self.p), len(x))
        return x * (kept / (1 - self.p) if self.p < 1 else kept)
