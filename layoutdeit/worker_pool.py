"""The processes that parse documents, seen from the one that asks: started, asked, stopped in time, and used again.

A document keeps its process while there are enough of them; one that has none left gets another and is opened there
anew. Nobody but `pdf.py` talks to them. What they run is `pdf_process.py`, what is said is in wire.py.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from layoutdeit.wire import EXIT_MEMORY, EXIT_RETIRED, copy_exactly, read_exactly, read_header, write_message

MAX_WORKERS = 8  # at once; whoever comes next waits for one that is not busy
MAX_TRIES = 3
PIPE_BYTES = 1 << 20  # what Linux gives everyone
START = "import sys; from layoutdeit.pdf_process import serve; serve(int(sys.argv[1]))"
EXIT_CAUSES = {EXIT_MEMORY: "memory", EXIT_RETIRED: "retired", -signal.SIGKILL: "killed"}

logger = logging.getLogger(__name__)


class WorkerStopped(RuntimeError):
    """A process ended before it answered.

    `cause` is timeout, memory, crash, killed (by someone else) or retired (on its own, between two documents).
    """

    def __init__(self, cause: str, seconds: float) -> None:
        """Keep the cause, and how long the process took."""
        super().__init__(f"the process that reads documents stopped: {cause}")
        self.cause, self.seconds = cause, seconds


@dataclass(frozen=True)
class Answer:
    """What a process answered: the JSON object, the bytes after it, the seconds it took."""

    header: dict[str, Any]
    payload: bytes
    seconds: float


class Worker:
    """One process. Not thread safe: the pool lends it to one thread at a time."""

    def __init__(self, start: str = START) -> None:
        """Start it with this line of Python; it is ready when it answers. Raises OSError where no process starts."""
        package_dir = str(Path(__file__).resolve().parents[1])
        paths = [package_dir, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", start, str(os.getpid())],  # -P: the current folder holds strangers' files
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # one signal then stops it and all it has started
        )
        with suppress(AttributeError, OSError):  # Linux: pictures pass in three pieces, not in fifty
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._timing = threading.Lock()
        self._deadline: object | None = None
        self._is_timed_out = self._is_stopped = False
        self.owner: object | None = None
        self.is_open = False  # the owner's document, or that of an owner before
        self.is_busy = False

    @property
    def pid(self) -> int:
        """The id of the process, and of the group it leads."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(
        self, request: dict[str, Any], *, seconds: float, max_payload: int = 0, sink: BinaryIO | None = None
    ) -> Answer:
        """Send a request and wait for the answer; its payload goes into `sink` where there is one.

        Raises WorkerStopped; the process is then gone, as it is after any other error.
        """
        start = time.perf_counter()
        timer = threading.Timer(seconds, self._time_out, args=(token := object(),))
        timer.daemon = True
        self._deadline = token
        timer.start()
        try:
            write_message(self._process.stdin, request)
            header, num_bytes = read_header(self._process.stdout, max_payload=max_payload)
            payload = b""
            if sink is None:
                payload = read_exactly(self._process.stdout, num_bytes)
            else:
                copy_exactly(self._process.stdout, num_bytes, sink)
            with self._timing:
                self._deadline = None
        except (EOFError, BrokenPipeError, ValueError) as error:
            raise WorkerStopped(self._cause(), time.perf_counter() - start) from error
        except BaseException:  # half an answer would be taken for the next one
            self.stop()
            raise
        finally:
            timer.cancel()
        if header.pop("retire", False):
            self.stop()
        return Answer(header, payload, time.perf_counter() - start)

    def tell(self, request: dict[str, Any]) -> None:
        """Send a request that has no answer."""
        with suppress(OSError):
            write_message(self._process.stdin, request)

    def stop(self) -> None:
        """Kill the process and all it has started; stopping twice does nothing."""
        if self._is_stopped:
            return
        self._is_stopped = True  # its number may soon be that of another process
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _time_out(self, token: object) -> None:
        with self._timing:
            if self._deadline is token:
                self._is_timed_out = True
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _cause(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        code = self._process.returncode
        self.stop()
        return "timeout" if self._is_timed_out else EXIT_CAUSES.get(code, "crash")


class WorkerPool:
    """At most `max_workers` processes for all documents of this process."""

    def __init__(self, max_workers: int = MAX_WORKERS) -> None:
        """Start none yet."""
        self._max_workers = max_workers
        self._is_registered = False
        self._forget()

    def ask(
        self,
        owner: object,
        opening: dict[str, Any],
        request: dict[str, Any],
        *,
        open_seconds: float,
        seconds: float,
        max_payload: int = 0,
        sink: BinaryIO | None = None,
        check: Callable[[dict[str, Any]], None] = lambda opened: None,
    ) -> Answer:
        """Ask the owner's process; where it has none, or a new one, send `opening` first and `check` what it answers.

        An opening that fails is the answer to the request too. A process that someone else killed, or that retired,
        is replaced and asked again. Raises WorkerStopped, and what `check` raises.
        """
        start = sink.tell() if sink is not None else 0
        for tries_left in reversed(range(MAX_TRIES)):
            if sink is not None:
                sink.seek(start)
                sink.truncate()
            with self._lent(owner) as worker:
                try:
                    if not worker.is_open:
                        opened = worker.ask(opening, seconds=open_seconds)
                        check(opened.header)
                        worker.is_open = "num_pages" in opened.header
                        if not worker.is_open or request is opening:
                            return opened
                    return worker.ask(request, seconds=seconds, max_payload=max_payload, sink=sink)
                except WorkerStopped as stopped:
                    if stopped.cause not in ("killed", "retired") or not tries_left:
                        raise
                    logger.warning("%s; it is started again", stopped)
        raise AssertionError("unreachable")

    def release(self, owner: object) -> None:
        """Let the owner's document be closed; never waits."""
        with self._changed:
            for worker in self._workers:
                if worker.owner is owner:
                    worker.owner = None
                    self._tidy(worker)

    def pids(self) -> list[int]:
        """The ids of the processes there are."""
        with self._changed:
            return [worker.pid for worker in self._workers if worker.is_alive]

    def stop_all(self) -> None:
        """Kill them all, busy or not."""
        with self._changed:
            for worker in self._workers:
                worker.stop()
            self._workers = [worker for worker in self._workers if worker.is_busy]
            self._changed.notify_all()

    @contextmanager
    def _lent(self, owner: object) -> Iterator[Worker]:
        with self._changed:
            while (worker := self._pick(owner)) is None:
                self._changed.wait()
            worker.is_busy = True
            if worker.owner is not owner:
                worker.owner, worker.is_open = owner, False
        try:
            yield worker
        finally:
            with self._changed:
                worker.is_busy = False
                self._workers.remove(worker)
                if worker.is_alive:
                    self._workers.append(worker)  # the one used last comes last
                    self._tidy(worker)
                else:
                    worker.stop()
                self._changed.notify_all()

    def _pick(self, owner: object) -> Worker | None:
        """The owner's process, a free one, a new one, or the one that has been idle longest; None: wait."""
        for worker in self._workers:
            if worker.owner is owner and worker.is_alive:
                return None if worker.is_busy else worker
        idle = [worker for worker in self._workers if not worker.is_busy]
        for worker in idle:
            if worker.owner is None and worker.is_alive:
                return worker
        dead = [worker for worker in idle if not worker.is_alive]
        for worker in dead:
            worker.stop()
            self._workers.remove(worker)
        if len(self._workers) < self._max_workers:
            return self._start()
        return next((worker for worker in idle if worker not in dead), None)

    def _start(self) -> Worker:
        worker = Worker()
        self._workers.append(worker)
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self.stop_all)
            os.register_at_fork(after_in_child=self._forget)  # the processes are the parent's, and so is the lock
        return worker

    def _tidy(self, worker: Worker) -> None:
        if worker.owner is None and worker.is_open and not worker.is_busy:
            worker.is_open = False
            worker.tell({"verb": "close"})

    def _forget(self) -> None:
        self._changed = threading.Condition()  # its lock is reentrant: a document may be released by the collector
        self._workers: list[Worker] = []


WORKERS = WorkerPool()
