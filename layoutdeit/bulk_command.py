"""The options of `python -m layoutdeit.analyze` that make it a bulk run, and the run they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layoutdeit.batch import Input, Results
    from layoutdeit.bulk import BulkRun

RESERVED_NAMES = ("ledger",)  # of results: ledger.jsonl is the run's own


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them to the command line."""
    options = parser.add_argument_group(
        "bulk runs", "with a ledger: interrupted, the same command goes on (docs/bulk.md)"
    )
    options.add_argument(
        "--workers", type=int, metavar="N", help="analyse on N processes, each with a model and a core"
    )
    options.add_argument("--ray", metavar="local|auto|ADDRESS", help="run the N processes on a Ray cluster")
    options.add_argument(
        "--ray-gpus", type=float, metavar="F", help="GPUs that each process takes there, such as .25 for a quarter [0]"
    )
    options.add_argument(
        "--ray-readers",
        type=int,
        metavar="R",
        help="processes there, of a core each, that read pages ahead for each of the N [0]",
    )
    options.add_argument("--retry-failed", action="store_true", help="try again what failed in an earlier run")


def check_options(options: argparse.Namespace) -> None:
    """Raise ValueError for what cannot be."""
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {options.workers}")
    if options.retry_failed and options.workers is None:
        raise ValueError("--retry-failed needs the ledger of a run with --workers: give that too")
    if options.ray is not None and options.workers is None:
        raise ValueError("--ray needs --workers: how many processes to run there")
    if options.ray_readers is not None:
        if options.ray is None:
            raise ValueError("--ray-readers needs --ray: without it each process reads its own pages")
        if options.ray_readers < 0:
            raise ValueError(f"--ray-readers must not be negative, got {options.ray_readers}")
    if options.ray_gpus is not None:
        if options.ray is None:
            raise ValueError("--ray-gpus needs --ray: without it the processes take turns on the GPUs of this machine")
        if options.ray_gpus < 0 or not (options.ray_gpus <= 1 or options.ray_gpus.is_integer()):
            raise ValueError(f"--ray-gpus must be a part of 1, or a whole number, got {options.ray_gpus}")


def bulk_run(
    options: argparse.Namespace,
    inputs: Sequence[Input],
    targets: Sequence[Path],
    formats: tuple[str, ...],
    pages: tuple[range, ...] | None,
    results: Results,
) -> BulkRun:
    """The run, its first process started. Raises ValueError, OSError."""
    from layoutdeit.bulk import BulkRun
    from layoutdeit.bulk_display import BulkDisplay
    from layoutdeit.bulk_document import BulkTask
    from layoutdeit.bulk_ray import RayShare, connect
    from layoutdeit.bulk_worker import ModelChoice

    share = None
    if options.ray is not None:
        share = RayShare(options.ray_gpus or 0.0, options.ray_readers or 0)
        connect(options.ray, options.workers * (1 + share.readers))
    return BulkRun(
        inputs,
        targets,
        results,
        BulkTask(formats, pages, options.password, options.retry_failed),
        ModelChoice(options.model, options.engine, options.device, options.score, options.precision),
        num_workers=options.workers,
        display=BulkDisplay(len(inputs), is_quiet=options.quiet),
        ray=share,
    )
