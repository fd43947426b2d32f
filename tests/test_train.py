import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from detector_fixtures import write_job

from layoutdeit.detector_file import save_model
from layoutdeit.train import CHECKPOINT_NAME, MODEL_NAME, main
from layoutdeit.weights import load_model, read_model_file


@pytest.fixture
def job(tmp_path):
    return tmp_path, write_job(tmp_path)


def test_a_run_writes_log_checkpoint_metrics_and_a_model_that_loads(job):
    folder, arguments = job
    assert main(arguments("run")) == 0
    with open(folder / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert "overall" in json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert len(list((folder / "run" / "pictures").glob("step-000006-page?.jpg"))) == 4
    loaded = load_model(folder / "run" / MODEL_NAME)
    assert loaded.record["pages_seen"] == 12 and loaded.record["settings"]["batch_size"] == 2
    assert str(folder) not in json.dumps(loaded.record)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"train": {"dpi": 72, "pdfs": ["/home/me/a.pdf"]}, "val": {"trees": ["/home/me/made"]}}',
         {"train": {"dpi": 72, "pdfs": ["a.pdf"]}, "val": {"trees": ["made"]}}),
        ("[oops", None),
        ("[1]", None),
    ],
)  # fmt: skip
def test_how_the_pages_were_made_is_kept_without_folders_and_costs_no_run_its_model(job, text, kept):
    folder, arguments = job
    (folder / "tree" / "corpus.json").write_text(text)
    assert main(arguments("run", "num_steps=1")) == 0
    assert load_model(folder / "run" / MODEL_NAME).record["corpus"] == kept


def test_folders_in_the_record_of_an_older_start_are_left_out(job):
    folder, arguments = job
    assert main(arguments("first", "num_steps=1")) == 0
    config, record, state = read_model_file(folder / "first" / MODEL_NAME)
    older = {**record, "corpus": {"train": {"pdfs": ["/home/me/a.pdf"]}}}
    save_model(folder / "older.safetensors", state, config, {**record, "started_from": older})
    assert main(arguments("second", "num_steps=1", f"init_from={folder / 'older.safetensors'}")) == 0
    start = load_model(folder / "second" / MODEL_NAME).record["started_from"]
    assert start["started_from"] == {**older, "corpus": {"train": {"pdfs": ["a.pdf"]}}}


def test_paused_and_resumed_equals_uninterrupted_bit_for_bit(job):
    folder, arguments = job
    assert main(arguments("whole")) == 0
    assert main(arguments("parts", "max_minutes=0.00001")) == 0
    assert not (folder / "parts" / MODEL_NAME).exists()
    assert torch.load(folder / "parts" / CHECKPOINT_NAME, weights_only=True)["step"] == 1
    assert main(arguments("parts")) == 0
    whole, parts = (read_model_file(folder / name / MODEL_NAME)[2] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_finished_run_typed_again_says_its_last_score_once(job):
    folder, arguments = job
    for _ in range(2):
        assert main(arguments("run", "num_steps=2")) == 0
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2]


def test_a_scaled_loss_trains_with_clipped_gradients_and_its_run_goes_on_in_another_precision(job):
    """As configs/detector/deit_b_publaynet.yaml: the first scales are too large, and those steps are left out."""
    folder, arguments = job
    half = arguments("run", "precision=16-mixed", "optim.clip_norm=1", "max_minutes=0.00001")
    assert main([*half]) == 0 and main([*half[:-1], "num_steps=6"]) == 0
    saved = torch.load(folder / "run" / CHECKPOINT_NAME, weights_only=True)
    assert saved["step"] == 6 and saved["scaler"]["scale"] < 65536
    for number, (first, then) in enumerate([("16-mixed", "32-true"), ("32-true", "16-mixed")]):
        assert main(arguments(f"to{number}", f"precision={first}", "max_minutes=0.00001")) == 0
        assert main(arguments(f"to{number}", f"precision={then}", "num_steps=6")) == 0


