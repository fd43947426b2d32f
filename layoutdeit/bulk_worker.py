"""The processes of a bulk run, seen from the one that asks: started, asked, and replaced once where one dies.

What they run is bulk_process.py. The threads that ask are those of bulk_crew.py.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from layoutdeit.bulk_ray import RayShare, RayWorker
from layoutdeit.layout import ModelInfo
from layoutdeit.worker_pool import Worker, WorkerStopped

START = "import sys; from layoutdeit.bulk_process import serve; serve(int(sys.argv[1]))"
LOAD_TRIES = 2
MAX_LOSSES = 2  # of processes, before the request is at fault
LOAD_S = 600.0  # a model of gigabytes from a slow disk
PLACE_S = 5.0  # between two looks at whether the cluster has a core
ASK_S = 900.0  # a page: reading has its own limits, far below; what is left is for a large model on a slow machine
EXPORT_S = 600.0
EXPORT_PAGE_S = 30.0  # more for each page


class ModelFailed(ValueError):
    """The model cannot be loaded; says why."""


class NoFreeCore(RuntimeError):
    """The cluster has no core for a process at the moment."""


class ReadFailed(RuntimeError):
    """A document or page cannot be read, analysed or written: a stable `code` and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ModelChoice:
    """The model each process loads, as for LayoutAnalyzer."""

    model: str | None = None
    engine: str = "torchvision"
    device: str | None = None
    score: float = 0.5
    precision: str = "auto"


class BulkWorker:
    """A process with a model, here or on the Ray cluster. One thread starts and asks; `stop` may come from another."""

    def __init__(self, choice: ModelChoice, index: int = 0, *, ray: RayShare | None = None) -> None:
        """Start nothing yet.

        `index` counts the processes from 0. With `ray` it is one of the Ray cluster, and says what it takes there.
        """
        self._choice, self._index, self._ray = choice, index, ray
        self._stopping = threading.Lock()
        self._is_stopped = False
        self.was_replaced = False  # a process died on the way
        self.expected: tuple[ModelInfo, str] | None = None  # the model and device that it must turn out to have
        self._worker: Worker | RayWorker | None = None

    def start(self) -> None:
        """Start the process and load the model.

        Raises ModelFailed, OSError; NoFreeCore where the cluster has no core for it yet, call it again then;
        InterruptedError after `stop`.
        """
        request = {**asdict(self._choice), "index": self._index}
        if self.expected is not None:
            request["precision"] = self.expected[0].precision  # "auto" is decided once
        for tries_left in reversed(range(LOAD_TRIES)):
            try:
                answer = self._placed().ask({"verb": "load", **request}, seconds=LOAD_S).header
                break
            except WorkerStopped as stopped:
                self._worker = None
                if self._is_stopped:
                    raise InterruptedError from stopped
                if not tries_left:
                    message = f"the process that loads the model stopped: {stopped.cause}. Is memory short?"
                    raise ModelFailed(message + _first_line(stopped.__cause__)) from stopped
        if "failure" in answer or "error" in answer:
            self._worker.stop()
            raise ModelFailed(answer.get("failure") or answer["error"]["message"])
        self.device = answer.pop("device")
        self.info = ModelInfo(**answer)
        if self.expected not in (None, (self.info, self.device)):
            self._worker.stop()
            raise ModelFailed(
                f"a process found another model or device than the first ({self.info.name} {self.info.sha256[:12]}, "
                f"{self.info.precision} on {self.device}): was the file replaced?"
            )

    def ask(
        self, verb: str, *, seconds: float = ASK_S, losses: list[str] | None = None, **request: Any
    ) -> dict[str, Any]:
        """Have it do something; where it dies it is replaced and asked once more.

        `losses` keeps why processes died of this request, of which another worker may have seen one already.
        Raises ReadFailed: "crash" or "timeout" where it died again, or what the verb's error says; NoFreeCore where
        there is no place for another process, and `start` is to be called; InterruptedError after `stop`.
        """
        losses = [] if losses is None else losses
        while True:
            if self._worker is None:
                self.start()
            try:
                answer = self._worker.ask({"verb": verb, **request}, seconds=seconds).header
                break
            except WorkerStopped as stopped:
                if self._is_stopped:
                    raise InterruptedError from stopped
                self.was_replaced = True
                self._worker = None
                losses.append(stopped.cause)
                if len(losses) >= MAX_LOSSES:
                    code = "timeout" if stopped.cause == "timeout" else "crash"
                    raise ReadFailed(code, f"the process that did it stopped twice ({stopped.cause}).") from stopped
        if (error := answer.get("error")) is not None:
            raise ReadFailed(error["code"], error["message"])
        if (reason := answer.get("failure")) is not None:
            raise ReadFailed("model" if verb == "analyze" else "corrupt", f"{reason}.")
        return answer

    def expect(self, pages: Sequence[dict[str, Any]]) -> None:
        """Say which pages it will be asked to analyse next: its readers, if it has any, begin with them."""
        if isinstance(self._worker, RayWorker):
            self._worker.expect(pages)

    def stop(self) -> None:
        """Kill the process, busy or not."""
        with self._stopping:
            self._is_stopped = True
            if self._worker is not None:
                self._worker.stop()

    def _placed(self) -> Worker | RayWorker:
        """The process, asked for where it was not yet."""
        with self._stopping:
            if self._is_stopped:
                raise InterruptedError
            if self._worker is None:
                self._worker = Worker(START) if self._ray is None else RayWorker(self._ray)
            worker = self._worker
        is_placed = not isinstance(worker, RayWorker) or worker.is_placed(PLACE_S)
        if self._is_stopped:
            raise InterruptedError
        if not is_placed:
            raise NoFreeCore
        return worker


def _first_line(error: BaseException | None) -> str:
    """What a cluster says of an actor that did not start."""
    lines = str(error or "").strip().splitlines()
    return f" {lines[0][:300]}" if lines else ""
