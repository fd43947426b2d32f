import time

import pytest
import torch
from torch.nn import functional as F

from backbone import bf16
from backbone.bf16 import bf16_gain, is_quicker_in_bf16, training_precision


@pytest.fixture(autouse=True)
def undecided():
    is_quicker_in_bf16.cache_clear()
    yield
    is_quicker_in_bf16.cache_clear()


def slowed(kind: torch.dtype):
    """A product that takes much longer in one kind of number."""

    def multiply(tokens, weight):
        if tokens.dtype == kind:
            time.sleep(0.01)
        return F.linear(tokens, weight)

    return multiply


@pytest.mark.parametrize(("slow", "is_quicker"), [(torch.float32, True), (torch.bfloat16, False)])
def test_the_quicker_arithmetic_is_measured(slow, is_quicker, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(bf16, "F", type("F", (), {"linear": staticmethod(slowed(slow))}))
    assert is_quicker_in_bf16("cpu") is is_quicker
    assert training_precision("auto") == ("bf16-mixed" if is_quicker and not torch.cuda.is_available() else "32-true")


def test_what_a_processor_lacks_is_not_measured(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setattr(bf16, "bf16_gain", lambda: pytest.fail("measured"))
    assert not is_quicker_in_bf16("cpu") and not is_quicker_in_bf16("mps")


def test_measuring_leaves_the_threads_as_they_were_and_decides_once(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    before = torch.get_num_threads()
    gain = bf16_gain()
    assert 0 < gain < 1000 and torch.get_num_threads() == before
    decided = is_quicker_in_bf16("cpu")
    monkeypatch.setattr(bf16, "bf16_gain", lambda: pytest.fail("measured again"))
    assert is_quicker_in_bf16("cpu") is decided


def test_a_named_precision_is_taken_as_it_is():
    assert training_precision("16-mixed") == "16-mixed"
