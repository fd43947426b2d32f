"""log.csv and metrics.jsonl of a run: a row per logged step, a line per evaluation, none twice after a resume."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

from backbone.log_lines import keep_steps
from backbone.loop import StepReport
from backbone.metrics import Metrics


class RunLog:
    """The two files in `output_dir`; rows of steps after `step`, which a killed run left, are taken out first."""

    def __init__(self, output_dir: Path, step: int) -> None:
        self.steps_path, self.metrics_path = output_dir / "log.csv", output_dir / "metrics.jsonl"
        self._names = [field.name for field in fields(StepReport)]
        keep_steps(self.steps_path, step)
        keep_steps(self.metrics_path, step)

    def add_step(self, report: StepReport) -> None:
        """Append a row."""
        is_new = not self.steps_path.exists()
        with self.steps_path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._names)
            if is_new:
                writer.writeheader()
            writer.writerow(asdict(report))

    def add_metrics(self, step: int, epoch: int, scores: Mapping[str, Metrics]) -> None:
        """Append a line: scores of the weights and, where there is one, of their average, without the classes'.

        It takes the place of one that the same step has already, of a run that was ended just after it.
        """
        keep_steps(self.metrics_path, step - 1)
        line = {"step": step, "epoch": epoch, **{name: summary(metrics) for name, metrics in scores.items()}}
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def summary(metrics: Metrics) -> dict[str, float]:
    """The overall numbers, shares in [0, 1]."""
    return {name: getattr(metrics, name) for name in ("top1", "top5", "loss", "num_images")}
