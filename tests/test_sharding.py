"""Training cut over two real processes equals training whole, and either goes on from the other's checkpoint."""

from __future__ import annotations

import json

import pytest
import torch
from image_fixtures import write_folders
from safetensors.torch import load_file
from torchrun import ROOT, torchrun

from backbone.train import AVERAGE_NAME, CHECKPOINT_NAME, MODEL_NAME, main


def run_two(arguments: list[str]) -> None:
    done = torchrun("backbone.train", arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_two_processes_with_half_a_model_each_equal_one_with_all_of_it(tmp_path):
    data = write_folders(tmp_path / "data")

    def arguments(name: str, *more: str) -> list[str]:
        fixed = ["augment.mixup=0", "augment.cutmix=0", "model.drop_path=0", "optim.clip_norm=1.0"]
        fixed += ["data.num_workers=0", "run.precision=32-true", f"data.root={data}", f"output_dir={tmp_path / name}"]
        return [str(ROOT / "configs/backbone/debug.yaml"), *fixed, *more]

    def assert_equal(one: str, other: str) -> None:
        for file_name in (MODEL_NAME, AVERAGE_NAME):
            ours, theirs = load_file(tmp_path / one / file_name), load_file(tmp_path / other / file_name)
            assert ours.keys() == theirs.keys()
            for key, tensor in ours.items():
                torch.testing.assert_close(theirs[key], tensor, atol=2e-5, rtol=1e-4)

    assert main(arguments("whole")) == 0
    run_two(arguments("cut", "run.strategy=fsdp", "run.max_minutes=0.00001"))  # pauses after its first step
    saved = torch.load(tmp_path / "cut" / CHECKPOINT_NAME, weights_only=True)
    assert (
        saved["step"] == 1
        and saved["optimizer"]["state"][0]["exp_avg"].shape == saved["model"]["patch_embed.proj.weight"].shape
    )
    assert main(arguments("cut")) == 0  # one process goes on from what two wrote
    assert_equal("whole", "cut")

    assert main(arguments("back", "run.max_minutes=0.00001")) == 0
    run_two(arguments("back", "run.strategy=fsdp"))  # and two from what one wrote
    assert_equal("whole", "back")
    scores = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]) for name in ("whole", "back")
    ]
    assert scores[0]["weights"]["num_images"] == scores[1]["weights"]["num_images"]
    assert scores[0]["average"]["top1"] == scores[1]["average"]["top1"]
