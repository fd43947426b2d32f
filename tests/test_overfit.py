"""Eight made pages learned by heart: corpus, loader, network, losses, schedule and evaluation, all real, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.heavy
@pytest.mark.timeout(2400)
def test_eight_pages_are_learned_by_heart(tmp_path):
    pytest.importorskip("typst", reason="setting pages needs typst")
    pages, run = tmp_path / "eight", tmp_path / "run"
    commands = [
        ["layoutdeit.corpus", "make", "8", "-o", str(pages), "--seed", "10"],
        ["layoutdeit.train", str(ROOT / "configs" / "detector" / "overfit.yaml"), f"data.root={pages}",
         f"output_dir={run}"],
    ]  # fmt: skip
    for command in commands:
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=2300)
        assert done.returncode == 0, done.stderr
    scores = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert scores["overall"]["AP"] > 0.9, scores
