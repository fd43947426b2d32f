"""The arithmetic of a loaded detector: float32, or bfloat16 or 8-bit integers where the processor multiplies faster so.

load_model calls this once; training takes the layout of weights alone, its precision is Lightning Fabric's. Norms, the
sum over blocks, scores, box arithmetic and pooling stay in float32.
"""

from __future__ import annotations

import torch
from torch import nn

from backbone.bf16 import is_quicker_in_bf16
from layoutdeit.engines import PRECISIONS
from layoutdeit.engines.base import Detector
from layoutdeit.engines.int8 import is_exact, is_quicker_in_int8, multiply_in_int8

INT8_WIDTH = 192  # of the widest backbone that auto rounds so: wider ones have outliers, which were not measured
MULTIPLIED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def chosen_precision(name: str, detector: Detector, device: torch.device | str) -> str:
    """fp32, bf16 or int8; ValueError for a name that is none of them and not auto, and for int8 where there is none.

    auto: bf16 where this machine multiplies it faster, or else int8 on a CPU, for the width whose AP in int8 was
    measured; docs/speed.md has what they buy and cost. detectron2's engine stays at float32, being there to compare.
    """
    if name not in PRECISIONS:
        raise ValueError(f"unknown precision {name!r}: use one of {', '.join(PRECISIONS)}")
    engine, kind = detector.engine, torch.device(device).type
    is_ours = engine == "torchvision"
    if name == "int8" and not (is_ours and kind == "cpu"):
        raise ValueError(f"int8 is for a CPU and the torchvision engine, not for {engine} on {kind}: use fp32 or bf16")
    if name == "int8" and not is_exact():
        raise ValueError("this processor, or this version of PyTorch, has no exact products in int8: use fp32 or bf16")
    if name != "auto":
        return name
    if is_ours and is_quicker_in_bf16(kind):
        return "bf16"
    is_measured = detector.backbone.dimensions.embed_dim <= INT8_WIDTH
    return "int8" if is_ours and kind == "cpu" and is_measured and is_quicker_in_int8() else "fp32"


def prepare_to_predict(detector: Detector, precision: str) -> None:
    """Lay weights out as convolutions read them, and round them once. For prediction only: that loses digits."""
    detector.precision = precision
    lay_out_weights(detector)
    if precision == "bf16":
        for module in detector.modules():
            if isinstance(module, MULTIPLIED):
                module.to(torch.bfloat16)
    elif precision == "int8":
        multiply_in_int8(detector)


def lay_out_weights(model: nn.Module) -> None:
    """Channels last, as convolutions in 16 bits read them; what is computed stays the same."""
    for module in model.modules():
        if isinstance(module, MULTIPLIED):
            module.to(memory_format=torch.channels_last)
