"""A PubLayNet-shaped tree on disk: `DIR/<split>/*.jpg`, `DIR/<split>.json` in COCO form, `DIR/corpus.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layoutdeit.labels import LABELS, label_by_name


@dataclass(frozen=True)
class PictureRecord:
    """One page picture and its regions: (label name, xyxy box in pixels) in reading order."""

    file_name: str
    width: int
    height: int
    regions: tuple[tuple[str, tuple[float, float, float, float]], ...]


def write_annotations(records: Iterable[PictureRecord], tree_dir: Path, split: str) -> Path:
    """Write `tree_dir/<split>.json` as PubLayNet's: image ids from 1 in the order given. Returns its path."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, record in enumerate(records, start=1):
        images.append({"file_name": record.file_name, "width": record.width, "height": record.height, "id": image_id})
        for label, box in record.regions:
            x0, y0, x1, y1 = (round(value, 2) for value in box)
            w, h = round(x1 - x0, 2), round(y1 - y0, 2)
            annotations.append(
                {
                    "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                    "area": round(w * h, 2),
                    "iscrowd": 0,
                    "image_id": image_id,
                    "bbox": [x0, y0, w, h],
                    "category_id": label_by_name(label).id,
                    "id": len(annotations) + 1,
                }
            )
    categories = [{"supercategory": "", "id": label.id, "name": label.name} for label in LABELS]
    path = tree_dir / f"{split}.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return path


def check_split_is_free(tree_dir: Path, split: str, origin: dict[str, Any]) -> None:
    """Raise ValueError where a split is there already, unless it was made as `origin` says: the same command again."""
    path = tree_dir / f"{split}.json"
    if not path.exists():
        return
    record = tree_dir / "corpus.json"
    known = json.loads(record.read_text(encoding="utf-8")).get(split, {}) if record.exists() else {}
    if any(known.get(key) != value for key, value in origin.items()):
        raise ValueError(
            f"{tree_dir} holds pages already ({path.name}), made otherwise: choose another folder or split"
        )


def write_origin(tree_dir: Path, split: str, origin: dict[str, Any]) -> None:
    """Record in `tree_dir/corpus.json` how a split was made; other splits' records stay."""
    path = tree_dir / "corpus.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[split] = origin
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
