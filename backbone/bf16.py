"""Whether a device multiplies matrices faster in bfloat16 than in float32: asked of a GPU, measured on a CPU.

What a processor says of itself is not enough: an Intel Xeon whose AMX is hidden, as in many virtual machines, has
AVX-512's instructions for bf16 and is twice as fast without them (docs/speed.md).
"""

from __future__ import annotations

import time
from functools import cache

import torch
from torch.nn import functional as F

LEAST_GAIN = 1.2  # in speed, from which rounding to 8 bits of mantissa is worth it
ROUNDS = 10
TOKENS, WIDTH_IN, WIDTH_OUT = 200, 192, 768  # a layer of DeiT-Ti over a quarter of a page


@cache
def is_quicker_in_bf16(device_type: str) -> bool:
    """Whether products in bf16 take clearly less time on this machine's devices of a type ("cpu", "cuda" ...)."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and _has_instructions() and bf16_gain() >= LEAST_GAIN


def training_precision(name: str) -> str:
    """Lightning Fabric's precision for a name of backbone.config.TRAINING_PRECISIONS: "auto" is decided here."""
    if name != "auto":
        return name
    return "bf16-mixed" if is_quicker_in_bf16("cuda" if torch.cuda.is_available() else "cpu") else "32-true"


def bf16_gain() -> float:
    """How many times as fast the CPU multiplies in bf16: the best of rounds of less than a millisecond, in turns."""
    operands = {
        kind: (torch.ones(TOKENS, WIDTH_IN, dtype=kind), torch.ones(WIDTH_OUT, WIDTH_IN, dtype=kind))
        for kind in (torch.float32, torch.bfloat16)
    }
    seconds = dict.fromkeys(operands, float("inf"))
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine several would wait for each other
    try:
        for _ in range(ROUNDS):
            for kind, (tokens, weight) in operands.items():
                start = time.perf_counter()
                F.linear(tokens, weight)
                seconds[kind] = min(seconds[kind], time.perf_counter() - start)
    finally:
        torch.set_num_threads(num_threads)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def _has_instructions() -> bool:
    """Without them PyTorch multiplies number by number, which is not worth measuring. Arm's were not tried."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
