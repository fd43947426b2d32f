"""What a person without detectron2 is told; runs everywhere, in processes that cannot import it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from detector_fixtures import debug_config, write_tree

from layoutdeit.engines import ENGINES, available_engines, build_detector
from layoutdeit.engines import detectron2 as adapter

# Read at the start of a process: it has no detectron2, wherever that is installed.
BLOCKER = "import sys; sys.modules['detectron2'] = None"


def run_without(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    """A real process, sitecustomize taking detectron2 away."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    paths = [str(tmp_path), str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def no_detectron2(monkeypatch):
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)


def test_building_says_what_to_install(no_detectron2):
    with pytest.raises(ImportError, match=r"build it from its source as its guide says, https://\S+install\.html"):
        build_detector(debug_config(), "detectron2")
    assert available_engines() == ("torchvision",)


def test_engines_are_told_without_importing_them():
    assert available_engines() in (ENGINES, ("torchvision",))
    assert (available_engines() == ENGINES) == adapter.is_installed()


def test_commands_end_with_the_sentence_and_no_traceback(tmp_path):
    tree = write_tree(tmp_path / "tree", num_pages=2)
    configuration = Path(__file__).resolve().parents[1] / "configs" / "detector" / "overfit.yaml"
    commands = [
        ("layoutdeit.evaluate", "--annotations", f"{tree}/train.json", "--images", f"{tree}/train",
         "--engine", "detectron2"),
        ("layoutdeit.analyze", f"{tree}/train/page0.png", "-o", str(tmp_path / "out"), "--engine", "detectron2"),
        ("layoutdeit.train", str(configuration), f"data.root={tree}", f"output_dir={tmp_path}/run",
         "engine=detectron2"),
        ("layoutdeit.engines.detectron2.launch", __file__, "--config-file", "x.yaml"),
    ]  # fmt: skip
    for command in commands:
        done = run_without(tmp_path, *command)
        assert done.returncode in (1, 2), (command, done.stderr)
        assert "needs detectron2" in done.stderr and "Traceback" not in done.stderr, (command, done.stderr)
        assert "install.html" in done.stderr.strip().splitlines()[-1]
