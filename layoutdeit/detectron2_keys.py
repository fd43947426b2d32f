"""A detector's weights under detectron2's names, and back: tensors renamed one by one, none lost, none invented.

Pure functions on tensors by name; detectron2 itself is not needed. Ours are the names of TorchvisionDetector's
state_dict, theirs those of a GeneralizedRCNN with the published detectors' backbone (microsoft/unilm,
dit/object_detection), the layers that upsample its features among them (fpn1, fpn2).

Both libraries flatten pooled features (C, H, W), keep box deltas class by class and anchors ratio by ratio. The one
difference in the tensors: a classifier's row for background is our first and their last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

BODY = "pyramid.bottom_up."  # the DeiT, with its official names after that
DETECTRON2_BODY = "backbone.bottom_up.backbone."
# Constants that older versions of detectron2 keep among the weights; the model file's settings hold ours.
DETECTRON2_BUFFERS = re.compile(r"pixel_mean|pixel_std|proposal_generator\.anchor_generator\.cell_anchors\.\d+")

_WEIGHT_AND_BIAS = ("weight", "bias")
_BATCH_NORM = (*_WEIGHT_AND_BIAS, "running_mean", "running_var", "num_batches_tracked")
_BLOCK_PARTS = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
_STAGE_PARTS = {
    "head.fc6": "box_head{stage}.fc1",
    "head.fc7": "box_head{stage}.fc2",
    "predictor.cls_score": "box_predictor{stage}.cls_score",
    "predictor.bbox_pred": "box_predictor{stage}.bbox_pred",
}


def to_detectron2(state: Mapping[str, Tensor], *, num_classes: int | None = None) -> dict[str, Tensor]:
    """Our detector's weights as detectron2's. num_classes: without background; None: as the classifier has it.

    ValueError names what is missing, unknown or of another class count.
    """
    pairs = _pairs_of_a_detector(
        depth=_count(state, r"pyramid\.bottom_up\.blocks\.(\d+)\."),
        num_stages=_count(state, r"box_stages\.(\d+)\."),
        mask_layers=_count(state, r"mask_head\.(\d+)\."),
        has_masks=any(name.startswith(("mask_head.", "mask_predictor.")) for name in state),
        distilled=f"{BODY}dist_token" in state,
    )
    _check_names(state, pairs, "a detector of ours")
    _check_class_rows(state, num_classes)
    return {pairs[name]: _roll_background(name, tensor, -1) for name, tensor in state.items()}


def from_detectron2(state: Mapping[str, Tensor], *, num_classes: int | None = None) -> dict[str, Tensor]:
    """detectron2's weights as our detector's, its constants (pixel mean, anchor cells) left out.

    The DeiT inside must have its official names; LayerScale and split biases are folded before (published_detector.py).
    num_classes and errors as to_detectron2's.
    """
    state = {name: tensor for name, tensor in state.items() if not DETECTRON2_BUFFERS.fullmatch(name)}
    num_numbered_stages = _count(state, r"roi_heads\.box_(?:head|predictor)\.(\d+)\.")
    pairs = _pairs_of_a_detector(
        depth=_count(state, r"backbone\.bottom_up\.backbone\.blocks\.(\d+)\."),
        num_stages=num_numbered_stages or 1,
        mask_layers=_count(state, r"roi_heads\.mask_head\.mask_fcn(\d+)\.") - 1,  # theirs count from 1
        has_masks=any(name.startswith("roi_heads.mask_head.") for name in state),
        distilled=f"{DETECTRON2_BODY}dist_token" in state,
    )
    our_names = {theirs: ours for ours, theirs in pairs.items()}
    _check_names(state, our_names, "a detectron2 detector on a DeiT")
    ours = {our_names[name]: _roll_background(our_names[name], tensor, 1) for name, tensor in state.items()}
    _check_class_rows(ours, num_classes)
    return ours


def _pairs_of_a_detector(
    *, depth: int, num_stages: int, mask_layers: int, has_masks: bool, distilled: bool
) -> dict[str, str]:
    """Every name of a detector of that shape: ours -> theirs. A lone stage has no number there."""
    pairs = {
        **_pairs_of_the_body(depth, distilled),
        **_with_parts("pyramid.to_stride_4.0", f"{DETECTRON2_BODY}fpn1.0"),
        **_with_parts("pyramid.to_stride_4.1", f"{DETECTRON2_BODY}fpn1.1", _BATCH_NORM),
        **_with_parts("pyramid.to_stride_4.3", f"{DETECTRON2_BODY}fpn1.3"),
        **_with_parts("pyramid.to_stride_8", f"{DETECTRON2_BODY}fpn2.0"),
        **_with_parts("rpn.head.conv.0.0", "proposal_generator.rpn_head.conv"),
        **_with_parts("rpn.head.cls_logits", "proposal_generator.rpn_head.objectness_logits"),
        **_with_parts("rpn.head.bbox_pred", "proposal_generator.rpn_head.anchor_deltas"),
    }
    for level in range(4):  # theirs are named for the stride, 2**2 to 2**5
        pairs |= _with_parts(f"pyramid.fpn.inner_blocks.{level}.0", f"backbone.fpn_lateral{level + 2}")
        pairs |= _with_parts(f"pyramid.fpn.layer_blocks.{level}.0", f"backbone.fpn_output{level + 2}")
    for index in range(max(1, num_stages)):
        stage = f".{index}" if num_stages > 1 else ""
        for ours, theirs in _STAGE_PARTS.items():
            pairs |= _with_parts(f"box_stages.{index}.{ours}", f"roi_heads.{theirs.format(stage=stage)}")
    if has_masks:
        for index in range(mask_layers):
            pairs |= _with_parts(f"mask_head.{index}.0", f"roi_heads.mask_head.mask_fcn{index + 1}")
        pairs |= _with_parts("mask_predictor.conv5_mask", "roi_heads.mask_head.deconv")
        pairs |= _with_parts("mask_predictor.mask_fcn_logits", "roi_heads.mask_head.predictor")
    return pairs


def _pairs_of_the_body(depth: int, distilled: bool) -> dict[str, str]:
    """The DeiT without a last norm and head, which no detector has."""
    names = ["cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"]
    names += ["dist_token"] if distilled else []
    names += [
        f"blocks.{index}.{module}.{part}"
        for index in range(max(1, depth))
        for module in _BLOCK_PARTS
        for part in _WEIGHT_AND_BIAS
    ]
    return {f"{BODY}{name}": f"{DETECTRON2_BODY}{name}" for name in names}


def _with_parts(ours: str, theirs: str, parts: Iterable[str] = _WEIGHT_AND_BIAS) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for part in parts}


def _count(names: Iterable[str], pattern: str) -> int:
    """One more than the highest number that the pattern finds at the beginning of a name; 0 where it finds none."""
    return 1 + max((int(found[1]) for name in names if (found := re.match(pattern, name))), default=-1)


def _check_names(state: Mapping[str, Tensor], expected: Iterable[str], what: str) -> None:
    expected = dict.fromkeys(expected)
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    if missing or unknown:
        lists = {"missing": missing, "unknown names": unknown}
        listed = "; ".join(f"{title}: {_shortened(names)}" for title, names in lists.items() if names)
        raise ValueError(f"these are not the weights of {what}; {listed}")


def _check_class_rows(state: Mapping[str, Tensor], num_classes: int | None) -> None:
    """ValueError unless every predictor, by our names, has the rows that many classes need.

    Boxes of a lone stage are predicted for each class, those of a cascade for all alike.
    """
    if num_classes is None:
        num_classes = len(state["box_stages.0.predictor.cls_score.bias"]) - 1
    is_cascade = _count(state, r"box_stages\.(\d+)\.") > 1
    rows_of = {
        ".predictor.cls_score.": (num_classes + 1, "with background"),
        ".predictor.bbox_pred.": (4, "4 for all classes of a cascade") if is_cascade else (4 * num_classes, "4 each"),
        "mask_predictor.mask_fcn_logits.": (num_classes, "one each"),
    }
    for name, tensor in state.items():
        for part, (rows, why) in rows_of.items():
            if part in name and len(tensor) != rows:
                raise ValueError(f"{name} has {len(tensor)} rows, {num_classes} classes need {rows} ({why})")


def _roll_background(our_name: str, tensor: Tensor, shift: int) -> Tensor:
    """Move the row of background in a classifier, -1 from first to last, 1 back; other tensors stay as they are."""
    return tensor.roll(shift, 0) if ".predictor.cls_score." in our_name else tensor


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
