"""The published sizes of DeiT and DeiT-III, and `build_deit`, which makes any of them or a size of one's own."""

from __future__ import annotations

from dataclasses import replace

from backbone.vit import VisionTransformer, VitDimensions

# What official weights expect of an image in [0, 1], RGB: ImageNet's mean and standard deviation.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Table 1 of arXiv:2012.12877; names as in facebookresearch/deit, models.py.
_TINY = VitDimensions(embed_dim=192, num_heads=3)
_SMALL = VitDimensions(embed_dim=384, num_heads=6)
_BASE = VitDimensions(embed_dim=768, num_heads=12)
# Table 1 of arXiv:2204.07118 (DeiT-III, models_v2.py), without its LayerScale, which conversion.py folds; also DiT-L.
_LARGE = VitDimensions(embed_dim=1024, depth=24, num_heads=16)
DEIT_SIZES = {
    "deit_tiny_patch16_224": _TINY,
    "deit_small_patch16_224": _SMALL,
    "deit_base_patch16_224": _BASE,
    "deit_tiny_distilled_patch16_224": replace(_TINY, distilled=True),
    "deit_small_distilled_patch16_224": replace(_SMALL, distilled=True),
    "deit_base_distilled_patch16_224": replace(_BASE, distilled=True),
    "deit_base_patch16_384": replace(_BASE, image_size_hw=(384, 384)),
    "deit_base_distilled_patch16_384": replace(_BASE, image_size_hw=(384, 384), distilled=True),
    "deit_large_patch16_224": _LARGE,
}


def deit_dimensions(name: str, **changes: object) -> VitDimensions:
    """Return the dimensions of a published model, with fields of `VitDimensions` replaced by `changes`.

    ValueError names the models that exist; TypeError an unknown field.
    """
    if name not in DEIT_SIZES:
        raise ValueError(f"unknown model {name!r}: use one of {', '.join(DEIT_SIZES)}")
    return replace(DEIT_SIZES[name], **changes)


def build_deit(
    name: str, *, drop_path: float = 0.0, activation_checkpointing: bool = False, **changes: object
) -> VisionTransformer:
    """Build a published model with random weights; `changes` replace its dimensions (num_classes=10, ...)."""
    dimensions = deit_dimensions(name, **changes)
    return VisionTransformer(dimensions, drop_path=drop_path, activation_checkpointing=activation_checkpointing)
