"""Products in 8-bit integers beside those in float32, on this processor's own kernels."""

from __future__ import annotations

import copy

import pytest
import torch
from detector_fixtures import debug_config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from layoutdeit.engines import build_detector, int8
from layoutdeit.engines.int8 import Int8Conv2d, Int8Linear, int8_flop, is_exact, is_quicker_in_int8, multiply_in_int8

needs_kernels = pytest.mark.skipif(not is_exact(), reason="no exact int8 products on this processor")

LOW_AND_HIGH = [(0.0, 1.0), (-1.0, 1.0), (-5.0, 0.5), (2.0, 3.0), (-3.0, -2.0), (0.0, 0.0)]


def numbers(low: float, high: float, *shape: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(shape) * (high - low) + low


def assert_near(found: torch.Tensor, wanted: torch.Tensor, x: torch.Tensor, num_products: int) -> None:
    """Within what two roundings to 8 bits may do to sums of so many products of weights below 1."""
    step = max(float(x.max()), 0.0) - min(float(x.min()), 0.0)
    reach = max(abs(float(x.max())), abs(float(x.min())))
    bound = num_products**0.5 * 4 * (step / 255 + reach / 127) / 2 + 1e-4
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < bound


@needs_kernels
@pytest.mark.parametrize("ends", LOW_AND_HIGH)
def test_a_linear_layer_is_near_its_own_in_float32(ends):
    torch.manual_seed(0)
    layer = nn.Linear(48, 24)
    x = numbers(*ends, 2, 30, 96)[..., ::2]  # not in line
    with torch.inference_mode():
        assert_near(Int8Linear(layer)(x), layer(x), x, 48)


@needs_kernels
@pytest.mark.parametrize("ends", LOW_AND_HIGH)
@pytest.mark.parametrize(
    "settings", [{"kernel_size": 3, "padding": 1}, {"kernel_size": 1}, {"kernel_size": 3, "stride": 2}]
)
def test_a_convolution_is_near_its_own_in_float32(ends, settings):
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, **settings)
    x = numbers(*ends, 2, 16, 9, 12)
    with torch.inference_mode():
        found = Int8Conv2d(layer)(x)
        assert_near(found, layer(x), x, 16 * settings["kernel_size"] ** 2)


@needs_kernels
def test_whole_numbers_lose_nothing():
    """Where numbers and weights are multiples of their steps, the largest of them too, sums are exact."""
    torch.manual_seed(0)
    layer = nn.Linear(512, 32, bias=False)
    layer.weight.data = torch.randint(-127, 128, (32, 512)).float()
    layer.weight.data[:, 0] = 127
    x = torch.randint(-100, 156, (20, 512)).float()
    x[0, :2] = torch.tensor([-100.0, 155.0])
    assert torch.equal(Int8Linear(layer)(x), layer(x).detach())


@needs_kernels
def test_no_rows_and_no_bias():
    layer = Int8Linear(nn.Linear(4, 3, bias=False))
    assert layer(torch.zeros(0, 4)).shape == (0, 3) and layer(torch.zeros(2, 0, 4)).shape == (2, 0, 3)
    assert torch.equal(layer(torch.zeros(5, 4)), torch.zeros(5, 3))


@needs_kernels
def test_a_detector_answers_in_float32_and_keeps_its_ends():
    torch.manual_seed(0)
    detector = build_detector(debug_config()).eval()
    plain = copy.deepcopy(detector)
    multiply_in_int8(detector)
    left = [name for name, layer in detector.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    kept = ("patch_embed", "cls_logits", "bbox_pred", "cls_score", "mask_")
    assert left and all(any(part in name for part in kept) for name in left)
    pages = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        rounded, exact = (each.pyramid(pages) for each in (detector, plain))
    for name, level in exact.items():
        assert float((rounded[name] - level).abs().max()) < 0.1 * float(level.abs().max()) + 1e-3
    assert sum(isinstance(layer, Int8Linear | Int8Conv2d) for layer in detector.modules()) > 10


@needs_kernels
def test_operations_are_counted_as_those_of_float32():
    linear, conv = nn.Linear(48, 24), nn.Conv2d(16, 8, 3, padding=1)
    counts = []
    for one, other in ((linear, conv), (Int8Linear(linear), Int8Conv2d(conv))):
        with FlopCounterMode(display=False, custom_mapping=int8_flop()) as counter, torch.inference_mode():
            one(torch.rand(2, 30, 48))
            other(torch.rand(2, 16, 9, 12))
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] == 2 * 60 * 48 * 24 + 2 * 2 * 8 * 9 * 12 * 16 * 9


def test_trying_the_kernels_draws_no_random_number():
    is_exact.cache_clear()
    before = torch.get_rng_state()
    is_exact()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("error", [AttributeError("no such kernel"), RuntimeError("not on this processor")])
def test_without_kernels_there_is_no_int8(error, monkeypatch):
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(int8, "_rounded", refuse)
    is_exact.cache_clear()
    try:
        assert not is_exact() and not is_quicker_in_int8() and int8_flop() == {}
    finally:
        is_exact.cache_clear()


@pytest.mark.parametrize(("flags", "expected"), [({}, False), ({"avx_vnni": True}, True), ({"avx2": True}, False)])
def test_only_processors_with_the_instructions_are_taken_to_be_quicker(flags, expected, monkeypatch):
    monkeypatch.setattr(int8, "is_exact", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert is_quicker_in_int8() == expected


@needs_kernels
def test_sums_that_run_over_are_found_out(monkeypatch):
    """As those of a processor that adds two products in 16 bits."""
    exact = Int8Linear.forward
    monkeypatch.setattr(Int8Linear, "forward", lambda layer, x: exact(layer, x) * 32767 / (2 * 255 * 127))
    is_exact.cache_clear()
    try:
        assert not is_exact()
    finally:
        is_exact.cache_clear()
