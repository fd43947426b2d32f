"""Measure DeiT on this machine: `python -m backbone.benchmark [--models NAME,...] [--train] [--data DIR]`.

Prints parameters, multiply-adds, and images per second beside timm's same model; with --data also those of the data
loader. Literature counts a multiply-add as one FLOP ("1.25 GFLOPs"); utilisation counts it as two.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.usage import at_least

if TYPE_CHECKING:
    import torch

    from backbone.datasets import LabelledImages
    from backbone.model_speed import Speed
    from backbone.vit import VitDimensions

DEFAULT_MODELS = "deit_tiny_patch16_224,deit_small_patch16_224,deit_base_patch16_224"
PRECISIONS = {"fp32": "fp32", "bf16": "bf16 autocast"}
NOT_MEASURED = "not measured"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, and return the exit status: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m backbone.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=DEFAULT_MODELS, help="names, separated by commas")
    parser.add_argument("--train", action="store_true", help="measure training steps too")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help=f"of {', '.join(PRECISIONS)} (default: all)")
    parser.add_argument("--batch-size", type=at_least(1), help="images (default: 8 on a CPU, 128 on a GPU)")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement, at least (default: 3)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="measure reading and transforming its images")
    parser.add_argument("--workers", type=at_least(0), help="loader processes (default: one per CPU core)")
    options = parser.parse_args(arguments)
    precisions = [part.strip() for part in options.precisions.split(",")]
    if unknown := [name for name in precisions if name not in PRECISIONS]:
        parser.error(f"unknown precision {unknown[0]!r}: use {' or '.join(PRECISIONS)}")

    import torch

    from backbone.deit import deit_dimensions
    from backbone.loading_speed import find_images
    from backbone.model_speed import measure_speed

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch_size = options.batch_size or (128 if device.type == "cuda" else 8)
    workers = _num_cores() if options.workers is None else options.workers
    try:
        models = {name.strip(): deit_dimensions(name.strip()) for name in options.models.split(",")}
        images = None if options.data is None else find_images(options.data)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(machine_in_words(device))
    named = ", ".join(PRECISIONS[name] for name in precisions)
    print(f"precision: {named}; batch size {batch_size}; median call of at least {options.seconds:g} s\n")
    for is_training in (False, True):
        kind = "training step" if is_training else "inference"
        if is_training and not options.train:
            print(f"{kind}: {NOT_MEASURED} (--train)\n")
            continue
        print(f"{kind}, images per second")
        speeds = {}
        for name, dims in models.items():
            for precision in precisions:
                print(f"measuring {name}, {PRECISIONS[precision]} ...", file=sys.stderr)
                speeds[name, precision] = measure_speed(
                    dims, precision, device, batch_size=batch_size, seconds=options.seconds, is_training=is_training
                )
        print(speeds_in_words(models, speeds, is_training=is_training) + "\n")
    if images is None:
        print(f"data loading: {NOT_MEASURED} (--data DIR)")
        return 0
    print(f"data loading from {len(images)} images, {workers} workers, 224 px, images per second")
    try:
        for is_training in (False, True):
            kind = "training transform" if is_training else "evaluation transform"
            print(f"{kind}: {_loading_in_words(images, workers, batch_size, options.seconds, is_training=is_training)}")
    except (ValueError, OSError) as error:
        print(f"error: {str(error).strip().splitlines()[-1]}", file=sys.stderr)  # a worker puts its traceback before
        return 1
    return 0


def machine_in_words(device: torch.device) -> str:
    """The machine, its threads, and the versions that the numbers belong to."""
    import torch

    try:
        timm_version = version("timm")
    except PackageNotFoundError:
        timm_version = "not installed"
    lines = [f"machine: {_processor()}, {_num_cores()} cores to use, {torch.get_num_threads()} threads"]
    if hasattr(os, "getloadavg"):
        lines[0] += f", load {os.getloadavg()[0]:.1f} at the start"
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        lines.append(f"GPU: {torch.cuda.get_device_name(device)}, {memory:.0f} GiB, CUDA {torch.version.cuda}")
    else:
        lines.append(f"GPU: none; {NOT_MEASURED}")
    lines.append(f"torch {torch.__version__}, timm {timm_version}, Python {platform.python_version()}")
    return "\n".join(lines)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns, numbers to the right."""
    first, *others = ([*column] for column in zip(head, *rows, strict=True))
    columns = [_aligned(first, str.ljust), *(_aligned(column, str.rjust) for column in others)]
    lines = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
    rule = "|".join(["-" * (len(columns[0][0]) + 2), *("-" * (len(column[0]) + 1) + ":" for column in columns[1:])])
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _aligned(cells: list[str], align: Callable[[str, int], str]) -> list[str]:
    width = max(map(len, cells))
    return [align(cell, width) for cell in cells]


def speeds_in_words(
    models: Mapping[str, VitDimensions], speeds: Mapping[tuple[str, str], Speed], *, is_training: bool
) -> str:
    """The table of speeds by (model, precision), why some are missing, and each model's fastest precision."""
    from backbone.model_cost import FLOP_PER_MULTIPLY_ADD, FORWARDS_PER_TRAINING_IMAGE, multiply_adds, num_parameters

    rows = []
    for (name, precision), speed in speeds.items():
        cost = multiply_adds(models[name])
        flop = cost * FLOP_PER_MULTIPLY_ADD * (FORWARDS_PER_TRAINING_IMAGE if is_training else 1)
        rows.append(
            [
                name,
                f"{num_parameters(models[name]) / 1e6:.1f}",
                f"{cost / 1e9:.2f}",
                PRECISIONS[precision],
                _number(speed.ours),
                _number(speed.timm),
                f"{speed.ours / speed.timm:.2f}" if speed.ours and speed.timm else "-",
                f"{speed.ours * flop / 1e12:.3g}" if speed.ours else "-",
            ]
        )
    head = ["model", "M parameters", "GFLOPs*", "precision", "ours", "timm", "ours/timm", "TFLOP/s**"]
    share = f", {FORWARDS_PER_TRAINING_IMAGE} forward passes per training image" if is_training else ""
    lines = [table(head, rows), f"* multiply-adds of a forward pass  ** ours, two FLOP per multiply-add{share}"]
    reasons = dict.fromkeys(speed.reason for speed in speeds.values() if speed.reason)
    lines += [f"{NOT_MEASURED}: {reason}" for reason in reasons]
    for name in models:
        measured = {PRECISIONS[kind]: speed.ours for (model, kind), speed in speeds.items() if model == name}
        if len(measured) > 1 and None not in measured.values():
            lines.append(f"fastest precision of {name}: {max(measured, key=measured.__getitem__)}")
    return "\n".join(lines)


def _loading_in_words(
    images: LabelledImages, workers: int, batch_size: int, seconds: float, *, is_training: bool
) -> str:
    from backbone.loading_speed import loading_speed

    try:
        speed = loading_speed(images, is_training=is_training, workers=workers, batch_size=batch_size, seconds=seconds)
    except ImportError as error:
        return f"{NOT_MEASURED} ({error})"
    return _number(speed)


def _number(rate: float | None) -> str:
    return NOT_MEASURED if rate is None else f"{rate:.1f}"


def _num_cores() -> int:
    """Cores that this process may use, which a container may limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    """The processor's name, from Linux's own list where Python knows none."""
    listed = Path("/proc/cpuinfo")
    for line in listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


if __name__ == "__main__":
    sys.exit(main())
