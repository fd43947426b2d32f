"""Start a training or an evaluation in several real processes, as a person would: torchrun, over gloo on a CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def torchrun_command(module: str, arguments: list[str], *, processes: int = 2, options: tuple[str, ...] = ()):
    """The words of `torchrun --nproc-per-node N -m MODULE ARGUMENTS`, on a free port."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*launcher, *options, "-m", module, *arguments]


def torchrun(module: str, arguments: list[str], **settings) -> subprocess.CompletedProcess:
    """Run it to its end."""
    command = torchrun_command(module, arguments, **settings)
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500)


def environment() -> dict[str, str]:
    """Of a process: one thread, since several share the cores; a new store for processes that are started again."""
    # else they may meet under the addresses of those before them: pytorch/pytorch issue 135712, seen in 2.14
    return {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def torchrun_and_kill(
    module: str, arguments: list[str], checkpoint: Path, *, rank: int, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess:
    """Start two processes, kill one with SIGKILL as soon as there is a checkpoint, and wait for the job to end."""
    command = torchrun_command(module, arguments, options=options)
    words = {"cwd": ROOT, "env": environment(), "text": True}
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **words)
    try:
        deadline = time.monotonic() + 300
        while not checkpoint.exists():
            assert job.poll() is None, job.stdout.read()
            assert time.monotonic() < deadline, "no checkpoint"
            time.sleep(0.05)
        _process_of_rank(job.pid, rank).send_signal(signal.SIGKILL)
        output, _ = job.communicate(timeout=200)  # far below the half hour that a collective waits
    finally:
        for child in psutil.Process(job.pid).children(recursive=True) if job.poll() is None else ():
            child.kill()
        job.kill()
        job.wait()
    return subprocess.CompletedProcess(command, job.returncode, output)


def _process_of_rank(launcher_pid: int, rank: int) -> psutil.Process:
    children = psutil.Process(launcher_pid).children()
    return next(child for child in children if child.environ().get("RANK") == str(rank))
