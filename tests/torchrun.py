"""Start a training or an evaluation in several real processes, as a person would: torchrun, over gloo on a CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    """Of a process: one thread, since several share the cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
