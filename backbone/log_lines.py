"""Lines of a run's logs, each of one step: those of steps that will be done again are taken out."""

from __future__ import annotations

import json
from pathlib import Path

from backbone.checkpoint import save_atomically


def keep_steps(path: Path, last_step: int) -> None:
    """Take out of a log what is later than a step, and what was cut short; nothing where there is no such file.

    A .csv has a head and then rows that begin with their step, a .jsonl an object with "step" in each line.
    """
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    head = lines[:1] if path.suffix == ".csv" else []
    kept = [line for line in lines[len(head) :] if (_step_of_row(line, *head) if head else _step(line)) <= last_step]
    text = "".join(f"{line}\n" for line in head + kept)
    save_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _step_of_row(line: str, head: str) -> float:
    number = line.partition(",")[0]
    return int(number) if number.isdecimal() and line.count(",") == head.count(",") else float("inf")


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")
