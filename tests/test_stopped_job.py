"""Jobs of two real processes, one of them killed: the job ends, says what is safe, and goes on by the same command."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detector_fixtures import write_job
from image_fixtures import DEBUG, write_folders
from torchrun import ROOT, torchrun, torchrun_and_kill

from backbone.stopped_job import _say, is_lost_connection

STUCK = """
import os, pathlib, signal, sys, time
import torch
from backbone.stopped_job import explain_stops
explain_stops(pathlib.Path(sys.argv[1]), 3)
child = os.fork()
if not child:
    time.sleep(60)
os.kill(child, signal.SIGTERM)  # as a loader ends its processes: not meant for us
assert os.waitpid(child, 0)[1] == signal.SIGTERM
print("ready", flush=True)
blocked = os.pipe()[0]
while True:
    os.read(blocked, 1)  # as inside a collective: no other Python runs here
"""


@pytest.mark.heavy
@pytest.mark.parametrize("is_saved", [True, False])
def test_a_process_that_is_told_to_stop_says_what_is_safe(tmp_path, is_saved):
    path = tmp_path / "checkpoint.pt"
    said = "no checkpoint was written yet: the same command starts again"
    if is_saved:
        torch.save({"model": {"weight": torch.zeros(5)}, "step": 6}, path)
        said = f"step 6 is safe in {path}: the same command goes on from step 6"
    environment = {**os.environ, "TORCHELASTIC_RUN_ID": "x"}
    words = {"cwd": ROOT, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", STUCK, str(path)], **words)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert errors == f"error: process 3 was told to stop, for another process or the whole job ended; {said}\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_checkpoint_that_cannot_be_read_is_not_called_safe(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    path.write_text("hello")
    _say("stopped", path)
    assert f"error: stopped; {path} is not a whole PyTorch file" in capsys.readouterr().err
    torch.save([1], path)
    _say("stopped", path)
    assert capsys.readouterr().err.endswith(f"; {path} is no checkpoint of a run: delete it to start again\n")


def test_only_lost_connections_are_taken_for_such():
    gloo = "[../third_party/gloo/gloo/transport/tcp/pair.cc:544] Connection closed by peer [127.0.0.1]:3456"
    assert is_lost_connection(RuntimeError(gloo)) and is_lost_connection(torch.distributed.DistNetworkError("no"))
    assert not is_lost_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))


def arguments_of(module: str, folder: Path) -> list[str]:
    """Of a run of 30 steps with a checkpoint every second one, in FOLDER/run."""
    if module == "layoutdeit.train":
        more = ["num_steps=30", "checkpoint_every=2", "data.val_split=''", "optim.ema_decay=0"]
        return write_job(folder)("run", *more)
    data = write_folders(folder / "data")
    more = ["run.epochs=10", "run.evaluate_every=10", "run.checkpoint_every=2", "model.depth=6", "model.embed_dim=128"]
    return [str(DEBUG), f"data.root={data}", f"output_dir={folder / 'run'}", *more]


def assert_finished_after(folder: Path, output: str) -> None:
    """All 30 steps are in the log once, and the run went on from where a checkpoint was."""
    step = int(re.search(r"(?:resumed from step|step) (\d+)(?: on| of)", output)[1])
    assert 2 <= step < 30
    with open(folder / "run" / "log.csv") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 31))
    assert (folder / "run" / "model.safetensors").is_file()
    assert not list((folder / "run").glob(".*.tmp")), "what was half written when a process died stayed"


@pytest.mark.heavy  # a minute or two for both
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("module", "rank"), [("layoutdeit.train", 1), ("backbone.train", 0)])
def test_a_killed_process_ends_the_job_which_says_so_and_goes_on(tmp_path, module, rank):
    arguments, checkpoint = arguments_of(module, tmp_path), tmp_path / "run" / "checkpoint.pt"
    killed = torchrun_and_kill(module, arguments, checkpoint, rank=rank)
    assert killed.returncode != 0
    said = re.search(
        rf"error: process {1 - rank} was told to stop.*; step (\d+) is safe in (.*): the same", killed.stdout
    )
    assert said, killed.stdout
    assert Path(said[2]) == checkpoint and 2 <= int(said[1]) < 30
    cause = killed.stdout.partition("Root Cause")[2]
    assert f"rank      : {rank} " in cause and "Signal 9 (SIGKILL)" in cause  # torchrun's words
    again = torchrun(module, arguments)
    assert again.returncode == 0, again.stderr
    assert_finished_after(tmp_path, again.stderr)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_with_restarts_allowed_the_job_goes_on_by_itself(tmp_path):
    arguments = arguments_of("layoutdeit.train", tmp_path)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    done = torchrun_and_kill("layoutdeit.train", arguments, checkpoint, rank=1, options=("--max-restarts=1",))
    assert done.returncode == 0, done.stdout[-3000:]
    assert_finished_after(tmp_path, done.stdout.partition("was told to stop")[2])
