"""PubLayNet-shaped trees as a data set: NAME.json (COCO) beside the folder NAME/ of page pictures, whole or part.

Between the annotations' arrays and the loops: pictures are read here, masks drawn, batches composed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.augment import Page, augment_page
from layoutdeit.config import DataConfig, InputConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.preprocess import resized_size_hw
from layoutdeit.geometry import clip
from layoutdeit.outlines import draw_masks
from layoutdeit.page_annotations import Annotations
from layoutdeit.pictures import find_missing, read_image
from layoutdeit.pyramid import SIZE_DIVISOR

MAX_BROKEN_IN_A_ROW = 20  # pictures; more, and it is the disk or the folder, not the pictures

__all__ = ["Annotations", "PageDataset", "PageSample", "RunSampler", "evaluation_batches", "read_annotations"]


@dataclass(frozen=True)
class PageSample:
    """A page for the detector: image (3, H, W) uint8 RGB, its target, and where it came from.

    broken: why pictures that this page stands in for could not be read.
    """

    image: Tensor
    target: Target
    image_id: int
    file_name: str
    broken: tuple[str, ...] = ()


class PageDataset(Dataset):
    """Pages of a tree whose pictures are there, by index for evaluation or by (position, index) for training.

    A position, the page's place in the whole run, seeds its augmentation and what an engine samples on it: the same
    run draws the same pages and boxes whatever the number of processes, and a resumed one goes on as if never stopped.
    In training the next page stands in for one that cannot be read; in evaluation such a page is a ValueError.
    """

    def __init__(
        self,
        annotations: Annotations,
        images_dir: str | Path,
        config: DataConfig | None,
        *,
        seed: int = 0,
        with_masks: bool = False,
    ) -> None:
        self.annotations, self.images_dir = annotations, Path(images_dir)
        self.config, self.seed, self.with_masks = config, seed, with_masks
        self.missing = find_missing(annotations, self.images_dir)  # pages without picture
        self.pages = np.delete(np.arange(len(annotations)), self.missing)
        if len(self.missing) and not len(self.pages):
            name = annotations.file_name(int(self.missing[0]))
            raise ValueError(f"none of {len(annotations)} pictures is in {self.images_dir}: expected {name} there")

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, key: int | tuple[int, int]) -> PageSample:
        if not isinstance(key, tuple):
            return self._sample(self._page(int(self.pages[key])), int(self.pages[key]))
        position, index = key
        broken: list[str] = []
        while len(broken) < MAX_BROKEN_IN_A_ROW:
            number = int(self.pages[(index + len(broken)) % len(self)])
            try:
                page = self._page(number)
            except (ValueError, OSError) as error:
                broken.append(str(error))
                continue
            page = augment_page(page, self.config, np.random.default_rng((self.seed, position)))
            return self._sample(page, number, tuple(broken), seed=self._target_seed(position))
        raise ValueError(f"{MAX_BROKEN_IN_A_ROW} pictures in a row cannot be read; the last: {broken[-1]}")

    def image_ids(self) -> np.ndarray:
        """Of its pages, by index. (P,) int64."""
        return self.annotations.image_ids[self.pages]

    def sizes_hw(self) -> np.ndarray:
        """Of its pictures, by index. (P, 2) int64."""
        return self.annotations.sizes_wh[self.pages][:, ::-1]

    def report_lines(self) -> list[str]:
        """What the annotations hold and what is wrong with them and their pictures, in lines for people."""
        lines = self.annotations.report.lines()
        if num_missing := len(self.missing):
            first = ", ".join(self.annotations.file_name(int(page)) for page in self.missing[:3])
            lines.append(
                f"{num_missing} pictures are not in {self.images_dir}: their pages are left out ({first}, ...)"
            )
        return lines

    def _page(self, number: int) -> Page:
        annotations, rows = self.annotations, self.annotations.rows_of(number)
        file_name = annotations.file_name(number)
        expected = tuple(annotations.sizes_wh[number].tolist())
        image = read_image(self.images_dir / file_name, expected)
        height, width = image.shape[:2]
        if (width, height) != expected:
            wanted = f"{expected[0]} x {expected[1]}"
            raise ValueError(f"{file_name} has {width} x {height} pixels, its annotations are of {wanted}")
        labels = annotations.labels[rows].astype(np.int64)
        outlines = [annotations.outline(row) for row in range(rows.start, rows.stop)] if self.with_masks else None
        if outlines is not None and not any(outlines):
            outlines = None  # all are boxes: the engine draws those itself
        return Page(image, np.array(annotations.boxes[rows]), labels, outlines)

    def _target_seed(self, position: int) -> int:
        """Apart from the augmentation's, which has no third number."""
        return int(np.random.SeedSequence((self.seed, position, 1)).generate_state(1)[0])

    def _sample(self, page: Page, number: int, broken: tuple[str, ...] = (), *, seed: int | None = None) -> PageSample:
        height, width = page.size_hw
        boxes = clip(page.boxes, width, height).astype(np.float32)
        masks = None
        if page.outlines is not None:
            masks = torch.from_numpy(draw_masks(page.outlines, boxes, (height, width)))
        return PageSample(
            image=torch.from_numpy(np.array(page.image.transpose(2, 0, 1))),  # (H, W, 3) -> (3, H, W)
            target=Target(torch.from_numpy(boxes), torch.from_numpy(page.labels.copy()), masks, seed),
            image_id=int(self.annotations.image_ids[number]),
            file_name=self.annotations.file_name(number),
            broken=broken,
        )


def evaluation_batches(dataset: PageDataset, settings: InputConfig, batch_size: int) -> list[list[int]]:
    """Batches of dataset indices whose pages all have the same size at the model's input.

    A page then looks to the model as it would alone, whatever the batch size and the number of processes: attention
    sees padding too. By image id within a size.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, size_hw in enumerate(dataset.sizes_hw().tolist()):
        resized = resized_size_hw(tuple(size_hw), settings.short_side, settings.long_side)
        groups[tuple(-(-side // SIZE_DIVISOR) * SIZE_DIVISOR for side in resized)].append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items())
        for start in range(0, len(group), batch_size)
    ]


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
