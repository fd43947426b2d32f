"""What an evaluation found, in words, as JSON and as a CSV row per class. Written by evaluate.py, read by people."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbone.checkpoint import save_atomically
from backbone.metrics import Metrics

NUM_LOWEST = 5  # classes shown beside the totals


@dataclass(frozen=True)
class Scores:
    """plain: by the data set's labels. real: by ImageNet-ReaL's, top-1 and top-5 only; None where they were not given.

    num_unreadable: images of the data set that could not be read and are in neither.
    """

    plain: Metrics
    real: Metrics | None
    num_unreadable: int


def scores_in_words(scores: Scores, class_names: Sequence[str]) -> str:
    """A line each: totals, ReaL, what was left out, the lowest classes, how sure top-1 is; those that there are."""
    lines = [str(scores.plain)]
    if scores.real is not None:
        real = scores.real
        lines.append(f"ReaL: top-1 {100 * real.top1:.2f} %  top-5 {100 * real.top5:.2f} %  {real.num_images} images")
    if scores.num_unreadable:
        lines.append(f"left out, unreadable: {scores.num_unreadable} images")
    rows = zip(scores.plain.per_class, class_names, strict=True)
    lowest = sorted((row.top1, name) for row, name in rows if row.num_images)[:NUM_LOWEST]
    lines.append("lowest classes: " + (", ".join(f"{name} {100 * top1:.1f} %" for top1, name in lowest) or "none"))
    if scores.plain.num_images:
        low, high = interval_95(scores.plain)
        lines.append(
            f"95 % interval of top-1: {100 * low:.2f} to {100 * high:.2f} % (binomial: other images, same model)"
        )
    return "\n".join(lines)


def interval_95(metrics: Metrics) -> tuple[float, float]:
    """The shares in [0, 1] that top-1 may have with other images of the kind, at 95 %: Wilson's score interval.

    It says nothing of other seeds of the training. (0, 1) where there was no image.
    """
    if not metrics.num_images:
        return 0.0, 1.0
    z, n, share = 1.959964, metrics.num_images, metrics.top1
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def write_scores(path: Path, scores: Scores, conditions: Mapping[str, Any]) -> None:
    """metrics.json: the conditions, then `overall` and `real`; shares in [0, 1], null where a number has no meaning."""
    content = {
        **conditions,
        "overall": {
            **_numbers(scores.plain),
            "top1_interval_95": interval_95(scores.plain),
            "num_unreadable": scores.num_unreadable,
        },
        "real": None if scores.real is None else _numbers(scores.real),
    }
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    save_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_per_class(path: Path, metrics: Metrics, class_names: Sequence[str]) -> None:
    """A CSV row per class: its index and name, images, right ones, top-1 in [0, 1], empty where no image was seen."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class_index", "class_name", "num_images", "num_correct", "top1"])
            for index, row in enumerate(metrics.per_class):
                top1 = f"{row.top1:.6f}" if row.num_images else ""
                writer.writerow([index, class_names[index], row.num_images, row.num_correct, top1])

    save_atomically(path, write)


def _numbers(metrics: Metrics) -> dict[str, float | None]:
    names = ("top1", "top5", "loss", "num_images")
    return {name: None if math.isnan(value := getattr(metrics, name)) else value for name in names}
