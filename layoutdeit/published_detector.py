"""A detectron2 detector on a DeiT as a detector of ours: its settings read off its tensors, its weights made plain.

For the published DiT detectors (arXiv:2203.02378; microsoft/unilm, dit/object_detection), Mask and Cascade R-CNN, and
for whatever detectron2 trained on our own backbone. Exact: LayerScale and the biases for queries and values alone are
folded by backbone/conversion.py, all other weights only change their names (detectron2_keys.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backbone.config import load_config
from backbone.conversion import Converted, convert_state_dict, telling_odd_shapes
from backbone.deit import DEIT_SIZES
from backbone.vit import VitDimensions
from layoutdeit.config import DetectorConfig
from layoutdeit.detectron2_keys import DETECTRON2_BODY, from_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.labels import LABEL_NAMES, NUM_CLASSES

CASCADE_IOUS = (
    0.5,
    0.6,
    0.7,
)  # detectron2's MODEL.ROI_BOX_CASCADE_HEAD.IOUS, which the published ones leave as they are
DIT_MEAN = (0.5, 0.5, 0.5)  # 127.5 of 255 in every DiT configuration, mean and deviation; RGB as here
_UPSAMPLING = (f"{DETECTRON2_BODY}fpn1.", f"{DETECTRON2_BODY}fpn2.")


@dataclass(frozen=True)
class ConvertedDetector:
    """Settings and weights of a detector of ours, and what a reader should know of how they were found."""

    config: DetectorConfig
    state: dict[str, Tensor]
    remarks: tuple[str, ...]


@telling_odd_shapes()
def convert_detector(state: Mapping[str, Tensor], overrides: Sequence[str] = ()) -> ConvertedDetector:
    """Settings and weights from detectron2's tensors.

    overrides: "key=value" of DetectorConfig, for what tensors do not tell or tell wrong (input sizes, anchor sizes,
    backbone.position_resize). ValueError where a detector of ours cannot compute the same, and says why.
    """
    if not is_detectron2_detector(state):
        raise ValueError(
            f"these are no weights of a detectron2 detector on a DeiT: expected {DETECTRON2_BODY}cls_token and the "
            f"like beside proposal_generator and roi_heads; first names: {', '.join(list(state)[:3]) or 'none'}"
        )
    body, others = _split(state)
    grid = load_config(DetectorConfig, overrides=overrides).backbone.grid_size_px
    is_grid_told = any(override.startswith("backbone.grid_size_px=") for override in overrides)
    converted = convert_state_dict(body, image_size_hw=tuple(grid) if is_grid_told else None)
    made = {name for name in ("norm.weight", "norm.bias") if name in converted.report.missing}
    weights = {name: tensor for name, tensor in converted.state_dict.items() if name not in made}
    ours = from_detectron2({**{f"{DETECTRON2_BODY}{name}": t for name, t in weights.items()}, **others})
    told = {override.partition("=")[0] for override in overrides}
    settings, conclusions = _read_settings(ours, converted, state)
    remarks = [remark for key, remark in conclusions.items() if key not in told]
    config = load_config(DetectorConfig, overrides=[*settings, *overrides])
    _check_shapes(config, ours)
    dropped = tuple(f"left out {key}: {reason}" for key, reason in converted.report.dropped.items())
    return ConvertedDetector(config, ours, (*remarks, *dropped))


def is_detectron2_detector(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors bear the names of a detectron2 detector on a DeiT."""
    parts = (f"{DETECTRON2_BODY}cls_token", "proposal_generator.", "roi_heads.")
    return all(any(name.startswith(part) for name in state) for part in parts)


