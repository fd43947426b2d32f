"""How long each stage of an analysis takes: `with stage("pyramid"):` around the work, `with listen(...)` around it all.

Where nobody listens a stage costs a microsecond. benchmark.py listens; no torch here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

STAGES = (
    "render",
    "words",
    "preprocess",
    "backbone",
    "pyramid",
    "proposals",
    "box head",
    "fit to ink",
    "mask head",
    "clean-up",
    "text and order",
)  # in the order of a page


@dataclass
class Stopwatch:
    """Amounts by stage, of what `now` reads: seconds by default, or anything else that grows, such as FLOPs."""

    now: Callable[[], float] = time.perf_counter
    amounts: dict[str, float] = field(default_factory=dict)


_listeners: ContextVar[tuple[Stopwatch, ...]] = ContextVar("listeners", default=())


@contextmanager
def listen(watch: Stopwatch) -> Iterator[Stopwatch]:
    """Have a watch measure the stages of this thread inside the block."""
    token = _listeners.set((*_listeners.get(), watch))
    try:
        yield watch
    finally:
        _listeners.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Mark a stage; what one stage measures inside another counts for the inner one alone."""
    watches = _listeners.get()
    if not watches:
        yield
        return
    starts = [(watch, watch.now(), sum(watch.amounts.values())) for watch in watches]
    try:
        yield
    finally:
        for watch, start, inner in starts:
            own = watch.now() - start - (sum(watch.amounts.values()) - inner)
            watch.amounts[name] = watch.amounts.get(name, 0.0) + own
