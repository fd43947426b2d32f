"""Means over the boxes of a batch, where the batch is spread over processes that hold unequal shares of them."""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor

from backbone.batch_draws import process_place


def share_of_mean(count: int, device: torch.device) -> Tensor | float:
    """Times what the mean over this process's `count` boxes counts, in the mean over processes that gradients become.

    Its count over the mean count: then that mean is the one over all boxes of the batch, as where one process has all.
    1.0 in one process. Every process must call it, equally often, with 0 too.
    """
    num_processes = process_place()[1]
    if num_processes == 1:
        return 1.0
    total = torch.tensor(float(count), device=device)
    torch.distributed.all_reduce(total)
    return count * num_processes / total.clamp(min=1)
