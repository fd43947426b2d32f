"""Whole runs of a debug-sized DeiT: every mode, killed and resumed, in one process and in two."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from image_fixtures import DEBUG, write_folders
from torchrun import torchrun

from backbone.evaluate import main as evaluate
from backbone.model_file import load_classifier
from backbone.train import AVERAGE_NAME, CHECKPOINT_NAME, MODEL_NAME, main

ROOT = Path(__file__).parents[1]
CONVNET = """
model: {name: resnet10t, image_size: 32}
data: {num_workers: 0}
augment: {repeats: 1}
optim: {name: sgd, rate_per_512: 1.0, warmup_epochs: 0.5, ema_decay: 0.9, ema_warmup: true}
run: {batch_size: 8, precision: 32-true, log_every: 1}
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write_folders(folder / "data")

    def arguments(output: str, *more: str) -> list[str]:
        return [str(DEBUG), f"data.root={folder / 'data'}", f"output_dir={folder / output}", *more]

    return folder, arguments


@pytest.fixture(scope="module")
def scratch(job) -> Path:
    """The folder of a finished run from scratch."""
    folder, arguments = job
    assert main(arguments("scratch")) == 0
    return folder / "scratch"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_classifier(path).model.state_dict()


def test_a_run_writes_log_scores_and_models_that_load(scratch):
    with open(scratch / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    lines = [json.loads(line) for line in (scratch / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2] and lines[-1]["weights"]["num_images"] == 15
    loaded = load_classifier(scratch / MODEL_NAME)
    assert loaded.class_names == ("class0", "class1", "class2")
    assert loaded.record["validation"] == lines[-1]["weights"]
    assert load_classifier(scratch / AVERAGE_NAME).record["kind"] == "average"
    assert str(scratch.parent) not in json.dumps(loaded.record)


def test_a_scaled_loss_trains_with_clipped_gradients(job):
    """The first scales are too large: those steps are left out."""
    folder, arguments = job
    assert main(arguments("half", "run.precision=16-mixed", "optim.clip_norm=1")) == 0
    saved = torch.load(folder / "half" / CHECKPOINT_NAME, weights_only=True)
    assert saved["step"] == 6 and saved["scaler"]["scale"] <= 65536


def test_a_run_with_another_optimizer_is_refused(job, capsys):
    _, arguments = job
    assert main(arguments("adamw", "run.max_minutes=0.00001")) == 0
    assert main(arguments("adamw", "optim.name=sgd")) == 1
    assert "optimizer adamw, now sgd" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("distilled", ["true", "false"])
def test_distillation_runs_with_and_without_the_token(job, scratch, kind, distilled):
    folder, arguments = job
    options = [f"distill.kind={kind}", f"distill.weights={scratch / MODEL_NAME}", f"model.distilled={distilled}"]
    assert main(arguments(f"{kind}{distilled}", *options, "run.epochs=1")) == 0
    assert ("dist_token" in weights(folder / f"{kind}{distilled}" / MODEL_NAME)) == (distilled == "true")


def test_a_convnet_is_trained_teaches_and_is_evaluated(job, caplog, capsys):
    """Its file alone is a teacher; its average has batch norm's statistics; resumed, it is the same bit for bit."""
    folder, _ = job
    (folder / "convnet.yaml").write_text(CONVNET)
    rest = [f"data.root={folder / 'data'}", "run.epochs=1"]
    command = [str(folder / "convnet.yaml"), *rest, f"output_dir={folder / 'convnet'}"]
    assert (
        main(command)
        == main([*command[:-1], f"output_dir={folder / 'convnet_paused'}", "run.max_minutes=0.00001"])
        == 0
    )
    assert main([*command[:-1], f"output_dir={folder / 'convnet_paused'}"]) == 0
    for name in (MODEL_NAME, AVERAGE_NAME):
        whole, resumed = weights(folder / "convnet" / name), weights(folder / "convnet_paused" / name)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        assert int(whole["bn1.num_batches_tracked"]) == 3 and not torch.equal(
            whole["bn1.running_mean"], torch.zeros(64)
        )
    loaded = load_classifier(folder / "convnet" / MODEL_NAME)
    assert (loaded.dimensions.name, loaded.dimensions.image_size_hw) == ("resnet10t", (32, 32))
    teacher = folder / "convnet" / MODEL_NAME
    options = ["distill.kind=soft", f"distill.weights={teacher}", *rest, f"output_dir={folder / 'taught'}"]
    with caplog.at_level("INFO"):
        assert main([str(DEBUG), *options]) == 0
    assert f"teacher: {teacher}, soft" in caplog.text and "trained at" not in caplog.text
    assert evaluate([str(teacher), "--data", str(folder / "data"), "--workers", "0"]) == 0
    top1 = json.loads((folder / "convnet" / "metrics.jsonl").read_text())["weights"]["top1"]
    assert f"top-1 {100 * top1:.2f} %" in capsys.readouterr().out


def test_fine_tuning_at_another_size_and_class_count_says_what_changed(job, scratch, caplog, tmp_path):
    _, arguments = job
    write_folders(tmp_path / "five", num_classes=5)
    options = ["model.image_size=48", f"model.init_from={scratch / MODEL_NAME}", f"data.root={tmp_path / 'five'}"]
    with caplog.at_level("INFO"):
        assert main(arguments("fine", *options, "run.epochs=1", "optim.name=sgd", "optim.clip_norm=1")) == 0
    assert "pos_embed (grid 4x4 to 6x6)" in caplog.text and "3 classes, the model has 5" in caplog.text


def test_distilling_while_fine_tuning_at_another_size(job, scratch):
    """The original code refuses this pair."""
    folder, arguments = job
    options = [
        "distill.kind=hard",
        f"distill.weights={scratch / MODEL_NAME}",
        f"model.init_from={scratch / MODEL_NAME}",
    ]
    options += ["model.image_size=48", "model.distilled=true", "run.epochs=1", "run.precision=bf16-mixed"]
    assert main(arguments("both", *options)) == 0
    assert weights(folder / "both" / MODEL_NAME)["pos_embed"].shape == (1, 2 + 36, 32)


def test_paused_and_resumed_equals_uninterrupted_bit_for_bit(job, scratch):
    folder, arguments = job
    assert main(arguments("parts", "run.max_minutes=0.00001")) == 0
    assert torch.load(folder / "parts" / CHECKPOINT_NAME, weights_only=True)["step"] == 1
    assert not (folder / "parts" / MODEL_NAME).exists()
    assert main(arguments("parts")) == 0
    for name in (MODEL_NAME, AVERAGE_NAME):
        whole, parts = weights(scratch / name), weights(folder / "parts" / name)
        assert all(torch.equal(whole[key], parts[key]) for key in whole)


@pytest.mark.timeout(600)  # a busy machine needs minutes only to import
def test_killed_in_the_middle_of_an_epoch_and_resumed_equals_uninterrupted(job):
    folder, arguments = job
    options = [
        "run.epochs=20",
        "run.batch_size=4",
        "run.accumulate=2",
        "run.evaluate_every=20",
        "run.checkpoint_every=2",
    ]
    command = [sys.executable, "-m", "backbone.train", *arguments("killed", *options, "data.num_workers=1")]
    with open(folder / "killed.log", "w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + 400
        while not (folder / "killed" / CHECKPOINT_NAME).exists() and time.monotonic() < deadline:
            assert process.poll() is None, (folder / "killed.log").read_text()
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    done = torch.load(folder / "killed" / CHECKPOINT_NAME, weights_only=True)["step"]
    assert 0 < done < 120
    assert main(arguments("killed", *options)) == main(arguments("whole", *options)) == 0
    for name in (MODEL_NAME, AVERAGE_NAME):
        whole, killed = weights(folder / "whole" / name), weights(folder / "killed" / name)
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    with open(folder / "killed" / "log.csv") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 121))


@pytest.mark.timeout(600)
def test_two_processes_do_what_one_does(job):
    """Loss by loss, with augmentation and stochastic depth, whose draws belong to images; mixing pairs a process's own.

    What is left is the same sums in another order.
    """
    folder, arguments = job
    options = ["augment.mixup=0", "augment.cutmix=0", "model.drop_path=0.2", "run.epochs=7", "run.evaluate_every=7"]
    two = torchrun("backbone.train", arguments("two", *options))
    assert two.returncode == 0, two.stderr
    assert "2 processes x 1 passes x 4" in two.stderr
    assert main(arguments("one", *options)) == 0
    losses = {}
    for name in ("one", "two"):
        with open(folder / name / "log.csv") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["step"]) for row in rows] == list(range(1, 22))  # each once: one process writes
        losses[name] = [float(row["loss"]) for row in rows]
    assert losses["two"][:20] == pytest.approx(losses["one"][:20], rel=1e-5)
    assert losses["one"][0] - losses["one"][19] > 1e-3, "nothing was learnt, so nothing was compared"
    assert {path.name for path in (folder / "one").iterdir()} == {path.name for path in (folder / "two").iterdir()}
    for kind in (MODEL_NAME, AVERAGE_NAME):
        first, second = weights(folder / "one" / kind), weights(folder / "two" / kind)
        for name, tensor in first.items():
            torch.testing.assert_close(second[name], tensor, atol=1e-4, rtol=1e-4)  # AdamW moves keys' idle biases
    scores = [json.loads((folder / name / "metrics.jsonl").read_text())["weights"] for name in ("one", "two")]
    assert scores[0]["num_images"] == scores[1]["num_images"] == 15 and scores[0]["top1"] == scores[1]["top1"]
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], abs=1e-5)


