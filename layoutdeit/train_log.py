"""What a training run leaves to read: log.csv, metrics.jsonl, pictures and, where TensorBoard is there, its log.

A resumed run takes out what a killed one wrote after its last checkpoint, so no step is told twice.
"""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backbone.log_lines import keep_steps

log = logging.getLogger(__name__)

TENSORBOARD_INSTALL = "pip install tensorboard"


class TrainLog:
    """The files of a run in `output_dir`, which has done `step` steps."""

    def __init__(self, output_dir: Path, step: int, *, tensorboard: bool) -> None:
        self.steps_path, self.metrics_path = output_dir / "log.csv", output_dir / "metrics.jsonl"
        self.pictures_dir = output_dir / "pictures"
        keep_steps(self.steps_path, step)
        keep_steps(self.metrics_path, step)
        self._writer = _tensorboard_writer(output_dir / "tensorboard", step) if tensorboard else None

    def add_step(
        self, step: int, losses: Mapping[str, float], *, learning_rate: float, pages_per_second: float
    ) -> None:
        """A row of log.csv."""
        is_new = not self.steps_path.exists()
        with open(self.steps_path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", "learning_rate", "pages_per_second", *losses])
            writer.writerow([step, learning_rate, pages_per_second, *losses.values()])
        if self._writer is not None:
            for name, value in losses.items():
                self._writer.add_scalar(f"loss/{name}", value, step)
            self._writer.add_scalar("loss", sum(losses.values()), step)
            self._writer.add_scalar("learning_rate", learning_rate, step)
            self._writer.add_scalar("pages_per_second", pages_per_second, step)

    def add_metrics(self, step: int, metrics: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl, in the place of one that the same step has already. metrics: as in metrics.json."""
        keep_steps(self.metrics_path, step - 1)
        with open(self.metrics_path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")
        if self._writer is not None:
            for name, row in metrics.items():
                if row.get("AP") is not None:
                    self._writer.add_scalar(f"AP/{name}", row["AP"], step)
            self._writer.flush()

    def add_picture(self, step: int, name: str, picture: Image.Image) -> None:
        """A page with what was found on it, as pictures/step-N-NAME.jpg."""
        self.pictures_dir.mkdir(exist_ok=True)
        picture.save(self.pictures_dir / f"step-{step:06d}-{Path(name).stem}.jpg", quality=88)
        if self._writer is not None:
            self._writer.add_image(f"pages/{name}", np.asarray(picture), step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is held back."""
        if self._writer is not None:
            self._writer.close()


class Pace:
    """How fast a run goes since it was started, evaluations left out, and how long it still takes."""

    def __init__(self, num_steps: int, batch_size: int, step: int) -> None:
        self.num_steps, self.batch_size = num_steps, batch_size
        self.pages_per_second = 0.0  # between the last two updates
        self._first_step, self._paused_s, self._started = step, 0.0, time.perf_counter()
        self._last = (step, self._started)

    def update(self, step: int) -> None:
        """Measure, at the end of a step."""
        now = time.perf_counter()
        last_step, last_time = self._last
        self.pages_per_second = (step - last_step) * self.batch_size / (now - last_time)
        self._last = (step, now)

    def restart(self, step: int) -> None:
        """Leave out the time since the last update: something else was done."""
        now = time.perf_counter()
        self._paused_s += now - self._last[1]
        self._last = (step, now)

    def line(self, step: int, losses: Mapping[str, float], learning_rate: float) -> str:
        """A line of progress for people."""
        per_step = (time.perf_counter() - self._started - self._paused_s) / max(1, step - self._first_step)
        left = timedelta(seconds=round(per_step * (self.num_steps - step)))
        parts = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
        return (
            f"step {step}/{self.num_steps}  loss {sum(losses.values()):.3f}  {parts}  rate {learning_rate:.2e}  "
            f"{self.pages_per_second:.2f} pages/s  {left} left"
        )


def _tensorboard_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("no TensorBoard log (log.csv has the same numbers); for one: %s", TENSORBOARD_INSTALL)
        return None
    return SummaryWriter(folder, purge_step=step + 1)
