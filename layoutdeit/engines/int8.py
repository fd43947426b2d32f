"""Products in 8-bit integers on a CPU: layers of a loaded detector replaced by ones that multiply so.

Weights are rounded once, with a step of their own for each output; what comes in is rounded as it comes, over its own
range, so nothing is calibrated and any model file will do. Sums are whole numbers and exact, results float32. The
kernels are oneDNN's, as PyTorch's own compiler calls them (torch.ops.onednn): no public API, so they are tried before
they are used, and with them the processor: without instructions for it (VNNI) sums run over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from layoutdeit.engines.torchvision_engine import TorchvisionDetector

STEPS = 255  # of what comes in, from its lowest to its highest
MAX_WEIGHT = 127
INSTRUCTIONS = ("avx512_vnni", "avx_vnni")
TRIED_WIDTH = 192  # of the products that are tried


class Int8Linear(nn.Module):
    """A linear layer, rounded. (..., K) float32 -> (..., N) float32."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight, self._weight_steps = _rounded_weight(layer.weight.detach())
        self._weight = torch.ops.onednn.qlinear_prepack(weight, None)
        self._weight_zeros = torch.zeros(layer.out_features, dtype=torch.long)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply what is rounded over the range of all of x."""
        if x.numel() == 0:
            return x.new_zeros(*x.shape[:-1], len(self._weight_zeros))
        rows, step, zero = _rounded(x.reshape(-1, x.shape[-1]).contiguous())
        product = torch.ops.onednn.qlinear_pointwise(
            rows, step, zero, self._weight, self._weight_steps, self._weight_zeros, self._bias,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return product.reshape(*x.shape[:-1], -1)


class Int8Conv2d(nn.Module):
    """A convolution, rounded. (B, C, H, W) float32 -> (B, D, H', W') float32, channels last."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        weight, self._weight_steps = _rounded_weight(layer.weight.detach())
        self._places = (list(layer.stride), list(layer.padding), list(layer.dilation), layer.groups)
        weight = weight.contiguous(memory_format=torch.channels_last)
        self._weight = torch.ops.onednn.qconv_prepack(weight, self._weight_steps, 1.0, 1, *self._places)
        self._weight_zeros = torch.zeros(layer.out_channels, dtype=torch.long)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply what is rounded over the range of all of x."""
        pixels, step, zero = _rounded(x.permute(0, 2, 3, 1).contiguous())  # (B, H, W, C): torch reads it in line
        return torch.ops.onednn.qconv2d_pointwise(
            pixels.permute(0, 3, 1, 2), step, zero, self._weight, self._weight_steps, self._weight_zeros, self._bias,
            *self._places, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip


def multiply_in_int8(detector: TorchvisionDetector) -> None:
    """Replace what takes most of the time: the blocks, the pyramid, the proposals' first layer, the box heads.

    Patches, the layers that answer (classes, offsets, objectness) and masks stay as they are.
    """
    boxes = [box_stage.head for box_stage in detector.box_stages]
    for part in (detector.backbone.blocks, detector.pyramid.fpn, detector.rpn.head.conv, *boxes):
        for module in list(part.modules()):
            for name, layer in list(module.named_children()):
                if type(layer) is nn.Linear:
                    setattr(module, name, Int8Linear(layer))
                elif type(layer) is nn.Conv2d:
                    setattr(module, name, Int8Conv2d(layer))


@cache
def is_exact() -> bool:
    """Whether this PyTorch has the kernels, and this processor adds up their largest products without an error."""
    linear = nn.utils.skip_init(nn.Linear, TRIED_WIDTH, 8, bias=False)  # draws no numbers that a caller's seed is for
    conv = nn.utils.skip_init(nn.Conv2d, TRIED_WIDTH, 8, 3, bias=False)
    nn.init.ones_(linear.weight)
    nn.init.ones_(conv.weight)
    tokens, pixels = torch.ones(4, TRIED_WIDTH), torch.ones(1, TRIED_WIDTH, 5, 5)  # of 255 and 127 steps
    try:
        with torch.inference_mode():
            found = Int8Linear(linear)(tokens), Int8Conv2d(conv)(pixels)
            wanted = linear(tokens), conv(pixels)
    except (AttributeError, RuntimeError, TypeError):  # not there, not on this processor, called otherwise
        return False
    return all(torch.allclose(one, other, rtol=1e-5) for one, other in zip(found, wanted, strict=True))


def is_quicker_in_int8() -> bool:
    """Whether this machine's CPU is of those whose products in int8 were measured to be quicker, and exact.

    Told by its instructions, not by the clock: all processes of a run, and of the next, must decide alike.
    """
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in INSTRUCTIONS) and is_exact()


def int8_flop() -> dict[object, Callable[..., int]]:
    """How to count the operations of the kernels, as FlopCounterMode's custom_mapping; none where there are none."""
    if not is_exact():
        return {}
    kernels = torch.ops.onednn
    return {kernels.qlinear_pointwise: _linear_flop, kernels.qconv2d_pointwise: _conv_flop}


def _linear_flop(rows: Sequence[int], *_: object, out_shape: Sequence[int], **__: object) -> int:
    return 2 * math.prod(rows) * out_shape[-1]


def _conv_flop(
    _: object, step: float, zero: int, weight: Sequence[int], *__: object, out_shape: Sequence[int], **___: object
) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _rounded(x: Tensor) -> tuple[Tensor, float, int]:
    """x in steps from its lowest number to its highest, 0 among them: uint8, the step, the number of 0."""
    low, high = (float(end) for end in torch.aminmax(x))
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / STEPS or 1.0
    zero = int(-low / step)  # rounded down, so that what follows ends below 256
    return torch.add(torch.tensor(zero + 0.5), x, alpha=1 / step).to(torch.uint8), step, zero


def _rounded_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight (N, ...) as int8, and its steps (N,)."""
    steps = weight.flatten(1).abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / MAX_WEIGHT
    return (weight / steps.view(-1, *[1] * (weight.dim() - 1))).round().to(torch.int8), steps
