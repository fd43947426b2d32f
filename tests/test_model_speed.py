import sys
import time

import pytest
import torch

from backbone import model_speed
from backbone.model_cost import num_parameters
from backbone.model_speed import MIN_CALLS, NUM_WARM_UP, measure_speed, median_seconds, timm_model
from backbone.vit import VitDimensions

CPU = torch.device("cpu")
DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3)
TOKEN = VitDimensions(
    image_size_hw=(16, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3, distilled=True
)


@pytest.mark.parametrize("dims", [DEBUG, TOKEN], ids=["plain", "token_not_square"])
@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_models_are_measured(dims, is_training, precision):
    speed = measure_speed(dims, precision, CPU, batch_size=2, seconds=0, is_training=is_training)
    assert speed.ours > 0 and speed.timm > 0 and not speed.reason


@pytest.mark.parametrize("dims", [DEBUG, TOKEN], ids=["plain", "token_not_square"])
def test_timm_model_is_the_same_one(dims):
    model = timm_model(dims)
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters(dims)
    outputs = model.train()(torch.zeros(2, 3, *dims.image_size_hw))
    assert isinstance(outputs, tuple) == dims.distilled


def test_without_timm_ours_is_measured_and_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    speed = measure_speed(DEBUG, "fp32", CPU, batch_size=2, seconds=0, is_training=False)
    assert speed.ours > 0 and speed.timm is None and speed.reason == "timm is not installed"


def test_out_of_memory_is_said(monkeypatch):
    def run_out(*arguments):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(model_speed, "median_seconds", run_out)
    speed = measure_speed(DEBUG, "fp32", CPU, batch_size=2, seconds=0, is_training=False)
    assert speed.ours is None and speed.reason == "2 images do not fit the memory: lower --batch-size"


def test_calls_take_turns_after_a_warm_up():
    made = []
    medians = median_seconds({name: lambda name=name: made.append(name) for name in "ab"}, 0, CPU)
    assert made == ["a", "b"] * (NUM_WARM_UP + MIN_CALLS)
    assert medians.keys() == {"a", "b"}


def test_a_quick_call_takes_its_time_in_its_own_turn():
    made = []

    def slow():
        made.append("slow")
        time.sleep(0.05)

    median_seconds({"slow": slow, "quick": lambda: made.append("quick")}, 0.03, CPU)
    assert made.count("slow") == NUM_WARM_UP + MIN_CALLS < made.count("quick")


def test_a_training_step_trains():
    torch.manual_seed(0)
    model = model_speed.VisionTransformer(DEBUG)
    before = model.head.weight.clone()
    model_speed._step(model, torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), "fp32", is_training=True)()
    assert model.training and not torch.equal(model.head.weight, before)
