"""Several PubLayNet-shaped trees as one: one's own pages beside made ones, to train on both."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from layoutdeit.corpus.page_tree import check_split_is_free, write_origin
from layoutdeit.labels import LABELS


def merge_trees(trees: Sequence[Path], output: Path, *, split: str = "train") -> int:
    """Make a split of all pages that the trees have of it; return how many. Outlines and whatever else is there stay.

    Pictures become links where the file system has them, copies elsewhere, each tree's in a folder of its number.
    Raises FileNotFoundError where a tree has no such split, ValueError for other categories than PubLayNet's, a picture
    name that leaves its folder, or where `output` holds such a split already.
    """
    origin = {"trees": [str(tree.resolve()) for tree in trees]}
    check_split_is_free(output, split, origin)
    contents = [_read(tree, split) for tree in trees]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (output / split).mkdir(parents=True, exist_ok=True)
    for number, (tree, content) in enumerate(zip(trees, contents, strict=True), start=1):
        ids = {image["id"]: len(images) + place for place, image in enumerate(content["images"], start=1)}
        for image in content["images"]:
            name = f"{number}/{image['file_name']}"
            _link(tree / split / image["file_name"], output / split / name)
            images.append({**image, "id": ids[image["id"]], "file_name": name})
        for item in content["annotations"]:
            if item["image_id"] in ids:
                annotations.append({**item, "id": len(annotations) + 1, "image_id": ids[item["image_id"]]})
    categories = [{"supercategory": "", "id": label.id, "name": label.name} for label in LABELS]
    merged = {"images": images, "annotations": annotations, "categories": categories}
    (output / f"{split}.json").write_text(json.dumps(merged, separators=(",", ":")), encoding="utf-8")
    write_origin(output, split, origin)
    return len(images)


def _read(tree: Path, split: str) -> dict[str, Any]:
    path = tree / f"{split}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: every tree must have that split")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content.setdefault("annotations", [])  # pages without a box may have none
        found = {category["id"]: category["name"] for category in content.get("categories") or ()}
        is_whole = all({"id", "file_name"} <= image.keys() for image in content["images"])
        is_whole = is_whole and all("image_id" in item for item in content["annotations"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"without {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is no COCO annotation file: {reason}") from error
    if not is_whole:
        raise ValueError(f"{path} is no COCO annotation file: pictures without id or file_name, boxes without image_id")
    if found and found != {label.id: label.name for label in LABELS}:
        raise ValueError(f"{path} has other categories than PubLayNet's: {found}")
    for image in content["images"]:
        place = Path(image["file_name"])
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{path} names a picture outside its folder: {image['file_name']}")
    return content


def _link(source: Path, target: Path) -> None:
    """The same picture under another name; where it is missing training says so, as for any tree."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)  # a link among the pictures would not lead anywhere from there
    except OSError:
        with suppress(FileNotFoundError):
            shutil.copy2(source, target)
