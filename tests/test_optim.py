import pytest
import torch

from backbone.deit import build_deit
from backbone.optim import make_average, make_optimizer, parameter_groups, warmup_cosine


def test_norms_biases_positions_and_tokens_have_no_weight_decay():
    model = build_deit("deit_tiny_distilled_patch16_224", depth=2)
    model.head.weight.requires_grad_(False)
    decayed, plain = parameter_groups(model, weight_decay=0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert decayed["weight_decay"] == 0.05 and plain["weight_decay"] == 0
    assert all(names[id(p)].endswith("weight") and p.ndim > 1 for p in decayed["params"])
    assert {"cls_token", "dist_token", "pos_embed", "norm.weight", "patch_embed.proj.bias"} <= {
        names[id(p)] for p in plain["params"]
    }
    assert len(decayed["params"]) + len(plain["params"]) == len(names) - 1


def test_schedule_warms_up_then_falls_to_its_end():
    shares = [warmup_cosine(step, num_steps=110, warmup_steps=10, final_ratio=0.1) for step in range(111)]
    assert shares[0] == pytest.approx(0.1) and shares[9] == shares[10] == 1
    assert shares[60] == pytest.approx(0.55) and shares[110] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(shares[10:], shares[11:], strict=False))


def test_a_constant_average_is_the_formula_and_a_warm_one_forgets_its_start():
    model = torch.nn.Linear(1, 1, bias=False)
    averages = [make_average(model, 0.99, warmup=warmup) for warmup in (False, True)]
    for value in (1.0, 2.0, 2.0):
        with torch.no_grad():
            model.weight.fill_(value)
        for average in averages:
            average.update_parameters(model)
    constant, warm = (float(average.module.weight) for average in averages)
    assert constant == pytest.approx(0.99 * (0.99 * 1 + 0.01 * 2) + 0.01 * 2) and 1.9 < warm < 2


def test_an_average_holds_batch_norm_s_statistics_and_its_count():
    """Those of the last step would not belong to weights that are an average of many."""
    model = torch.nn.BatchNorm1d(1)
    average = make_average(model, 0.9, warmup=False)
    for value in (1.0, 2.0):
        with torch.no_grad():
            model.running_mean.fill_(value)
            model.num_batches_tracked.add_(7)
        average.update_parameters(model)
    assert float(average.module.running_mean) == pytest.approx(0.9 * 1 + 0.1 * 2)
    assert int(average.module.num_batches_tracked) == 14


def test_optimisers_are_those_of_the_recipe():
    model = torch.nn.Linear(2, 2)
    adamw = make_optimizer(model, "adamw", learning_rate=1e-3, weight_decay=0.05)
    assert adamw.defaults["betas"] == (0.9, 0.999) and adamw.param_groups[1]["weight_decay"] == 0
    sgd = make_optimizer(model, "sgd", learning_rate=0.01, weight_decay=1e-4)
    assert sgd.defaults["momentum"] == 0.9 and sgd.defaults["nesterov"]
    with pytest.raises(ValueError, match="unknown optimiser 'lamb'"):
        make_optimizer(model, "lamb", learning_rate=1, weight_decay=0)
