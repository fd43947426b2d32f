import threading

import pytest

from layoutdeit.stopwatch import Stopwatch, listen, stage


class Ticks:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock():
    return Ticks()


def test_nobody_listening_changes_nothing():
    with stage("backbone"):
        pass
    assert Stopwatch().amounts == {}


def test_a_stage_inside_another_counts_for_itself_alone(clock):
    with listen(Stopwatch(clock)) as watch:
        with stage("pyramid"):
            clock.time += 1
            with stage("backbone"):
                clock.time += 10
            clock.time += 2
        with stage("backbone"):
            clock.time += 100
    assert watch.amounts == {"backbone": 110, "pyramid": 3}


def test_two_watches_measure_at_once_and_only_while_they_listen(clock):
    with listen(Stopwatch(clock)) as seconds, listen(Stopwatch(lambda: 7.0)) as constant, stage("fit to ink"):
        clock.time += 1
    with stage("fit to ink"):
        clock.time += 1
    assert seconds.amounts == {"fit to ink": 1} and constant.amounts == {"fit to ink": 0}


def test_a_stage_that_fails_is_measured_and_the_watch_taken_away(clock):
    watch = Stopwatch(clock)
    with pytest.raises(RuntimeError), listen(watch), stage("render"):
        clock.time += 5
        raise RuntimeError
    assert watch.amounts == {"render": 5}
    with stage("render"):
        clock.time += 5
    assert watch.amounts == {"render": 5}


def test_other_threads_are_not_listened_to(clock):
    def work() -> None:
        with stage("render"):
            clock.time += 1

    with listen(Stopwatch(clock)) as watch:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert watch.amounts == {}
