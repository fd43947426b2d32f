import math

import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.config import OptimConfig, TrainConfig
from layoutdeit.engines import build_detector
from layoutdeit.learning_rate import rate_groups, rate_share


@pytest.fixture(scope="module")
def detector():
    return build_detector(debug_config())


def rates_by_name(detector, groups):
    names = {id(parameter): name for name, parameter in detector.named_parameters()}
    found = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(found) == len(names) == sum(len(group["params"]) for group in groups)  # each once
    return found


def test_without_layer_decay_there_are_the_two_usual_groups(detector):
    groups = rate_groups(detector, OptimConfig(learning_rate=3e-4))
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(3e-4, 0.05), (3e-4, 0)]
    rates_by_name(detector, groups)


def test_layer_decay_gives_each_block_its_share(detector):
    found = rates_by_name(detector, rate_groups(detector, OptimConfig(learning_rate=1.0, layer_decay=0.5)))
    bottom = "pyramid.bottom_up"
    assert found[f"{bottom}.blocks.11.mlp.fc1.weight"] == (0.5, 0.05)  # DeiT-Ti has 12 blocks
    assert found[f"{bottom}.blocks.0.mlp.fc1.bias"] == (0.5**12, 0)
    for name in ("pos_embed", "cls_token", "patch_embed.proj.bias"):
        assert found[f"{bottom}.{name}"] == (0.5**13, 0)
    assert found[f"{bottom}.patch_embed.proj.weight"] == (0.5**13, 0.05)
    others = {rate for name, (rate, _) in found.items() if not name.startswith(bottom)}
    assert others == {1.0}


def test_the_published_run_decays_every_parameter(detector):
    found = rates_by_name(detector, rate_groups(detector, OptimConfig(decay_vectors=True)))
    assert set(found.values()) == {(4e-4, 0.05)}


def test_the_optimizer_takes_the_groups(detector):
    optimizer = torch.optim.AdamW(rate_groups(detector, OptimConfig(layer_decay=0.75)), lr=1.0)
    assert max(group["lr"] for group in optimizer.param_groups) == 4e-4


def config(**optim):
    return TrainConfig(output_dir="x", num_steps=60_000, optim=OptimConfig(**optim))


def test_detectron2_schedule_is_its_warm_up_times_the_whole_cosine():
    """WarmupCosineLR of detectron2 with WARMUP_FACTOR .01, WARMUP_ITERS 1000, MAX_ITER 60000."""
    share = [rate_share(step, config(schedule="detectron2")) for step in range(60_000)]
    assert share[0] == pytest.approx(0.01)
    after_warmup = 0.5 * (1 + math.cos(math.pi * 1000 / 60_000))
    assert share[500] == pytest.approx(0.5 * 0.01 + 0.5 * after_warmup)
    assert share[1000] == pytest.approx(after_warmup) and share[30_000] == pytest.approx(0.5)
    assert share[59_999] < 1e-8 and max(share) == share[1000]


def test_the_default_schedule_starts_its_cosine_after_warm_up():
    assert rate_share(1000, config()) == 1 and rate_share(0, config()) == pytest.approx(1e-3)
