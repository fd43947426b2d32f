"""A made tree read back, for tests."""

import json
from pathlib import Path

from layoutdeit.corpus.page_tree import PictureRecord


def read_records(tree_dir: Path, split: str) -> list[PictureRecord]:
    """The pages of a COCO file with PubLayNet's categories."""
    path = tree_dir / f"{split}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in content["categories"]}
    regions: dict[int, list] = {image["id"]: [] for image in content["images"]}
    for item in content["annotations"]:
        x, y, w, h = item["bbox"]
        regions[item["image_id"]].append((names[item["category_id"]], (x, y, x + w, y + h)))
    return [
        PictureRecord(image["file_name"], image["width"], image["height"], tuple(regions[image["id"]]))
        for image in content["images"]
    ]
