"""The arithmetic of a loaded detector: float32, or bfloat16 where the processor multiplies it faster.

load_model calls this once; training takes the layout of weights alone, its precision is Lightning Fabric's. Norms, the
sum over blocks, scores, box arithmetic and pooling stay in float32.
"""

from __future__ import annotations

import torch
from torch import nn

from backbone.bf16 import is_quicker_in_bf16
from layoutdeit.engines.base import Detector

PRECISIONS = ("auto", "fp32", "bf16")
MULTIPLIED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def chosen_precision(name: str, *, device: torch.device | str, engine: str) -> str:
    """fp32 or bf16; ValueError for a name that is neither and not auto.

    auto: bf16 where this machine multiplies it faster, docs/speed.md has what that buys and costs. detectron2's
    engine stays at float32, being there to compare with.
    """
    if name not in PRECISIONS:
        raise ValueError(f"unknown precision {name!r}: use one of {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    return "bf16" if engine == "torchvision" and is_quicker_in_bf16(torch.device(device).type) else "fp32"


def prepare_to_predict(detector: Detector, precision: str) -> None:
    """Lay weights out as convolutions read them, and cast them once. For prediction only: the cast loses digits."""
    detector.precision = precision
    lay_out_weights(detector)
    if precision == "bf16":
        for module in detector.modules():
            if isinstance(module, MULTIPLIED):
                module.to(torch.bfloat16)


def lay_out_weights(model: nn.Module) -> None:
    """Channels last, as convolutions in 16 bits read them; what is computed stays the same."""
    for module in model.modules():
        if isinstance(module, MULTIPLIED):
            module.to(memory_format=torch.channels_last)
