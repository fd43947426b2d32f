"""A debug-sized detector and a few drawn pages, for the tests of the detector and of its training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from layoutdeit.config import BackboneConfig, DetectorConfig, HeadConfig, InputConfig, ProposalConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.int8 import is_exact
from layoutdeit.labels import LABELS

INT8 = pytest.param("int8", marks=pytest.mark.skipif(not is_exact(), reason="no exact int8 products here"))

# A run of that detector, six steps of two pages.
DEBUG_RUN = """
num_steps: 6
batch_size: 2
checkpoint_every: 2
log_every: 1
tensorboard: false
precision: 32-true
detector:
  backbone: {name: deit_tiny_patch16_224, grid_size_px: [128, 96], drop_path: 0.1}
  channels: 16
  input: {short_side: 96, long_side: 160, train_short_sides: [80, 96]}
  proposals: {anchor_sizes: [8, 16, 32, 64, 128], anchors_per_image: 64, train_candidates: 50, train_proposals: 50}
  heads: {canonical_box_size: 56, box_dim: 32, rois_per_image: 32, mask_dim: 8, mask_layers: 1}
data: {num_workers: 0, val_split: train, crop_range_px: [60, 90]}
optim: {learning_rate: 1.0e-3, warmup_steps: 2, ema_decay: 0.9}
"""


def debug_config(*, mask_layers: int = 1) -> DetectorConfig:
    """DeiT-Ti at 96 px with thin heads: a step takes a fraction of a second on a CPU."""
    return DetectorConfig(
        backbone=BackboneConfig(name="deit_tiny_patch16_224", grid_size_px=(128, 96), drop_path=0.0),
        channels=16,
        input=InputConfig(short_side=96, long_side=160, train_short_sides=[96]),
        proposals=ProposalConfig(
            anchor_sizes=[8, 16, 32, 64, 128],
            anchors_per_image=64,
            train_candidates=50,
            train_proposals=50,
            candidates=50,
            proposals=50,
        ),
        heads=HeadConfig(canonical_box_size=56, box_dim=32, rois_per_image=32, mask_dim=8, mask_layers=mask_layers),
    )


def blank_page(height: int = 130, width: int = 100) -> Tensor:
    return torch.ones(3, height, width)


def page_target(*boxes_and_labels: tuple[tuple[float, float, float, float], int]) -> Target:
    boxes = torch.tensor([box for box, _ in boxes_and_labels], dtype=torch.float32).reshape(-1, 4)
    return Target(boxes, torch.tensor([label for _, label in boxes_and_labels], dtype=torch.int64))


def write_job(folder: Path) -> Callable[..., list[str]]:
    """A tree and DEBUG_RUN below `folder`; the result makes the arguments of layoutdeit.train."""
    write_tree(folder / "tree")
    (folder / "debug.yaml").write_text(DEBUG_RUN)

    def arguments(output: str, *more: str) -> list[str]:
        return [str(folder / "debug.yaml"), f"data.root={folder / 'tree'}", f"output_dir={folder / output}", *more]

    return arguments


def write_tree(root: Path, *, num_pages: int = 6, split: str = "train", seed: int = 0, height_step_px: int = 4) -> Path:
    """A PubLayNet-shaped tree of pages with solid boxes, one colour per class; the last page is empty.

    Every page is height_step_px higher than the one before.
    """
    rng = np.random.default_rng(seed)
    (root / split).mkdir(parents=True, exist_ok=True)
    images, rows = [], []
    for page in range(num_pages):
        height, width = 130 + height_step_px * page, 100
        pixels = np.full((height, width, 3), 255, np.uint8)
        for slot in range(0 if page == num_pages - 1 else 3):
            label = LABELS[int(rng.integers(5))]
            x, y = int(rng.integers(4, 30)), 6 + slot * 40
            w, h = int(rng.integers(30, 60)), int(rng.integers(10, 34))
            pixels[y : y + h, x : x + w] = label.colour
            polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
            row = {"id": len(rows) + 1, "image_id": page + 1, "category_id": label.id, "iscrowd": 0}
            rows.append({**row, "bbox": [x, y, w, h], "area": w * h, "segmentation": [polygon]})
        name = f"page{page}.png"
        Image.fromarray(pixels).save(root / split / name)
        images.append({"id": page + 1, "file_name": name, "width": width, "height": height})
    categories = [{"id": label.id, "name": label.name, "supercategory": ""} for label in LABELS]
    content = {"images": images, "annotations": rows, "categories": categories}
    (root / f"{split}.json").write_text(json.dumps(content))
    return root
