"""PubLayNet trees as data sets of detectron2, by name."""

from __future__ import annotations

import os
from pathlib import Path

from detectron2.data import MetadataCatalog
from detectron2.data.datasets import register_coco_instances

from layoutdeit.labels import LABELS

DATASETS_VARIABLE = "DETECTRON2_DATASETS"  # detectron2's own name for the folder of all data sets
SPLITS = ("train", "val")


def register_publaynet(name: str, json_path: str | Path, image_dir: str | Path) -> None:
    """Register a COCO file of our five classes and its pictures; read when first used, and safe to repeat."""
    register_coco_instances(name, {}, str(json_path), str(image_dir))
    MetadataCatalog.get(name).set(
        thing_classes=[label.name for label in LABELS], thing_colors=[label.colour for label in LABELS]
    )


def register_publaynet_tree(root: str | Path | None = None) -> None:
    """Register `publaynet_train` and `publaynet_val` of a tree like the original (NAME.json beside NAME/).

    root: by default `publaynet` in the folder that DETECTRON2_DATASETS names, or in ./datasets.
    """
    if root is None:
        root = Path(os.environ.get(DATASETS_VARIABLE, "datasets")) / "publaynet"
    for split in SPLITS:
        register_publaynet(f"publaynet_{split}", Path(root) / f"{split}.json", Path(root) / split)
