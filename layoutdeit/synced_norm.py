"""Batch norm over the pages of all training processes: torch's SyncBatchNorm on GPUs, the same by all-reduce elsewhere.

The one norm of a detector that looks at a batch stands in the pyramid (pyramid.py); all others are layer norms.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all training processes; what each makes of it counts in the gradients of all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape, the same in all processes."""
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The sum of the gradients."""
        return _summed(gradient)


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the shares of all training processes, on any device; plain in evaluation and in one process.

    The batch counts as one, in the gradients too. torch's SyncBatchNorm refuses the CPU. Statistics are in float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        is_alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
        if not self.training or is_alone or torch.distributed.get_world_size() == 1:
            return super().forward(x)
        values = x.float()
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count])  # (2*C + 1,)
        total, total_square, count = SumOverProcesses.apply(sums).split([self.num_features, self.num_features, 1])
        mean = total / count
        variance = (total_square / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


def _summed(x: Tensor) -> Tensor:
    total = x.clone()
    torch.distributed.all_reduce(total)
    return total


def synced_over_gpus(model: nn.Module) -> nn.Module:
    """Replace a model's batch norms by torch's own synchronised ones, same names and values: for GPUs alone."""
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
