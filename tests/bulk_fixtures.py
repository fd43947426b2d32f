"""A small model, small documents, and the command line as a real process, for the tests of bulk runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from detector_fixtures import debug_config
from handmade_pdf import Sheet, encrypted, filled, make_pdf, written
from PIL import Image

from layoutdeit.detector_file import save_model
from layoutdeit.engines import build_detector

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "secret"
NOT_RESULTS = ("ledger.jsonl", ".pages")


def write_model(path: Path, seed: int = 0) -> Path:
    """A debug-sized model with random weights, which finds many regions if the score asked for is low."""
    torch.manual_seed(seed)
    detector = build_detector(debug_config(mask_layers=0), "torchvision")
    save_model(path, detector.state_dict(), debug_config(mask_layers=0), {})
    return path


def sheets(num_pages: int, *, seed: int = 0) -> list[Sheet]:
    """Pages that all differ: lines of text, a dark block, now and then one on its side."""
    pages = []
    for number in range(seed, seed + num_pages):
        lines = "".join(written(f"Line {line} of page {number}", 72, 700 - 14 * line) for line in range(number % 7 + 3))
        block = filled((100 + 3 * (number % 50), 100, 300, 200 + 5 * (number % 40)), 0.2)
        pages.append(Sheet(lines + block, rotate=90 if number % 5 == 4 else 0))
    return pages


def write_documents(folder: Path) -> Path:
    """Documents of 1 to 9 pages: one behind PASSWORD, one with a broken page, one scan; and one that is no document."""
    (folder / "deep").mkdir(parents=True)
    for index, num_pages in enumerate((9, 1, 4, 2)):
        (folder / f"d{index}.pdf").write_bytes(make_pdf(*sheets(num_pages, seed=20 * index)))
    (folder / "deep" / "d0.pdf").write_bytes(make_pdf(*sheets(2, seed=90)))
    (folder / "safe.pdf").write_bytes(encrypted(make_pdf(*sheets(2, seed=50)), PASSWORD))
    (folder / "holey.pdf").write_bytes(make_pdf(*sheets(1), Sheet(is_broken=True), *sheets(1, seed=7)))
    picture = Image.effect_noise((300, 200), 90).convert("RGB").resize((600, 800))
    picture.save(folder / "scan.png", dpi=(72, 72))
    (folder / "letter.pdf").write_bytes(b"Dear reader,")
    return folder


def command(*arguments: object) -> list[str]:
    """The line that runs it."""
    return [sys.executable, "-m", "layoutdeit.analyze", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Without what would make its output differ."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(*arguments: object, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )


def started(*arguments: object) -> subprocess.Popen[str]:
    """The command line as a real process, on its way."""
    return subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells have background jobs ignore it
    )


def wait_for_lines(out: Path, count: int, process: subprocess.Popen) -> None:
    """Until the ledger has so many."""
    while process.poll() is None:
        if (out / "ledger.jsonl").exists() and (out / "ledger.jsonl").read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"it ended before {count} lines: {process.communicate()}")


def results(out: Path) -> dict[str, bytes]:
    """All files below a folder that are results, and their bytes."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    names = {path.relative_to(out): path for path in paths}
    return {name.as_posix(): path.read_bytes() for name, path in names.items() if name.parts[0] not in NOT_RESULTS}


def ledger_lines(out: Path) -> list[dict]:
    """What stands in the ledger, without a torn last line."""
    text = (out / "ledger.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def pages_in(lines: list[dict], status: str = "done") -> list[tuple[str, int]]:
    """(name, page) of each page line."""
    return [(line["name"], line["page"]) for line in lines if line["status"] == status and line["page"] is not None]