def _split(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The DeiT without its prefix, and all the rest."""
    body, others = {}, {}
    for name, tensor in state.items():
        if name.startswith(DETECTRON2_BODY) and not name.startswith(_UPSAMPLING):
            body[name.removeprefix(DETECTRON2_BODY)] = tensor
        else:
            others[name] = tensor
    return body, others


def _read_settings(
    ours: Mapping[str, Tensor], converted: Converted, theirs: Mapping[str, Tensor]
) -> tuple[list[str], dict[str, str]]:
    """Every setting that tensors tell, as "key=value", and by key what was concluded rather than read."""
    dims = converted.dimensions
    num_classes = len(ours["box_stages.0.predictor.cls_score.bias"]) - 1
    if num_classes != NUM_CLASSES:
        raise ValueError(
            f"these weights tell {num_classes} kinds of region apart, a detector of ours {NUM_CLASSES} "
            f"({', '.join(LABEL_NAMES)}): the published table detectors, for one, have no place here"
        )
    num_stages = len({name.split(".")[1] for name in ours if name.startswith("box_stages.")})
    num_mask_layers = len({name.split(".")[1] for name in ours if name.startswith("mask_head.")})
    is_dit = converted.format_name == "BEiT"
    mean, std, source = _read_normalisation(theirs, is_dit)
    rule = "scale_factor" if dims.distilled else "size"
    values = {
        "backbone.name": _size_name(dims),
        "backbone.grid_size_px": list(dims.image_size_hw),
        "backbone.position_resize": rule,
        "channels": len(ours["pyramid.fpn.inner_blocks.0.0.bias"]),
        "heads.box_dim": len(ours["box_stages.0.head.fc6.bias"]),
        "heads.cascade_ious": list(CASCADE_IOUS[:num_stages]) if num_stages > 1 else [],
        "heads.mask_layers": num_mask_layers,
    }
    if num_mask_layers:
        values["heads.mask_dim"] = len(ours["mask_head.0.0.bias"])
    if num_stages > 1:
        values["proposals.train_proposals"] = 2000  # as the published Cascade R-CNNs were trained
    if mean is not None:
        values |= {"input.mean": mean, "input.std": std}
    conclusions = {
        "": f"format of the DeiT: {converted.format_name}",
        "input.mean": f"pixel mean and deviation: {source}",
        "backbone.position_resize": f"positions are resized by {rule}, as the published "
        f"{'DeiT-B' if dims.distilled else 'DiT'} detectors do (backbone.position_resize=... where these weights were "
        "trained otherwise)",
    }
    return [f"{key}={value}" for key, value in values.items()], conclusions


def _read_normalisation(
    theirs: Mapping[str, Tensor], is_dit: bool
) -> tuple[list[float] | None, list[float] | None, str]:
    """Mean and deviation in [0, 1], and where they are from; None: the defaults of DetectorConfig."""
    if "pixel_mean" in theirs and "pixel_std" in theirs:  # of 0..255; today's detectron2 keeps neither in a file
        mean, std = ((theirs[name].double().flatten() / 255).tolist() for name in ("pixel_mean", "pixel_std"))
        return mean, std, "the file's own"
    if is_dit:
        return list(DIT_MEAN), list(DIT_MEAN), "those of the published DiT detectors"
    return None, None, "ImageNet's, those of the published DeiT-B detector"


def _size_name(dims: VitDimensions) -> str:
    """The row of DEIT_SIZES with these dimensions."""
    for name, size in DEIT_SIZES.items():
        same_head = replace(size, image_size_hw=dims.image_size_hw, num_classes=dims.num_classes)
        if same_head == dims:
            return name
    raise ValueError(
        f"no known DeiT has width {dims.embed_dim}, depth {dims.depth}, patches of {dims.patch_size} px"
        f"{' and two tokens' if dims.distilled else ''}: known are {', '.join(DEIT_SIZES)}"
    )


def _check_shapes(config: DetectorConfig, state: Mapping[str, Tensor]) -> None:
    """ValueError unless the settings build a detector of just these tensors."""
    with torch.device("meta"):
        expected = build_detector(config).state_dict()
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = [
        f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if missing or unknown or wrong:
        problems = [*wrong, *(f"{name} is missing" for name in missing), *(f"{name} is unknown" for name in unknown)]
        more = f" and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise ValueError(f"the settings build another detector than these weights: {'; '.join(problems[:4])}{more}")
