import pytest
import torch
from detector_fixtures import debug_config

from backbone.optim import make_average
from layoutdeit.config import TrainConfig
from layoutdeit.engines import build_detector
from layoutdeit.run_state import RunState, make_fabric, resume_run, save_run


def make_state(seed: int) -> RunState:
    torch.manual_seed(seed)
    detector = build_detector(debug_config())
    return RunState(detector, torch.optim.AdamW(detector.parameters()), make_average(detector, 0.9))


def test_average_follows_quickly_at_first_and_then_slowly():
    state = make_state(0)
    name = "rpn.head.cls_logits.bias"
    detector, averaged = state.detector, state.averaged
    values = []
    for step in range(60):
        with torch.no_grad():
            detector.get_parameter(name).fill_(float(step > 0))
        averaged.update_parameters(detector)
        values.append(averaged.module.get_parameter(name)[0].item())
    assert values[0] == 0 and values[1] == pytest.approx(1 - 2 / 11) and values[-1] > 0.99
    assert state.final_detector() is averaged.module and RunState(detector, None, None).final_detector() is detector


def test_a_checkpoint_restores_everything(tmp_path):
    fabric = make_fabric(TrainConfig(output_dir=str(tmp_path), precision="32-true"))
    state, fresh = make_state(0), make_state(1)
    sum(p.sum() for p in state.detector.parameters()).backward()
    state.optimizer.step()
    state.averaged.update_parameters(state.detector)
    state.step = 7
    save_run(fabric, state, tmp_path / "c.pt", TrainConfig())
    resume_run(fresh, tmp_path / "c.pt", TrainConfig())
    assert fresh.step == 7
    for mine, theirs in zip(state.detector.state_dict().values(), fresh.detector.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(state.averaged.state_dict().values(), fresh.averaged.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    moment = next(iter(state.optimizer.state.values()))["exp_avg"]
    assert torch.equal(next(iter(fresh.optimizer.state.values()))["exp_avg"], moment)


def test_no_checkpoint_starts_from_the_beginning(tmp_path):
    state = make_state(0)
    resume_run(state, tmp_path / "none.pt", TrainConfig())
    assert state.step == 0


def test_mixed_precision_leaves_coordinates_alone():
    """Fabric's own plugin would round 601.7 px to 600 in bfloat16."""
    fabric = make_fabric(TrainConfig(precision="bf16-mixed"))

    class Echo(torch.nn.Module):
        def forward(self, boxes):
            self.seen = boxes
            return torch.nn.functional.linear(boxes, torch.eye(4)).sum()

    echo = Echo()
    wrapped = fabric.setup_module(echo)
    wrapped(torch.tensor([[601.7, 1.0, 2.0, 3.0]]))
    assert echo.seen.dtype == torch.float32 and echo.seen[0, 0] == torch.tensor(601.7)


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="unknown precision 'half'"):
        make_fabric(TrainConfig(precision="half"))
