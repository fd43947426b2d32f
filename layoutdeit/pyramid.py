"""DeiT tokens become a feature pyramid: strides 4, 8, 16, 32 from one token grid, then FPN, then stride 64.

Sits between the backbone and every detection head. The published DeiT-B/PubLayNet detector's choices (DiT,
arXiv:2203.02378, sec. 4 and its detectron2 code), parameter layout included, so that its weights fit.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.distributed
import torch.distributed.nn.functional as distributed
from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from backbone.vit import VisionTransformer

STRIDES = (4, 8, 16, 32, 64)
SIZE_DIVISOR = 32  # image sides must be multiples: 16 for the patches, twice that for the max-pooled level


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batches of all training processes, on any device.

    torch's SyncBatchNorm refuses the CPU. One process, or evaluation: plain batch norm. Statistics are in float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        is_alone = not (torch.distributed.is_available() and torch.distributed.is_initialized())
        if not self.training or is_alone or torch.distributed.get_world_size() == 1:
            return super().forward(x)
        values = x.float()
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count])  # (2*C + 1,)
        total, total_square, count = distributed.all_reduce(sums).split([self.num_features, self.num_features, 1])
        mean = total / count
        variance = (total_square / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class DeitPyramid(nn.Module):
    """A DeiT and its feature pyramid. images (B, 3, H, W), sides multiples of 32 -> five maps (B, C, H/s, W/s).

    Blocks d/3, d/2, 2d/3 and d of the backbone feed strides 4, 8, 16 and 32. `out_channels` is C.
    """

    def __init__(self, backbone: VisionTransformer, *, channels: int) -> None:
        super().__init__()
        dim, depth = backbone.dimensions.embed_dim, backbone.dimensions.depth
        if depth < 4:
            raise ValueError(f"a pyramid takes features after four blocks: depth {depth} is too small")
        self.out_channels = channels
        self.block_indices = [depth // 3 - 1, depth // 2 - 1, 2 * depth // 3 - 1, depth - 1]  # 3, 5, 7, 11 of 12
        self.bottom_up = backbone
        self.to_stride_4 = nn.Sequential(
            nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2),
            SyncedBatchNorm2d(dim),
            nn.GELU(),
            nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2),
        )
        self.to_stride_8 = nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2)
        self.to_stride_32 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fpn = FeaturePyramidNetwork([dim] * 4, channels, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Maps named "p2" (stride 4) to "p6" (stride 64), fine to coarse."""
        x4, x8, x16, x32 = self.bottom_up.intermediate_features(images, self.block_indices)  # each (B, D, H/16, W/16)
        maps = [self.to_stride_4(x4), self.to_stride_8(x8), x16, self.to_stride_32(x32)]
        pyramid = self.fpn(OrderedDict(zip(("p2", "p3", "p4", "p5"), maps, strict=True)))
        return OrderedDict(zip(("p2", "p3", "p4", "p5", "p6"), pyramid.values(), strict=True))
