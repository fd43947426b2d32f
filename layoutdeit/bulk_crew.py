"""The threads of a bulk run, each with a process of its own that it asks for one thing after the other.

What is to be done next, and what becomes of it, is bulk.py's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from layoutdeit.bulk_worker import LOAD_S, BulkWorker, ModelFailed, NoFreeCore

Step = Callable[[BulkWorker], None]


class Crew:
    """N processes at work on steps, until none is found and none is under way.

    A process for which the cluster has no core, from the start or since its node was lost, is waited for while the
    others go on: the step that it was at is done by one of them.
    """

    def __init__(
        self,
        new_worker: Callable[[int], BulkWorker],
        num_workers: int,
        find_step: Callable[[], Step | None],
        say: Callable[[str], None],
    ) -> None:
        """Start the first process. Raises ModelFailed.

        `new_worker` gets a process's number from 0. `find_step` and `say` are called with `changed` held; whoever
        brings new steps notifies it.
        """
        self.changed = threading.Condition()
        self._find_step, self._say = find_step, say
        self._workers = [new_worker(index) for index in range(num_workers)]
        self._returned: deque[Step] = deque()
        self._num_busy = 0
        self._error: BaseException | None = None
        self._start(self.first)
        for worker in self._workers:
            worker.expected = (self.first.info, self.first.device)

    @property
    def first(self) -> BulkWorker:
        """The process that is there from the start."""
        return self._workers[0]

    @property
    def was_replaced(self) -> bool:
        """Whether a process died on the way, and may have left something half done."""
        return any(worker.was_replaced for worker in self._workers)

    def run(self) -> None:
        """Do all there is to do. Raises the first error of any thread; no process is left."""
        threads = [threading.Thread(target=self._serve, args=(worker,), daemon=True) for worker in self._workers]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if self._error is not None:
                raise self._error
        finally:
            self._stop(None)
            for thread in threads:
                if thread.ident is not None:  # it was started
                    thread.join()

    def _serve(self, worker: BulkWorker) -> None:
        """What each thread does."""
        try:
            if worker is not self.first:
                self._start(worker)
            while (step := self._next()) is not None:
                if not self._do(step, worker):
                    self._start(worker)
        except InterruptedError:
            return
        except BaseException as error:
            self._stop(error)
        else:
            self._dismiss()

    def _start(self, worker: BulkWorker) -> None:
        """Have the process start; where the cluster has no core for it, wait as long as others are at work."""
        since = time.monotonic()
        is_said = False
        while True:
            try:
                return worker.start()
            except NoFreeCore as error:
                with self.changed:
                    if self._num_busy:
                        since = time.monotonic()
                    if not is_said:
                        self._say(f"no core for one of the {len(self._workers)} processes on the cluster: it waits")
                        is_said = True
                if time.monotonic() - since > LOAD_S:
                    raise ModelFailed(f"the cluster had no core, or GPU, for a process in {LOAD_S:.0f} s") from error

    def _do(self, step: Step, worker: BulkWorker) -> bool:
        """Do a step; False where the process was lost on the way and the step is another's."""
        is_returned = False
        try:
            step(worker)
        except NoFreeCore:
            is_returned = True
        finally:
            with self.changed:
                if is_returned:
                    self._returned.append(step)
                self._num_busy -= 1
                self.changed.notify_all()
        return not is_returned

    def _next(self) -> Step | None:
        """The next step; None when all is done."""
        with self.changed:
            while self._error is None:
                step = self._returned.popleft() if self._returned else self._find_step()
                if step is not None:
                    self._num_busy += 1
                    return step
                if not self._num_busy:
                    return None
                self.changed.wait()
            raise InterruptedError

    def _dismiss(self) -> None:
        """All is done: nobody waits for a process any more."""
        for worker in self._workers:
            worker.stop()

    def _stop(self, error: BaseException | None) -> None:
        with self.changed:
            self._error = self._error or error or InterruptedError()
            self.changed.notify_all()
        self._dismiss()
