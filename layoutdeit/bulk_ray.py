"""The processes of a bulk run on a Ray cluster: actors that do what bulk_process.py does, asked in the same words.

What is asked, in which order, and what is kept stays with bulk.py, so results are the same bytes. Documents, results
and stores must have the same paths on all machines. Needs ray, an extra of its own.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layoutdeit.worker_pool import Answer, WorkerStopped

LOCAL = "local"
CONNECT_S = 10.0
PAGES_AHEAD = 2  # of each reader: one that it reads and one that waits for the model


@dataclass(frozen=True)
class RayShare:
    """What each process of a run takes of the cluster, beside the core it works on.

    gpus: whole ones, or a part of one; readers: further processes of a core that read its pages ahead of it.
    """

    gpus: float = 0.0
    readers: int = 0


def connect(address: str, num_cores: int) -> None:
    """Join the cluster at an address, the one this machine belongs to ("auto"), or one made here ("local").

    One made here believes in `num_cores`. Raises ImportError where there is no ray, ValueError or ConnectionError
    where there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("--ray needs Ray: pip install -e '.[ray]' in the project's folder") from error
    settings = {"log_to_driver": False, "logging_level": logging.ERROR, "ignore_reinit_error": True}
    if address == LOCAL:
        ray.init(address="local", num_cpus=num_cores, include_dashboard=False, **settings)
    else:
        _check_reachable(address)
        try:
            ray.init(address=address, **settings)
        except (RuntimeError, ray.exceptions.RayError) as error:  # of another version, or no longer there
            raise ConnectionError(f"the Ray cluster at {address} cannot be joined: {error}") from error


def _check_reachable(address: str) -> None:
    """Say at once what Ray would say after minutes."""
    host, colon, port = address.rpartition(":")
    if address == "auto" or "://" in address:
        return
    if not (colon and port.isdigit()):
        raise ValueError(f"--ray takes local, auto or HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address}: {error}") from error


class RayWorker:
    """An actor with a model, and the readers that work for it.

    The same verbs and errors as worker_pool.Worker, for one thread.
    """

    def __init__(self, share: RayShare) -> None:
        """Ask for it; it begins when the cluster has a core to spare."""
        import ray

        from layoutdeit.bulk_process import Session

        self._actor = ray.remote(num_cpus=1, num_gpus=share.gpus, max_restarts=0)(Session).remote()
        self._ready = self._actor.__ray_ready__.remote()
        self._readers = Readers(share.readers)

    def is_placed(self, seconds: float) -> bool:
        """Wait so long for the cluster to have a core for it; True as well for one that has died since."""
        import ray

        return bool(ray.wait([self._ready], timeout=seconds)[0])

    def expect(self, requests: Sequence[dict[str, Any]]) -> None:
        """Have pages read that it will be asked to analyse, in that order; they replace those of the call before."""
        self._readers.begin(requests)

    def ask(self, request: dict[str, Any], *, seconds: float) -> Answer:
        """Send a request and wait for the answer. Raises WorkerStopped; the actor is then gone."""
        import ray

        start = time.perf_counter()
        page = self._readers.take(request, seconds)
        try:
            try:
                header = ray.get(self._actor.answer.remote(request, page), timeout=seconds)
            except (ray.exceptions.ObjectLostError, ray.exceptions.RayTaskError):  # the page's machine is gone
                header = ray.get(self._actor.answer.remote(request), timeout=seconds)
        except ray.exceptions.GetTimeoutError as error:
            self.stop()
            raise WorkerStopped("timeout", time.perf_counter() - start) from error
        except ray.exceptions.RayError as error:
            self.stop()  # it may only be out of reach
            raise WorkerStopped("crash", time.perf_counter() - start) from error
        return Answer(header, b"", time.perf_counter() - start)

    def stop(self) -> None:
        """Kill the actor and its readers; stopping twice does nothing."""
        import ray

        if ray.is_initialized():
            ray.kill(self._actor)
            self._readers.stop()


class Readers:
    """Actors of one core that read pages for an actor with a model, wherever the cluster has cores.

    A picture goes from one to the other through the object store and never through this process: at most PAGES_AHEAD
    for each reader are there at once. They only save time: what none of them has read, the actor reads itself.
    """

    def __init__(self, num_readers: int) -> None:
        """Ask for them; each begins when the cluster has a core to spare."""
        self._actors: list[Any] = []
        self._ready: list[Any] = []
        self._at: dict[tuple[str, int], tuple[int, Any, Any]] = {}  # the reader; whether it has the page; the page
        for index in range(num_readers):
            self._start(index)

    def begin(self, requests: Sequence[dict[str, Any]]) -> None:
        """Have the first of these pages read, and forget others."""
        import ray

        wanted = {_page_key(request): request for request in requests[: PAGES_AHEAD * len(self._actors)]}
        self._at = {key: entry for key, entry in self._at.items() if key in wanted}
        placed = [index for index, ready in enumerate(self._ready) if ray.wait([ready], timeout=0)[0]]
        for key, request in wanted.items():
            if key not in self._at and placed:
                at_work = [entry[0] for entry in self._at.values()]
                index = min(placed, key=at_work.count)
                self._at[key] = (index, *self._actors[index].read.options(num_returns=2).remote(**request))

    def take(self, request: dict[str, Any], seconds: float) -> Any | None:
        """Where in the object store the page is that a request is about; None where nobody has read it."""
        import ray

        index, is_read, page = self._at.pop(_page_key(request), (None, None, None))
        if index is None:
            return None
        try:
            return page if ray.get(is_read, timeout=seconds) else None
        except ray.exceptions.RayError:  # its machine is gone, or it is stuck
            ray.kill(self._actors[index])
            self._at = {key: entry for key, entry in self._at.items() if entry[0] != index}
            self._start(index)
            return None

    def stop(self) -> None:
        """Kill them."""
        import ray

        for actor in self._actors:
            ray.kill(actor)

    def _start(self, index: int) -> None:
        import ray

        from layoutdeit.bulk_process import PageReader

        actor = ray.remote(num_cpus=1, max_restarts=0)(PageReader).remote()
        self._actors[index : index + 1] = [actor]
        self._ready[index : index + 1] = [actor.__ray_ready__.remote()]


def _page_key(request: dict[str, Any]) -> tuple[str, int]:
    return request.get("path", ""), request.get("number", 0)
