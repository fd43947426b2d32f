"""What the processes of a job say when it ends under them: one was killed, or all were told to stop.

torchrun ends such a job itself and names the process that failed first. The others say here what that means for the
run: which step is safe, and that the same command goes on from it. Used by both trainings.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

TORCHRUN_VARIABLE = "TORCHELASTIC_RUN_ID"
WAIT_FOR_TORCHRUN_S = 10.0  # it looks at its processes ten times a second, and then tells this one to stop


def explain_stops(checkpoint_path: Path, rank: int) -> None:
    """From now on SIGTERM, by which torchrun ends a job, leaves a sentence about the run on standard error.

    A thread says it: the main one may be inside a collective that never returns. Outside torchrun nothing changes.
    """
    if TORCHRUN_VARIABLE not in os.environ:
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.signal(signal.SIGTERM, lambda *_: None)  # Python then writes the number of each signal to the socket
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_forget)

    def watch(reader: socket.socket, writer: socket.socket) -> None:
        del writer  # given so that it stays open while this thread lives
        while signal.SIGTERM not in reader.recv(1):
            pass
        _say(f"process {rank} was told to stop, for another process or the whole job ended", checkpoint_path)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, args=(reader, writer), daemon=True).start()


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether processes could not reach each other: torch.distributed's own errors, or gloo's plain ones."""
    import torch.distributed

    words = str(error)
    return isinstance(error, torch.distributed.DistError) or "gloo" in words or "Connection closed by peer" in words


def report_lost_connection(error: RuntimeError) -> int:
    """Let torchrun end this process, which then explains itself; say something and return 1 where it does not.

    An exit at once would pass for the cause: torchrun names the process that it saw end first.
    """
    time.sleep(WAIT_FOR_TORCHRUN_S)
    reason = str(error).splitlines()[0][:160]
    print(
        f"error: another process of the job is gone ({reason}): the same command goes on from the last checkpoint",
        file=sys.stderr,
    )
    return 1


def _say(what: str, path: Path) -> None:
    rest = "no checkpoint was written yet: the same command starts again"
    if path.is_file():
        try:
            step = _step_of(path)
            rest = f"step {step} is safe in {path}: the same command goes on from step {step}"
        except (OSError, ValueError) as error:
            rest = str(error)
    sys.stderr.write(f"error: {what}; {rest}\n")  # in one piece: several processes write
    sys.stderr.flush()


def _step_of(path: Path) -> int:
    """The step of a checkpoint, read without its weights. Not remembered: who wrote it may be who was killed.

    ValueError for a damaged file.
    """
    from backbone.checkpoint import load_torch_file

    content = load_torch_file(path, mmap=True, remedy="delete it to start again")
    if not isinstance(content, Mapping) or "step" not in content:
        raise ValueError(f"{path} is no checkpoint of a run: delete it to start again")
    return content["step"]


def _hold() -> None:
    """Let SIGTERM wait while a process forks, or the child could still answer for its parent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _forget() -> None:
    """In a forked loader process, which is told to end by the same signal."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_go()
