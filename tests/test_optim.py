import pytest

from backbone.deit import build_deit
from backbone.optim import parameter_groups, warmup_cosine


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