def test_an_unreadable_image_is_named_counted_or_stops(job, tmp_path, caplog, capsys):
    _, arguments = job
    data = write_folders(tmp_path / "data")
    for path in (data / "train" / "class1").glob("*.png"):
        path.write_bytes(b"broken")
    options = [f"data.root={data}", "run.epochs=1", "augment.repeats=1"]
    assert main(arguments("broken", *options)) == 0
    assert "class1" in caplog.text and "cannot be read as an image" in caplog.text
    assert main(arguments("stopped", *options, "data.unreadable=error")) == 1
    assert "cannot be read as an image" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_and_the_next_goes_on(job, scratch, capsys, monkeypatch):
    folder, arguments = job
    save, calls = torch.save, []

    def save_until_full(content, path):
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(content, path)

    monkeypatch.setattr(torch, "save", save_until_full)
    assert main(arguments("full")) == 1
    error = capsys.readouterr().err
    assert "step 3: cannot write" in error and "No space left" in error and "make room" in error
    monkeypatch.undo()
    assert torch.load(folder / "full" / CHECKPOINT_NAME, weights_only=True)["step"] == 2
    assert main(arguments("full")) == 0
    whole, resumed = weights(scratch / MODEL_NAME), weights(folder / "full" / MODEL_NAME)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_other_classes_in_validation_are_refused(job, tmp_path, capsys):
    """A missing class folder would shift every label after it."""
    _, arguments = job
    (write_folders(tmp_path) / "val" / "class1").rename(tmp_path / "val" / "class7")
    assert main(arguments("other", f"data.root={tmp_path}")) == 1
    assert "of other classes (first: class1, class7)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "status", "said"),
    [
        ("run.epoch=3", 2, "epoch"),
        ("data.root=/nowhere", 2, "give data.root=DIR"),
        ("run.precision=foo", 2, "unknown run.precision 'foo'"),
        ("run.batch_size=64", 1, "do not fill a batch of 64"),
        ("run.batch_size=3", 1, "even number of images"),
        ("model.num_classes=2", 1, "model.num_classes 2 is below the 3"),
        ("model.init_from=none.pth", 1, "no weights at none.pth"),
    ],
)
def test_errors_are_sentences(job, capsys, override, status, said):
    _, arguments = job
    assert main(arguments("wrong", override)) == status
    assert said in capsys.readouterr().err
