"""Model files of earlier formats, read as today's: what a user has trained keeps running.

Format 1 (until 2026-11-24) held torchvision's heads: a box and a mask for background too, which nothing ever trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_1 = "layoutdeit-detector-1"


def upgrade_format_1(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a format 1 file under today's names, without the rows of background. Shapes (N+1) become N."""
    upgraded = {}
    for name, tensor in state.items():
        if name.startswith("heads.box_head."):
            name = name.replace("heads.box_head.", "box_stages.0.head.")
        elif name.startswith("heads.box_predictor."):
            name = name.replace("heads.box_predictor.", "box_stages.0.predictor.")
            tensor = tensor[4:] if "bbox_pred" in name else tensor
        elif name.startswith("heads."):
            name = name.removeprefix("heads.")
            tensor = tensor[1:] if "mask_fcn_logits" in name else tensor
        upgraded[name] = tensor
    return upgraded