def test_a_resumed_run_has_the_rates_that_it_says(job):
    folder, arguments = job
    assert main(arguments("run", "max_minutes=0.00001")) == 0
    assert main(arguments("run", "optim.learning_rate=1e-6", "optim.weight_decay=.5")) == 0
    saved = torch.load(folder / "run" / CHECKPOINT_NAME, weights_only=True)["optimizer"]["param_groups"]
    with open(folder / "run" / "log.csv") as file:
        said = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert said[0] > 1e-5 and max(said[1:]) <= 1e-6
    assert {group["lr"] for group in saved} == {said[-1]} and max(g["weight_decay"] for g in saved) == 0.5


def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(job):
    folder, arguments = job
    assert main(arguments("whole", "num_steps=12")) == 0
    command = [sys.executable, "-m", "layoutdeit.train", *arguments("killed", "num_steps=12")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    log_path = folder / "killed" / "log.csv"
    deadline = time.monotonic() + 120
    while not (log_path.exists() and log_path.read_text().count("\n") > 5) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "killed" / MODEL_NAME).exists(), "it ended before it was killed: the test shows nothing"
    assert torch.load(folder / "killed" / CHECKPOINT_NAME, weights_only=True)["step"] >= 2
    assert main(arguments("killed", "num_steps=12")) == 0
    whole, killed = (read_model_file(folder / name / MODEL_NAME)[2] for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_a_run_can_start_from_a_model_or_a_backbone(job, capsys):
    folder, arguments = job
    assert main(arguments("first", "num_steps=2")) == 0
    model = folder / "first" / MODEL_NAME
    assert main(arguments("second", f"init_from={model}", "num_steps=1", "optim.learning_rate=0")) == 0
    first, second = read_model_file(model)[2], read_model_file(folder / "second" / MODEL_NAME)[2]
    parameters = [name for name in first if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(first[name], second[name]) for name in parameters)

    from backbone.deit import build_deit

    backbone = build_deit("deit_tiny_patch16_224")
    torch.save({"model": backbone.state_dict()}, folder / "official.pth")
    assert main(arguments("third", f"init_from={folder / 'official.pth'}", "num_steps=1", "optim.learning_rate=0")) == 0
    third = read_model_file(folder / "third" / MODEL_NAME)[2]
    weight = backbone.state_dict()["blocks.3.mlp.fc1.weight"]
    torch.testing.assert_close(third["pyramid.bottom_up.blocks.3.mlp.fc1.weight"], weight, rtol=1e-3, atol=1e-5)


def test_a_registry_name_with_its_settings_is_a_start(job):
    """As configs/detector/finetune.yaml does it: nothing under `detector` is needed."""
    folder, arguments = job
    more = ("init_from=deit-tiny-made-pages", "keep_detector=true", "num_steps=1", "data.val_split=''")
    assert main(arguments("tuned", *more, "optim.learning_rate=0", "optim.ema_decay=0")) == 0
    shipped, tuned = (load_model(name) for name in (None, folder / "tuned" / MODEL_NAME))
    assert tuned.config == shipped.config and tuned.record["started_from"] == shipped.record
    weights = dict(shipped.detector.named_parameters())
    assert all(torch.equal(weights[name], p) for name, p in tuned.detector.named_parameters())


def test_broken_and_missing_pictures_are_skipped_and_counted(job, caplog):
    folder, arguments = job
    caplog.set_level("INFO")
    (folder / "tree" / "train" / "page2.png").write_bytes(b"no picture")
    (folder / "tree" / "train" / "page4.png").unlink()
    assert main(arguments("run")) == 0
    assert "1 pictures are not in" in caplog.text and "page4.png" in caplog.text
    assert caplog.text.count("page2.png cannot be read as an image") == 1  # told once
    assert "1 pictures could not be read" in caplog.text and "4 pages (2 left out)" in caplog.text


def unreadable(*arguments):
    raise OSError("cannot be read")


@pytest.mark.parametrize("is_quicker", [True, False])
def test_a_precision_that_is_no_quicker_here_is_warned_of(job, caplog, monkeypatch, is_quicker):
    _, arguments = job
    monkeypatch.setattr("backbone.run_state.is_quicker_in_bf16", lambda _: is_quicker)
    monkeypatch.setattr("layoutdeit.train._open_data", unreadable)
    assert main(arguments("x", "precision=bf16-mixed")) == 1
    assert ("32-true is quicker here than bf16-mixed" in caplog.text) is not is_quicker


@pytest.mark.parametrize(("is_quicker", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_takes_the_quicker_precision_and_the_record_names_it(job, caplog, monkeypatch, is_quicker, precision):
    folder, arguments = job
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("backbone.bf16.is_quicker_in_bf16", lambda _: is_quicker)
    assert main(arguments("auto", "precision=auto")) == 0
    assert f"on cpu, {precision}" in caplog.text
    assert load_model(folder / "auto" / MODEL_NAME).record["settings"]["precision"] == precision


def test_ctrl_c_says_how_to_go_on(job, capsys, monkeypatch):
    _, arguments = job

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("layoutdeit.train._open_data", pressed)
    assert main(arguments("x")) == 130
    assert "interrupted: the same command goes on" in capsys.readouterr().err


def test_nothing_is_saved_after_a_loss_that_is_not_finite(job, capsys):
    folder, arguments = job
    assert main(arguments("run", "optim.learning_rate=1e30", "optim.clip_norm=0", "num_steps=40")) == 1
    message = capsys.readouterr().err
    assert "the loss is not finite" in message and re.search(r"page\d.png", message)
    assert not (folder / "run" / MODEL_NAME).exists()
    checkpoint = folder / "run" / CHECKPOINT_NAME
    if checkpoint.exists():
        step = int(re.search(r"step (\d+): the loss", message)[1])
        assert torch.load(checkpoint, weights_only=True)["step"] < step


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("batchsize=3", "batchsize"),
        ("precision=foo", "unknown precision 'foo'"),
        ("engine=foo", "unknown engine 'foo': use one of torchvision, detectron2"),
        ("data.root=/nowhere", "no annotations at /nowhere/train.json: expected PubLayNet's tree"),
        ("data.val_split=test", "test.json: expected PubLayNet's tree"),
        (
            "init_from=nosuch",
            "no file at nosuch to start from: give init_from=FILE, or one of the names deit-tiny-made",
        ),
        ("init_from=dit-base-publaynet", "the model dit-base-publaynet is not on this machine: python -m"),
    ],
)
def test_usage_errors_and_missing_inputs_are_sentences(job, capsys, monkeypatch, override, said):
    folder, arguments = job
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("LAYOUTDEIT_WEIGHTS", raising=False)
    assert main(arguments("x", "keep_detector=true", "init_from=deit-tiny-made-pages", override)) == 2
    assert said in capsys.readouterr().err and not (folder / "x").exists()


def test_a_start_that_is_no_detector_and_a_damaged_checkpoint_are_sentences(job, capsys):
    folder, arguments = job
    (folder / "other.pth").write_text("hello")
    assert main(arguments("x", "keep_detector=true", f"init_from={folder / 'other.pth'}")) == 1
    assert "keep_detector needs a detector of ours in init_from" in capsys.readouterr().err
    assert main(arguments("x", f"init_from={folder / 'other.pth'}")) == 1
    assert "other.pth is not a whole PyTorch file" in capsys.readouterr().err
    (folder / "run").mkdir()
    (folder / "run" / CHECKPOINT_NAME).write_text("no checkpoint")
    assert main(arguments("run")) == 1
    assert "is not a whole PyTorch file" in capsys.readouterr().err
