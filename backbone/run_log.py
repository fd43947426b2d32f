"""log.csv and metrics.jsonl of a run: a row per logged step, a line per evaluation, none twice after a resume."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

from backbone.checkpoint import save_atomically
from backbone.loop import StepReport
from backbone.metrics import Metrics


class RunLog:
    """The two files in `output_dir`; rows of steps after `step`, which a killed run left, are taken out first."""

    def __init__(self, output_dir: Path, step: int) -> None:
        self.steps_path, self.metrics_path = output_dir / "log.csv", output_dir / "metrics.jsonl"
        self._names = [field.name for field in fields(StepReport)]
        if self.steps_path.is_file():
            lines = self.steps_path.read_text(encoding="utf-8").splitlines()
            _rewrite(self.steps_path, [line for line in lines[1:] if _step_of_row(line) <= step], head=lines[:1])
        if self.metrics_path.is_file():
            lines = self.metrics_path.read_text(encoding="utf-8").splitlines()
            _rewrite(self.metrics_path, [line for line in lines if _step_of_json(line) <= step])

    def add_step(self, report: StepReport) -> None:
        """Append a row."""
        is_new = not self.steps_path.exists()
        with self.steps_path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._names)
            if is_new:
                writer.writeheader()
            writer.writerow(asdict(report))

    def add_metrics(self, step: int, epoch: int, scores: Mapping[str, Metrics]) -> None:
        """Append a line: scores of the weights and, where there is one, of their average, without the classes'."""
        line = {"step": step, "epoch": epoch, **{name: summary(metrics) for name, metrics in scores.items()}}
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def summary(metrics: Metrics) -> dict[str, float]:
    """The overall numbers, shares in [0, 1]."""
    return {name: getattr(metrics, name) for name in ("top1", "top5", "loss", "num_images")}


def _step_of_row(line: str) -> float:
    """The step of a row; infinite for a row that was cut short."""
    number = line.partition(",")[0]
    return int(number) if number.isdecimal() and line.count(",") == len(fields(StepReport)) - 1 else float("inf")


def _step_of_json(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return float("inf")


def _rewrite(path: Path, lines: list[str], head: list[str] | None = None) -> None:
    text = "".join(f"{line}\n" for line in [*(head or []), *lines])
    save_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
