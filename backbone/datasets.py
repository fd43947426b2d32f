"""Labelled images on disk, in the layouts people have: class folders, CIFAR, iNaturalist JSON, label files.

Start of the data path: `open_images` only lists what there is; batches.py reads, transforms and batches it.
An archive (.tar.xz and the like) is not read: unpack it first.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from backbone.cifar import CIFAR_FORMATS, find_cifar, read_cifar
from backbone.config import ImageDataConfig

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as torchvision


@dataclass(frozen=True)
class LabelledImages:
    """Images and their class indices. Held as paths below `root`, or as pixels.

    labels (N,) int64; paths (N,) bytes, so that a million of them stay small and are shared by loader processes;
    pixels (N, H, W, 3) uint8 instead where the format has no files; class_names by index.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    root: Path = Path()
    paths: np.ndarray | None = None
    pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Classes, seen or not."""
        return len(self.class_names)

    def name(self, index: int) -> str:
        """Where an image is, for messages."""
        return f"{self.root} image {index}" if self.paths is None else str(self.root / os.fsdecode(self.paths[index]))

    def read(self, index: int) -> Image.Image:
        """An image in RGB. ValueError that names a missing or broken file."""
        if self.pixels is not None:
            return Image.fromarray(self.pixels[index])
        try:
            with Image.open(self.name(index)) as image:
                return image.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
            raise ValueError(f"{self.name(index)} cannot be read as an image: {error}") from error


def open_images(config: ImageDataConfig, *, is_train: bool) -> LabelledImages:
    """List the training or the validation images. FileNotFoundError or ValueError say what was expected where."""
    root = Path(config.root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}: give that of an unpacked data set (data.root=DIR, or --data DIR)")
    split = config.train_split if is_train else config.val_split
    if config.format in CIFAR_FORMATS and (found := find_cifar(config.format, root)):
        version, folder = found
        pixels, labels, names = read_cifar(version, folder, is_train=is_train)
        names = names or tuple(str(label) for label in range(10 if config.format == "cifar10" else 100))
        return _checked(LabelledImages(labels, names, folder, pixels=pixels), str(folder))
    if config.format.startswith("inat"):
        return _open_inaturalist(root, int(config.format[4:]), split, config)
    if config.format == "list":
        return _open_list(root, split, config)
    if config.format in CIFAR_FORMATS and not (root / split).is_dir() and not is_train and (root / "test").is_dir():
        split = "test"
    return _open_folders(root / split, config.format)


def _open_folders(folder: Path, kind: str) -> LabelledImages:
    """One folder per class, classes in alphabetical order, as torchvision's ImageFolder."""
    if not folder.is_dir():
        expected = "a folder of class folders"
        if kind in CIFAR_FORMATS:
            expected += f", or {' or '.join(version.folder for version in CIFAR_FORMATS[kind])} beside it"
        raise FileNotFoundError(f"no folder {folder}: expected {expected}")
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    if not names:
        raise ValueError(f"{folder} has no class folders")
    paths, labels = [], []
    for label, name in enumerate(names):
        found = []
        for place, _, files in os.walk(folder / name, followlinks=True):
            inside = os.path.relpath(place, folder)
            found += [os.path.join(inside, file) for file in files if file.lower().endswith(IMAGE_SUFFIXES)]
        paths += sorted(found)
        labels += [label] * len(found)
    return _checked(_listed(folder, paths, labels, tuple(names)), str(folder))


def _open_inaturalist(root: Path, year: int, split: str, config: ImageDataConfig) -> LabelledImages:
    """train2018.json and its like; classes in the order the training annotations name them, as the DeiT code has it."""
    training = _read_json(root / f"{config.train_split}{year}.json")
    wanted = training if split == config.train_split else _read_json(root / f"{split}{year}.json")
    categories_path = root / "categories.json"
    categories = _read_json(categories_path) if categories_path.is_file() else training["categories"]
    try:
        name_of = {int(row["id"]): str(row[config.category]) for row in categories}
        order: dict[str, int] = {}
        for row in training["annotations"]:
            order.setdefault(name_of[int(row["category_id"])], len(order))
        file_of = {row["id"]: row["file_name"] for row in wanted["images"]}
        paths = [file_of[row["image_id"]] for row in wanted["annotations"]]
        labels = [order[name_of[int(row["category_id"])]] for row in wanted["annotations"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{root}: the iNaturalist {year} files lack {error}; is data.category right?") from error
    if paths and not (root / paths[0]).exists():  # the layout without the supercategory's folder
        shorter = [os.path.join(Path(path).parts[0], *Path(path).parts[2:]) for path in paths]
        paths = shorter if (root / shorter[0]).exists() else paths
    return _checked(_listed(root, paths, labels, tuple(order)), f"{root} {split}{year}.json")


def _open_list(root: Path, split: str, config: ImageDataConfig) -> LabelledImages:
    """Lines of `path label`, labels from 0 (RVL-CDIP); classes are those of the training file."""
    rows = _read_list(root / split)
    training = rows if split == config.train_split else _read_list(root / config.train_split)
    num_classes = 1 + max((label for _, label in training), default=-1)
    images = _listed(
        root / config.images_dir,
        [path for path, _ in rows],
        [label for _, label in rows],
        tuple(str(label) for label in range(num_classes)),
    )
    return _checked(images, str(root / split))


def _read_list(path: Path) -> list[tuple[str, int]]:
    if not path.is_file():
        raise FileNotFoundError(f"no label file {path}: expected lines of `path label`")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        image, _, label = line.strip().rpartition(" ")
        if not image or not label.isdecimal():
            raise ValueError(f"{path}, line {number}: expected `path label` with a label from 0, got {line.strip()!r}")
        rows.append((image.strip(), int(label)))
    return rows


def _read_json(path: Path) -> dict | list:
    if not path.is_file():
        raise FileNotFoundError(f"no annotations at {path}: expected iNaturalist's JSON files in data.root")
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _listed(root: Path, paths: list[str], labels: list[int], names: tuple[str, ...]) -> LabelledImages:
    encoded = np.array([os.fsencode(path) for path in paths], dtype=bytes)
    return LabelledImages(np.array(labels, dtype=np.int64), names, root, paths=encoded)


def _checked(images: LabelledImages, place: str) -> LabelledImages:
    """ValueError where there is no image, or a label that the training classes do not have."""
    if not len(images):
        raise ValueError(f"no images in {place}: known endings are {', '.join(IMAGE_SUFFIXES)}")
    if int(images.labels.max()) >= images.num_classes:
        raise ValueError(f"{place} has label {int(images.labels.max())}, the training set {images.num_classes} classes")
    return images
