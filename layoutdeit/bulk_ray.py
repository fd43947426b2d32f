"""The processes of a bulk run on a Ray cluster: actors that do what bulk_process.py does, asked in the same words.

What is asked, in which order, and what is kept stays with bulk.py, so results are the same bytes. Documents, results
and stores must have the same paths on all machines. Needs ray, an extra of its own.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from layoutdeit.worker_pool import Answer, WorkerStopped

LOCAL = "local"
CONNECT_S = 10.0


def connect(address: str, num_workers: int) -> None:
    """Join the cluster at an address, the one this machine belongs to ("auto"), or one made here ("local").

    Raises ImportError where there is no ray, ValueError or ConnectionError where there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("--ray needs Ray: pip install -e '.[ray]' in the project's folder") from error
    settings = {"log_to_driver": False, "logging_level": logging.ERROR, "ignore_reinit_error": True}
    if address == LOCAL:
        ray.init(address="local", num_cpus=num_workers, include_dashboard=False, **settings)
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
    """An actor with a model: one core, and GPUs or a part of one.

    The same verbs and errors as worker_pool.Worker, for one thread.
    """

    def __init__(self, *, num_gpus: float = 0.0) -> None:
        """Ask for it; it begins when the cluster has a core to spare."""
        import ray

        from layoutdeit.bulk_process import Session

        self._actor = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=0)(Session).remote()
        self._ready = self._actor.__ray_ready__.remote()

    def is_placed(self, seconds: float) -> bool:
        """Wait so long for the cluster to have a core for it; True as well for one that has died since."""
        import ray

        return bool(ray.wait([self._ready], timeout=seconds)[0])

    def ask(self, request: dict[str, Any], *, seconds: float) -> Answer:
        """Send a request and wait for the answer. Raises WorkerStopped; the actor is then gone."""
        import ray

        start = time.perf_counter()
        try:
            header = ray.get(self._actor.answer.remote(request), timeout=seconds)
        except ray.exceptions.GetTimeoutError as error:
            self.stop()
            raise WorkerStopped("timeout", time.perf_counter() - start) from error
        except ray.exceptions.RayError as error:
            self.stop()  # it may only be out of reach
            raise WorkerStopped("crash", time.perf_counter() - start) from error
        return Answer(header, b"", time.perf_counter() - start)

    def stop(self) -> None:
        """Kill the actor; stopping twice does nothing."""
        import ray

        if ray.is_initialized():
            ray.kill(self._actor)
