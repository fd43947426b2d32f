"""DeiT tokens become a feature pyramid: strides 4, 8, 16, 32 from one token grid, then FPN, then stride 64.

Sits between the backbone and every detection head. The published DeiT-B/PubLayNet detector's choices (DiT,
arXiv:2203.02378, sec. 4 and its detectron2 code), parameter layout included, so that its weights fit.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from backbone.deit import build_deit
from backbone.vit import VisionTransformer
from layoutdeit.config import BackboneConfig
from layoutdeit.stopwatch import stage
from layoutdeit.synced_norm import SyncedBatchNorm2d

STRIDES = (4, 8, 16, 32, 64)
SIZE_DIVISOR = 32  # image sides must be multiples: 16 for the patches, twice that for the max-pooled level


def build_page_backbone(config: BackboneConfig) -> VisionTransformer:
    """The DeiT of a detector: no head, and no last norm, which would never be trained."""
    backbone = build_deit(
        config.name,
        num_classes=0,
        image_size_hw=tuple(config.grid_size_px),
        position_resize=config.position_resize,
        drop_path=config.drop_path,
        activation_checkpointing=config.activation_checkpointing,
    )
    backbone.norm = nn.Identity()
    return backbone


def feature_blocks(depth: int) -> list[int]:
    """The blocks whose output feeds strides 4, 8, 16 and 32: 3, 5, 7, 11 of 12. ValueError for fewer than four."""
    if depth < 4:
        raise ValueError(f"a pyramid takes features after four blocks: depth {depth} is too small")
    return [depth // 3 - 1, depth // 2 - 1, 2 * depth // 3 - 1, depth - 1]


def stride_4_layers(dim: int) -> nn.Sequential:
    """Twice double the grid: (B, D, H, W) -> (B, D, 4*H, 4*W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2),
        SyncedBatchNorm2d(dim),
        nn.GELU(),
        nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2),
    )


def stride_8_layer(dim: int) -> nn.ConvTranspose2d:
    """Double the grid: (B, D, H, W) -> (B, D, 2*H, 2*W)."""
    return nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2)


class DeitPyramid(nn.Module):
    """A DeiT and its feature pyramid. images (B, 3, H, W), sides multiples of 32 -> five maps (B, C, H/s, W/s).

    Blocks d/3, d/2, 2d/3 and d of the backbone feed strides 4, 8, 16 and 32. `out_channels` is C.
    """

    def __init__(self, backbone: VisionTransformer, *, channels: int) -> None:
        super().__init__()
        dim = backbone.dimensions.embed_dim
        self.out_channels = channels
        self.block_indices = feature_blocks(backbone.dimensions.depth)
        self.bottom_up = backbone
        self.to_stride_4 = stride_4_layers(dim)
        self.to_stride_8 = stride_8_layer(dim)
        self.to_stride_32 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fpn = FeaturePyramidNetwork([dim] * 4, channels, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Maps named "p2" (stride 4) to "p6" (stride 64), fine to coarse."""
        with stage("backbone"):  # each (B, D, H/16, W/16)
            x4, x8, x16, x32 = self.bottom_up.intermediate_features(images, self.block_indices)
        maps = [self.to_stride_4(x4), self.to_stride_8(x8), x16, self.to_stride_32(x32)]
        pyramid = self.fpn(OrderedDict(zip(("p2", "p3", "p4", "p5"), maps, strict=True)))
        return OrderedDict(zip(("p2", "p3", "p4", "p5", "p6"), pyramid.values(), strict=True))
