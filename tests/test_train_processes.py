"""A detector trained by two real processes: the run that one process makes, its files, and what stops both."""

from __future__ import annotations

import csv
import json
import re

import pytest
import torch
from detector_fixtures import write_job, write_tree
from torchrun import torchrun

from layoutdeit.train import CHECKPOINT_NAME, MODEL_NAME, main
from layoutdeit.weights import load_model

# Pages of one size and no augmentation: pages of a process are padded to the largest of them, and attention sees that.
PLAIN = ["data.augmentation=published", "data.crop_probability=0", "detector.input.train_short_sides=[96]"]


@pytest.fixture
def job(tmp_path):
    return tmp_path, write_job(tmp_path)


def logged_losses(folder):
    """Step by step, {name: value}; every step stands once in the log."""
    with open(folder / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, len(rows) + 1))
    kept = [
        {n: float(v) for n, v in row.items() if n not in ("step", "learning_rate", "pages_per_second")} for row in rows
    ]
    assert "class" in kept[0] or "class_0" in kept[0]
    return kept


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("cascade", ["[]", "[0.5, 0.6, 0.7]"])
def test_two_processes_do_what_one_does(job, cascade):
    """Loss by loss: batch norm over both, boxes sampled page by page, means over the boxes of both."""
    folder, arguments = job
    write_tree(folder / "tree", height_step_px=0, num_pages=16)
    more = [*PLAIN, "num_steps=21", "batch_size=4", f"detector.heads.cascade_ious={cascade}"]
    two = torchrun("layoutdeit.train", arguments("two", *more))
    assert two.returncode == 0, two.stderr
    assert "batch 4 over 2 processes" in two.stderr
    assert main(arguments("one", *more)) == 0
    one, both = logged_losses(folder / "one"), logged_losses(folder / "two")
    for step, (expected, found) in enumerate(zip(one[:20], both[:20], strict=True), start=1):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6), f"step {step}"
    assert sum(one[0].values()) > 1.1 * sum(one[19].values()), "nothing was learnt, so nothing was compared"
    assert {path.name for path in (folder / "one").rglob("*")} == {path.name for path in (folder / "two").rglob("*")}
    scores = [json.loads((folder / name / "metrics.jsonl").read_text()) for name in ("one", "two")]  # a single line
    assert scores[1]["overall"]["AP50"] == pytest.approx(scores[0]["overall"]["AP50"], abs=1e-3)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_two_processes_with_half_a_detector_each_equal_one_with_all_of_it(job):
    """FSDP over gloo; one process goes on from what two wrote."""
    folder, arguments = job
    write_tree(folder / "tree", height_step_px=0)
    more = [*PLAIN, "num_steps=8", "batch_size=2", "eval_every=4"]
    cut = torchrun("layoutdeit.train", arguments("cut", *more, "strategy=fsdp"))
    assert cut.returncode == 0, cut.stderr
    assert main(arguments("whole", *more)) == 0
    whole, found = logged_losses(folder / "whole"), logged_losses(folder / "cut")
    for step, (expected, values) in enumerate(zip(whole, found, strict=True), start=1):
        assert values == pytest.approx(expected, rel=1e-4, abs=1e-6), f"step {step}"
    saved = torch.load(folder / "cut" / CHECKPOINT_NAME, weights_only=True)
    assert saved["model"]["box_stages.0.head.fc6.weight"].shape == (32, 16 * 49)  # uncut
    scores = [(folder / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    assert len(scores[0]) == len(scores[1]) == 2
    ours, theirs = (load_model(folder / name / MODEL_NAME).detector.state_dict() for name in ("whole", "cut"))
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, atol=1e-4, rtol=1e-3)

    # a finished checkpoint of two processes is one for one process, which has nothing left to do but the model file
    (folder / "cut" / MODEL_NAME).unlink()
    assert main(arguments("cut", *more)) == 0
    again = load_model(folder / "cut" / MODEL_NAME).detector.state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in theirs.items())


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_two_processes_train_validate_and_stop_together(job):
    folder, arguments = job
    done = torchrun("layoutdeit.train", arguments("two", "eval_every=4"))
    assert done.returncode == 0, done.stderr
    assert "batch 2 over 2 processes" in done.stderr and load_model(folder / "two" / MODEL_NAME).record
    lines = [json.loads(line) for line in (folder / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 6]
    with open(folder / "two" / "log.csv") as file:
        assert [row["step"] for row in csv.DictReader(file)] == list("123456")
    broken = torchrun(
        "layoutdeit.train", arguments("broken", "optim.learning_rate=1e30", "optim.clip_norm=0", "num_steps=40")
    )
    assert broken.returncode != 0
    assert re.search(r"step \d+: the loss is not finite: process \d: \{.*\} on page\d.png", broken.stderr)
    assert not (folder / "broken" / MODEL_NAME).exists()
