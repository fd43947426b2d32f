"""Batches of transformed images: the data set a loader reads, and the samplers that say which image comes when.

Sits between datasets.py, which lists images, and loop.py, which trains and evaluates on batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from backbone.augment import EvalTransform, TrainTransform
from backbone.datasets import LabelledImages

_MAX_REPLACEMENTS = 16  # broken images in a row: then something is wrong with the disk, not with an image
_ROUND = 256  # the original RASampler keeps a multiple of this many images of an epoch


@dataclass(frozen=True)
class ImageSample:
    """One image: (3, H, W) normalised, its class index, its path; image None where it could not be read.

    unreadable: messages about images that could not be read on the way, with their paths.
    """

    image: Tensor | None
    label: int
    name: str
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageBatch:
    """images (B, 3, H, W), labels (B,), names of the images, and messages about those that could not be read."""

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()

    def pin_memory(self) -> ImageBatch:
        """For a loader that prepares batches for a GPU."""
        return ImageBatch(self.images.pin_memory(), self.labels.pin_memory(), self.names, self.unreadable)


def collate(samples: list[ImageSample]) -> ImageBatch:
    """Stack samples, leaving out those without an image; a batch may be empty."""
    kept = [sample for sample in samples if sample.image is not None]
    return ImageBatch(
        torch.stack([sample.image for sample in kept]) if kept else torch.empty(0, 3, 0, 0),
        torch.tensor([sample.label for sample in kept], dtype=torch.int64),
        tuple(sample.name for sample in kept),
        tuple(message for sample in samples for message in sample.unreadable),
    )


class ImageDataset(Dataset):
    """Images by index for evaluation, or by (position, index) for training.

    A position, the image's place in the whole run, seeds its augmentation: the same run sees the same images whatever
    the number of loader processes, and a resumed one goes on as if never stopped. An unreadable training image is
    replaced by another that its position draws; unreadable="error" raises ValueError instead.
    """

    def __init__(
        self,
        images: LabelledImages,
        transform: TrainTransform | EvalTransform,
        *,
        seed: int = 0,
        unreadable: str = "skip",
    ) -> None:
        self.images, self.transform = images, transform
        self.seed, self.unreadable = seed, unreadable

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | tuple[int, int]) -> ImageSample:
        if not isinstance(key, tuple):
            return self._sample(key, None)
        position, index = key
        problems: tuple[str, ...] = ()
        substitutes = np.random.default_rng((self.seed, position)).integers(len(self.images), size=_MAX_REPLACEMENTS)
        for candidate in (index, *substitutes.tolist()):
            sample = self._sample(candidate, position)
            problems += sample.unreadable
            if sample.image is not None:
                return ImageSample(sample.image, sample.label, sample.name, problems)
        raise ValueError(f"{len(problems)} images drawn in a row cannot be read, the last: {problems[-1]}")

    def _sample(self, index: int, position: int | None) -> ImageSample:
        label, name = int(self.images.labels[index]), self.images.name(index)
        try:
            picture = self.images.read(index)
        except ValueError as error:
            if self.unreadable == "error":
                raise
            return ImageSample(None, label, name, (str(error),))
        image = self.transform(picture) if position is None else self.transform(picture, (self.seed, position))
        return ImageSample(image, label, name)


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """The batches of one process in one epoch: lists of (position, image index), `accumulate` lists to a step.

    Each epoch is a permutation seeded by (seed, epoch). With repeated augmentation every image comes `repeats` times
    in a row, next to each other over the processes, and the epoch is cut to its length without repeats: it shows a
    third of the images, three times (arXiv:1902.05509; the original RASampler). Incomplete steps are left out.
    """

    def __init__(
        self,
        num_images: int,
        *,
        batch_size: int,
        seed: int,
        repeats: int = 1,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size % (world_size * accumulate):
            raise ValueError(
                f"run.batch_size {batch_size} must be a multiple of processes x accumulate, {world_size} x {accumulate}"
            )
        self.num_images, self.batch_size, self.seed, self.repeats = num_images, batch_size, seed, repeats
        self.accumulate, self.rank, self.world_size = accumulate, rank, world_size
        kept = num_images // _ROUND * _ROUND if repeats > 1 and num_images >= _ROUND else num_images
        self.steps_per_epoch = kept // batch_size
        if not self.steps_per_epoch:
            raise ValueError(f"{num_images} training images do not fill a batch of {batch_size}: lower run.batch_size")
        self.epoch, self.first_step = 0, 0

    def start_at(self, epoch: int, first_step: int) -> None:
        """Choose the epoch, and the step in it (from 0) that the next iteration begins with."""
        self.epoch, self.first_step = epoch, first_step

    def __len__(self) -> int:
        return (self.steps_per_epoch - self.first_step) * self.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.num_images)
        per_epoch = self.steps_per_epoch * self.batch_size
        size = self.batch_size // self.accumulate
        for start in range(self.first_step * self.batch_size, per_epoch, size):
            places = range(start + self.rank, start + size, self.world_size)
            yield [(self.epoch * per_epoch + place, int(order[place // self.repeats])) for place in places]


class ShareSampler(Sampler[int]):
    """Every image once over all processes: no padding duplicates, so shares may differ by one."""

    def __init__(self, num_images: int, *, rank: int = 0, world_size: int = 1) -> None:
        self._share = range(rank, num_images, world_size)

    def __len__(self) -> int:
        return len(self._share)

    def __iter__(self) -> Iterator[int]:
        return iter(self._share)
