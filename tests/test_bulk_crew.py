"""Who does which step: workers that say they are processes, and cores that are not there when they are asked for.

Real processes and a real cluster do the same in test_bulk.py and test_bulk_ray.py.
"""

import threading

import pytest

from layoutdeit import bulk_crew
from layoutdeit.bulk_crew import Crew
from layoutdeit.bulk_worker import ModelFailed, NoFreeCore


class Hand:
    """A process that gets a core at its `num_refused`-th asking and loses it at steps in `lost_at`."""

    def __init__(self, index, num_refused=0):
        self.index, self.num_refused = index, num_refused
        self.was_replaced = False
        self.info, self.device = "a model", "cpu"
        self.is_stopped = threading.Event()

    def start(self):
        if self.is_stopped.wait(0.01):
            raise InterruptedError
        if self.num_refused:
            self.num_refused -= 1
            raise NoFreeCore

    def stop(self):
        self.is_stopped.set()


class Work:
    """Steps 0, 1, ..., each done once; `lost`: the numbers of those at which a process is lost, the first time."""

    def __init__(self, num_steps, lost=()):
        self.todo, self.lost = list(range(num_steps)), set(lost)
        self.done: list[tuple[int, int]] = []  # step, process
        self.said: list[str] = []

    def find(self):
        if not self.todo:
            return None
        step = self.todo.pop(0)
        return lambda worker: self.do(step, worker)

    def do(self, step, worker):
        if step in self.lost:
            self.lost.remove(step)
            worker.num_refused = 10**9
            worker.was_replaced = True
            raise NoFreeCore
        self.done.append((step, worker.index))
        threading.Event().wait(0.02)


def crew_of(work, refusals):
    return Crew(lambda index: Hand(index, refusals[index]), len(refusals), work.find, work.said.append)


@pytest.mark.timeout(60)
def test_every_step_is_done_once():
    work = Work(20)
    crew = crew_of(work, [0, 0, 0])
    crew.run()
    assert sorted(step for step, _ in work.done) == list(range(20)) and not crew.was_replaced
    assert {process for _, process in work.done} == {0, 1, 2} and not work.said


@pytest.mark.timeout(60)
def test_the_run_does_not_wait_for_a_process_without_a_core():
    work = Work(10)
    crew_of(work, [0, 10**9, 10**9]).run()
    assert work.done == [(step, 0) for step in range(10)]
    assert work.said == ["no core for one of the 3 processes on the cluster: it waits"] * 2


@pytest.mark.timeout(60)
def test_it_joins_when_there_is_one():
    work = Work(60)
    crew_of(work, [0, 3]).run()
    assert {process for _, process in work.done} == {0, 1} and len(work.done) == 60


@pytest.mark.timeout(60)
def test_the_step_of_a_lost_process_is_done_by_another():
    work = Work(30, lost=[7])
    crew = crew_of(work, [0, 0])
    crew.run()
    assert sorted(step for step, _ in work.done) == list(range(30)) and crew.was_replaced


@pytest.mark.timeout(60)
def test_when_all_are_lost_the_run_stops(monkeypatch):
    monkeypatch.setattr(bulk_crew, "LOAD_S", 0.3)
    work = Work(30, lost=[3, 4])
    with pytest.raises(ModelFailed, match="no core, or GPU, for a process"):
        crew_of(work, [0, 0]).run()
    assert len({step for step, _ in work.done}) == len(work.done) < 30


def test_no_core_for_the_first_process(monkeypatch):
    monkeypatch.setattr(bulk_crew, "LOAD_S", 0.1)
    with pytest.raises(ModelFailed):
        crew_of(Work(1), [10**9])


@pytest.mark.timeout(60)
def test_an_error_of_a_step_stops_the_others():
    def fail(worker):
        raise OSError("disk full")

    steps = [lambda worker: worker.is_stopped.wait(30), fail]
    crew = Crew(Hand, 2, lambda: steps.pop(0) if steps else None, print)
    with pytest.raises(OSError, match="disk full"):
        crew.run()
