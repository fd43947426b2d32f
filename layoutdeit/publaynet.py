"""PubLayNet-shaped trees as a training set: NAME.json (COCO) beside the folder NAME/ of page pictures.

Annotations are held as flat arrays, not as millions of dictionaries, so that loader processes share them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from layoutdeit.augment import augment_page
from layoutdeit.config import DataConfig
from layoutdeit.engines.base import Target
from layoutdeit.geometry import clip, xywh_to_xyxy
from layoutdeit.labels import NUM_CLASSES

MIN_SIDE_PX = 1.0  # a box thinner than this after clipping to its page is left out


@dataclass(frozen=True)
class Annotations:
    """All pages of a COCO file. Page i has boxes[offsets[i]:offsets[i + 1]].

    image_ids (P,) int64, file_names P strings, sizes_wh (P, 2) int64, boxes (A, 4) xyxy pixels cut to the page,
    labels (A,) int64 in 1..5. num_dropped counts boxes that were empty, outside, crowd or of an unknown category.
    """

    image_ids: np.ndarray
    file_names: np.ndarray
    sizes_wh: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    num_dropped: int

    def __len__(self) -> int:
        return len(self.image_ids)


def read_annotations(path: str | Path) -> Annotations:
    """Read a COCO file with PubLayNet's category ids 1..5. FileNotFoundError, or ValueError for another format."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no annotations at {path}: expected PubLayNet's tree, NAME.json beside the folder NAME/"
        )
    try:
        data = json.loads(path.read_bytes())
        images = sorted(data["images"], key=lambda image: image["id"])
        rows = data["annotations"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a COCO annotation file: {error!r}") from error
    image_ids = np.array([image["id"] for image in images], dtype=np.int64)
    sizes_wh = np.array([(image["width"], image["height"]) for image in images], dtype=np.int64).reshape(-1, 2)
    page_of = {int(image_id): page for page, image_id in enumerate(image_ids)}
    pages = np.array([page_of.get(row["image_id"], -1) for row in rows], dtype=np.int64)
    labels = np.array([row["category_id"] for row in rows], dtype=np.int64)
    crowd = np.array([bool(row.get("iscrowd", 0)) for row in rows], dtype=bool)
    boxes = xywh_to_xyxy(np.array([row["bbox"] for row in rows], dtype=np.float64))
    if len(images):
        boxes = np.clip(boxes, 0, np.tile(sizes_wh[pages], 2))
    sides = boxes[:, 2:] - boxes[:, :2]
    keep = (sides >= MIN_SIDE_PX).all(1) & (pages >= 0) & (labels >= 1) & (labels <= NUM_CLASSES) & ~crowd
    order = np.flatnonzero(keep)[np.argsort(pages[keep], kind="stable")]
    return Annotations(
        image_ids=image_ids,
        file_names=np.array([image["file_name"] for image in images], dtype=str),
        sizes_wh=sizes_wh,
        offsets=np.searchsorted(pages[order], np.arange(len(images) + 1)),
        boxes=boxes[order].astype(np.float32),
        labels=labels[order],
        num_dropped=int((~keep).sum()),
    )


@dataclass(frozen=True)
class PageSample:
    """A page for the detector: image (3, H, W) uint8 RGB, its target, and where it came from."""

    image: Tensor
    target: Target
    image_id: int
    file_name: str


class PageDataset(Dataset):
    """Pages of a tree, by index for evaluation or by (position, index) for training.

    A position, the page's place in the whole run, seeds its augmentation: the same run draws the same pages
    whatever the number of loader processes, and a resumed one goes on as if never stopped.
    """

    def __init__(self, annotations: Annotations, images_dir: str | Path, config: DataConfig | None, *, seed: int = 0):
        self.annotations, self.images_dir = annotations, Path(images_dir)
        self.config, self.seed = config, seed

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: int | tuple[int, int]) -> PageSample:
        position, index = key if isinstance(key, tuple) else (None, key)
        rows = slice(*self.annotations.offsets[index : index + 2])
        boxes, labels = self.annotations.boxes[rows], self.annotations.labels[rows]
        file_name = str(self.annotations.file_names[index])
        image = read_image(self.images_dir / file_name)
        if position is not None:
            rng = np.random.default_rng((self.seed, position))
            image, boxes, labels = augment_page(image, boxes, labels, self.config, rng)
        height, width = image.shape[:2]
        return PageSample(
            image=torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),  # (H, W, 3) -> (3, H, W)
            target=Target(
                torch.from_numpy(clip(boxes, width, height).astype(np.float32)), torch.from_numpy(labels.copy())
            ),
            image_id=int(self.annotations.image_ids[index]),
            file_name=file_name,
        )


class RunSampler(Sampler[list[tuple[int, int]]]):
    """The batches of a training run from `first_step` on: lists of (position, page index) for one process.

    Each epoch is a permutation seeded by (seed, epoch); a process takes its share of every global batch.
    """

    def __init__(
        self, num_pages: int, *, batch_size: int, first_step: int, num_steps: int, seed: int, rank: int, world_size: int
    ) -> None:
        if num_pages == 0:
            raise ValueError("the training set has no pages")
        if batch_size % world_size:
            raise ValueError(f"batch_size {batch_size} must be a multiple of the number of processes, {world_size}")
        self.num_pages, self.batch_size, self.seed = num_pages, batch_size, seed
        self.first_step, self.num_steps = first_step, num_steps
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return max(0, self.num_steps - self.first_step)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.num_steps):
            batch = []
            for position in range(step * self.batch_size, (step + 1) * self.batch_size):
                if position // self.num_pages != epoch:
                    epoch = position // self.num_pages
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.num_pages)
                batch.append((position, int(order[position % self.num_pages])))
            yield batch[self.rank :: self.world_size]


def read_image(path: str | Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB. FileNotFoundError, or ValueError that names a broken file."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
