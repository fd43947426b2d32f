"""Our DeiT as a backbone of detectron2, registered under the names that configurations use.

`build_deit_fpn_backbone` is for MODEL.BACKBONE.NAME, `DeitRCNN` for MODEL.META_ARCHITECTURE. Inner names follow the
published DiT detectors (microsoft/unilm, dit/object_detection), as layoutdeit/detectron2_keys.py expects.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, META_ARCH_REGISTRY, Backbone, GeneralizedRCNN
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from torch import Tensor, nn

from layoutdeit.config import BackboneConfig
from layoutdeit.pyramid import STRIDES, build_page_backbone, feature_blocks, stride_4_layers, stride_8_layer


class DeitBottomUp(Backbone):
    """A DeiT and the layers that bring its blocks to strides 4, 8, 16 and 32; detectron2's FPN stands on it."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.backbone = build_page_backbone(config)
        dim, depth = self.backbone.dimensions.embed_dim, self.backbone.dimensions.depth
        self.backbone.fpn1 = stride_4_layers(dim)  # there they belong to the ViT, so do their weights' names
        self.backbone.fpn2 = nn.Sequential(stride_8_layer(dim))
        self.backbone.fpn3 = nn.Identity()
        self.backbone.fpn4 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.block_indices = feature_blocks(depth)
        self._out_features = [f"layer{index}" for index in self.block_indices]
        self._out_feature_channels = dict.fromkeys(self._out_features, dim)
        self._out_feature_strides = dict(zip(self._out_features, STRIDES[:4], strict=True))

    @property
    def size_divisibility(self) -> int:
        """Pixels that an image's sides must be multiples of."""
        return STRIDES[3]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> four maps (B, D, H/s, W/s), s 4 to 32."""
        vit = self.backbone
        maps = vit.intermediate_features(images, self.block_indices)  # each (B, D, H/16, W/16)
        layers = (vit.fpn1, vit.fpn2, vit.fpn3, vit.fpn4)
        return {name: layer(features) for name, layer, features in zip(self._out_features, layers, maps, strict=True)}


@BACKBONE_REGISTRY.register()
def build_deit_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """A DeiT with detectron2's FPN: maps "p2" (stride 4) to "p6" (stride 64). Reads MODEL.DEIT and MODEL.FPN."""
    del input_shape
    deit = cfg.MODEL.DEIT
    bottom_up = DeitBottomUp(
        BackboneConfig(
            name=deit.NAME,
            grid_size_px=tuple(deit.GRID_SIZE_PX),
            position_resize=deit.POSITION_RESIZE,
            drop_path=deit.DROP_PATH,
            activation_checkpointing=deit.ACTIVATION_CHECKPOINTING,
        )
    )
    return FPN(
        bottom_up=bottom_up,
        in_features=list(bottom_up.output_shape()),
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@META_ARCH_REGISTRY.register()
class DeitRCNN(GeneralizedRCNN):
    """GeneralizedRCNN whose heads pool boxes of MODEL.DEIT.CANONICAL_BOX_SIZE from stride 16; detectron2 fixes 224."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """What GeneralizedRCNN is built from, poolers adjusted."""
        parts = super().from_config(cfg)
        for pooler in (parts["roi_heads"].box_pooler, getattr(parts["roi_heads"], "mask_pooler", None)):
            if pooler is not None:
                pooler.canonical_box_size = cfg.MODEL.DEIT.CANONICAL_BOX_SIZE
        return parts
