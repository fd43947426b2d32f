import resource
from dataclasses import replace

import pytest
import torch

from backbone.optim import make_average, make_optimizer
from backbone.run_state import RunState, clip_gradients, open_fabric, resume_run, save_run
from backbone.vit import VisionTransformer, VitDimensions

DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3)
PLAN = {"num_steps": 10, "batch_size": 8}


def make_state(seed: int) -> RunState:
    torch.manual_seed(seed)
    model = VisionTransformer(DEBUG)
    return RunState(
        model, make_optimizer(model, "adamw", learning_rate=0.1, weight_decay=0.1), make_average(model, 0.9)
    )


def step(state: RunState) -> None:
    state.model(torch.ones(1, 3, 32, 32)).sum().backward()
    state.optimizer.step()
    state.optimizer.zero_grad()
    state.averaged.update_parameters(state.model)
    state.step += 1


def test_a_checkpoint_restores_everything(tmp_path):
    fabric, state, fresh = open_fabric("32-true", 1), make_state(0), make_state(1)
    step(state)
    save_run(fabric, state, tmp_path / "c.pt", PLAN)
    assert resume_run(fabric, fresh, tmp_path / "c.pt", PLAN) and fresh.step == 1
    for one in (state, fresh):
        step(one)
    for part in ("model", "averaged"):
        mine, theirs = getattr(state, part).state_dict(), getattr(fresh, part).state_dict()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_no_checkpoint_starts_from_the_beginning_and_another_run_s_is_refused(tmp_path):
    fabric, state = open_fabric("32-true", 1), make_state(0)
    assert not resume_run(fabric, state, tmp_path / "c.pt", PLAN)
    save_run(fabric, state, tmp_path / "c.pt", PLAN)
    with pytest.raises(ValueError, match="of another run .batch_size 8, now 16"):
        resume_run(fabric, state, tmp_path / "c.pt", {**PLAN, "batch_size": 16})


def test_the_checkpoint_of_another_model_is_refused_with_a_sentence(tmp_path):
    fabric, state, other = open_fabric("32-true", 1), make_state(0), make_state(0)
    save_run(fabric, state, tmp_path / "c.pt", PLAN)
    other.model = VisionTransformer(replace(DEBUG, embed_dim=16))
    with pytest.raises(ValueError, match="is of another model .*give another output_dir"):
        resume_run(fabric, other, tmp_path / "c.pt", PLAN)


def test_a_damaged_checkpoint_is_a_sentence(tmp_path):
    fabric, state, path = open_fabric("32-true", 1), make_state(0), tmp_path / "c.pt"
    for content in (b"", b"hello, no checkpoint", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.pt is not a whole PyTorch file .*: delete it to start again"):
            resume_run(fabric, state, path, PLAN)
    for content in ([1, 2], {"model": {}, "step": 3}):
        torch.save(content, path)
        with pytest.raises(ValueError, match=r"c\.pt is no checkpoint of a run: delete it to start again"):
            resume_run(fabric, state, path, PLAN)
    assert state.step == 0


def test_a_full_disk_is_a_sentence_and_keeps_the_checkpoint_before(tmp_path):
    """The system itself refuses to write on: a limit on the size of files, as a full disk, strikes inside a write."""
    fabric, state, path = open_fabric("32-true", 1), make_state(0), tmp_path / "c.pt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_on_a_full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        try:
            save_run(fabric, state, path, PLAN)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    with pytest.raises(OSError, match="there is none before it: make room"):
        save_on_a_full_disk()
    save_run(fabric, state, path, PLAN)
    before = path.read_bytes()
    step(state)
    with pytest.raises(OSError, match=r"step 1: cannot write .*c\.pt .*the one before it is whole"):
        save_on_a_full_disk()
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["c.pt"]


def test_gradients_that_are_not_finite_are_a_sentence_before_the_step():
    fabric, state = open_fabric("32-true", 1), make_state(0)
    state.model(torch.ones(1, 3, 32, 32)).sum().backward()
    clip_gradients(fabric, state, 1e-3)
    norm = torch.nn.utils.get_total_norm([p.grad for p in state.model.parameters() if p.grad is not None])
    assert norm == pytest.approx(1e-3, rel=1e-3)
    state.model.head.weight.grad[0, 0] = torch.inf
    clip_gradients(fabric, state, 0)  # no clipping is asked for
    with pytest.raises(FloatingPointError, match="step 1: the gradients are not finite"):
        clip_gradients(fabric, state, 1.0)


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="unknown precision 'half'"):
        open_fabric("half", 1)


def test_mixed_precision_leaves_inputs_alone():
    """Fabric's own plugin would round the box edge 601.7 px to 600 in bfloat16."""
    fabric = open_fabric("bf16-mixed", 1)

    class Echo(torch.nn.Module):
        def forward(self, boxes):
            self.seen = boxes
            return torch.nn.functional.linear(boxes, torch.eye(4)).sum()

    echo = Echo()
    fabric.setup_module(echo)(torch.tensor([[601.7, 1.0, 2.0, 3.0]]))
    assert echo.seen.dtype == torch.float32 and echo.seen[0, 0] == torch.tensor(601.7)


def test_the_final_model_is_the_average_where_there_is_one():
    state = make_state(0)
    assert state.final_model() is state.averaged.module
    state.averaged = None
    assert state.final_model() is state.model
