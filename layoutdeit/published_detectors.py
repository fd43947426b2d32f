"""Detectors in detectron2's format as detectors of ours: our own, those its trainers made, and the published DiT ones.

Between detectron2_keys.py, which renames, and detectron2_files.py, which reads and writes. The published ones
(microsoft/unilm, dit/object_detection) hold a DiT: LayerScale and the separate biases of queries and values are folded
into plain weights by backbone/conversion.py, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from backbone.conversion import Converted, convert_state_dict
from backbone.deit import DEIT_SIZES, IMAGENET_MEAN, IMAGENET_STD
from layoutdeit.config import BackboneConfig, DetectorConfig, HeadConfig, InputConfig, ProposalConfig
from layoutdeit.detectron2_keys import from_detectron2
from layoutdeit.labels import NUM_CLASSES

BACKBONE = "backbone.bottom_up.backbone."
UPSAMPLING = tuple(f"{BACKBONE}fpn{index}." for index in range(1, 5))
DIT_MEAN = DIT_STD = (0.5, 0.5, 0.5)  # publaynet_configs/*/*_dit_*.yaml: 127.5 of 255
CASCADE_IOUS = [0.5, 0.6, 0.7]  # ROI_BOX_CASCADE_HEAD.IOUS of detectron2
CASCADE_PROPOSALS = 2000  # RPN.POST_NMS_TOPK_TRAIN of publaynet_configs/cascade/*.yaml


@dataclass(frozen=True)
class ConvertedDetector:
    """A detector's settings, its weights under our names, and where they came from, in words."""

    config: DetectorConfig
    state: dict[str, Tensor]
    origin: str


def convert_detectron2(weights: Mapping[str, Tensor], settings: DetectorConfig | None = None) -> ConvertedDetector:
    """Make a detector of ours from the weights of a detectron2 model on a DeiT or DiT pyramid.

    settings: of the detector, where known; otherwise the weights tell the sizes, and the rest is as published (anchors,
    input size, counts). ValueError for other models, other class counts, or weights that do not fit the settings.
    """
    body = {
        name.removeprefix(BACKBONE): tensor
        for name, tensor in weights.items()
        if name.startswith(BACKBONE) and not name.startswith(UPSAMPLING)
    }
    if not body:
        raise ValueError(f"no weights of a DeiT pyramid: expected names that begin with {BACKBONE}")
    grid_size = tuple(settings.backbone.grid_size_px) if settings else None
    converted = convert_state_dict(body, image_size_hw=grid_size)
    plain = {f"{BACKBONE}{name}": t for name, t in converted.state_dict.items() if not name.startswith("norm.")}
    others = {name: t for name, t in weights.items() if name.removeprefix(BACKBONE) not in body}
    state = from_detectron2({**plain, **others})
    config = settings or _settings_of(state, converted)
    return ConvertedDetector(config, state, f"detectron2 model on a {converted.format_name}")


def _settings_of(state: Mapping[str, Tensor], converted: Converted) -> DetectorConfig:
    """What the weights tell of a detector; the published settings for all else."""
    dims = converted.dimensions
    sizes = (dims.embed_dim, dims.depth, dims.num_heads, dims.distilled)
    name = next(
        (n for n, d in DEIT_SIZES.items() if (d.embed_dim, d.depth, d.num_heads, d.distilled) == sizes),
        None,
    )
    if name is None:
        raise ValueError(
            f"a backbone {dims.embed_dim} wide with {dims.depth} blocks is none of {', '.join(DEIT_SIZES)}"
        )
    num_classes = len(state["box_stages.0.predictor.cls_score.bias"]) - 1
    if num_classes != NUM_CLASSES:
        raise ValueError(f"the weights know {num_classes} classes, PubLayNet and this program have {NUM_CLASSES}")
    num_ratios = len(state["rpn.head.cls_logits.bias"])
    proposals = ProposalConfig()
    if num_ratios != len(proposals.aspect_ratios):
        raise ValueError(
            f"the weights have {num_ratios} anchors a place, the published ones {len(proposals.aspect_ratios)}: "
            "name a model with the right settings (--like MODEL)"
        )
    is_cascade = "box_stages.2.predictor.cls_score.bias" in state
    proposals.train_proposals = CASCADE_PROPOSALS if is_cascade else proposals.train_proposals
    mask_layers = sum(key.startswith("mask_head.") and key.endswith(".weight") for key in state)
    is_dit = converted.format_name == "BEiT"
    return DetectorConfig(
        backbone=BackboneConfig(
            name=name,
            grid_size_px=dims.image_size_hw,
            # the published DeiT-B carries both tokens and DINO's way to stretch positions (ditod/deit.py)
            position_rule="scale_factor" if dims.distilled and not is_dit else "size",
        ),
        channels=len(state["pyramid.fpn.inner_blocks.0.0.bias"]),
        input=InputConfig(mean=DIT_MEAN, std=DIT_STD) if is_dit else InputConfig(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        proposals=proposals,
        heads=HeadConfig(
            box_dim=len(state["box_stages.0.head.fc6.bias"]),
            cascade_ious=CASCADE_IOUS if is_cascade else [],
            mask_dim=len(state["mask_head.0.0.bias"]) if mask_layers else HeadConfig().mask_dim,
            mask_layers=mask_layers,
        ),
    )
