"""Weights of a detector under our names and under detectron2's, loss-free both ways; no detectron2 needed.

Between a model file and detectron2's .pth. On its side the backbone has the names of the published DiT detectors
(microsoft/unilm, dit/object_detection): `backbone.bottom_up.backbone.*`, also the upsampling layers fpn1, fpn2.
Background is the first class with us and the last one there; offsets and masks have no background on either side.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor

# (ours, theirs): `{}` is a number of the same value on both sides unless a rule below shifts it.
_PREFIXES = (
    ("pyramid.to_stride_4.", "backbone.bottom_up.backbone.fpn1."),
    ("pyramid.to_stride_8.", "backbone.bottom_up.backbone.fpn2.0."),
    ("pyramid.bottom_up.", "backbone.bottom_up.backbone."),
    ("rpn.head.conv.0.0.", "proposal_generator.rpn_head.conv."),
    ("rpn.head.cls_logits.", "proposal_generator.rpn_head.objectness_logits."),
    ("rpn.head.bbox_pred.", "proposal_generator.rpn_head.anchor_deltas."),
    ("mask_predictor.conv5_mask.", "roi_heads.mask_head.deconv."),
    ("mask_predictor.mask_fcn_logits.", "roi_heads.mask_head.predictor."),
)
_FPN_PARTS = (("inner_blocks", "fpn_lateral"), ("layer_blocks", "fpn_output"))
_HIDDEN = (("fc6", "fc1"), ("fc7", "fc2"))
_PREDICTED = ("cls_score", "bbox_pred")
MAX_MASK_LAYERS = 16
_NUM_LEVELS = 4  # p2 to p5; p6 has no weights
# What a detectron2 model holds beside its weights, or held in earlier versions; rebuilt from its configuration.
_NOT_WEIGHTS = re.compile(r"^(pixel_mean|pixel_std|anchor_generator\.|proposal_generator\.anchor_generator\.)")


def to_detectron2(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A detector's weights (`Detector.state_dict`) as detectron2's GeneralizedRCNN names them.

    ValueError with the names for weights that are no detector's.
    """
    names = {ours: theirs for ours, theirs in _all_names(state, is_ours=True)}
    return _renamed(state, names, _background_last, "detector of ours")


def from_detectron2(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a detectron2 GeneralizedRCNN on our backbone under our names; its buffers are left out.

    ValueError with the names for weights that have no place in a detector of ours.
    """
    weights = {name: tensor for name, tensor in state.items() if not _NOT_WEIGHTS.match(name)}
    names = {theirs: ours for ours, theirs in _all_names(weights, is_ours=False)}
    return _renamed(weights, names, _background_first, "detectron2 model on a DeiT pyramid")


def _renamed(
    state: dict[str, Tensor], names: dict[str, str], move_background: Callable[[Tensor], Tensor], what: str
) -> dict[str, Tensor]:
    unknown = [name for name in state if name not in names]
    if unknown:
        raise ValueError(f"not the weights of a {what}: {len(unknown)} unknown names, first {', '.join(unknown[:5])}")
    return {names[name]: move_background(tensor) if "cls_score" in name else tensor for name, tensor in state.items()}


def _all_names(state: dict[str, Tensor], *, is_ours: bool) -> list[tuple[str, str]]:
    """(ours, theirs) of every name in the state that has a place."""
    num_stages = 1 + max(
        (int(found[1]) for name in state if (found := re.match(r"(?:box_stages|roi_heads\.box_head)\.(\d)\.", name))),
        default=0,
    )
    prefixes = list(_PREFIXES)
    for part, theirs in _FPN_PARTS:
        prefixes += [(f"pyramid.fpn.{part}.{i}.0.", f"backbone.{theirs}{i + 2}.") for i in range(_NUM_LEVELS)]
    for stage in range(num_stages):
        number = f".{stage}" if num_stages > 1 else ""  # a single stage has no number there
        prefixes += [
            (f"box_stages.{stage}.head.{ours}.", f"roi_heads.box_head{number}.{theirs}.") for ours, theirs in _HIDDEN
        ]
        prefixes += [
            (f"box_stages.{stage}.predictor.{name}.", f"roi_heads.box_predictor{number}.{name}.") for name in _PREDICTED
        ]
    prefixes += [(f"mask_head.{i}.0.", f"roi_heads.mask_head.mask_fcn{i + 1}.") for i in range(MAX_MASK_LAYERS)]
    side = 0 if is_ours else 1
    found = []
    for name in state:
        for pair in prefixes:
            if name.startswith(pair[side]):
                rest = name[len(pair[side]) :]
                found.append((pair[0] + rest, pair[1] + rest))
                break
    return found


def _background_last(rows: Tensor) -> Tensor:
    return rows.roll(-1, 0)


def _background_first(rows: Tensor) -> Tensor:
    return rows.roll(1, 0)
