"""How fast images are read, transformed and batched, by the same loader that training and evaluation use.

Measured by benchmark.py on any folder of images, in class folders or not.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Sampler

from backbone.augment import EvalTransform, TrainTransform
from backbone.batches import ImageDataset, collate
from backbone.config import AugmentConfig
from backbone.datasets import IMAGE_SUFFIXES, LabelledImages


def find_images(folder: Path) -> LabelledImages:
    """Every image in a folder and below, all of class 0. FileNotFoundError or ValueError where there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: give --data a folder of images")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"no images in {folder}: known endings are {', '.join(IMAGE_SUFFIXES)}")
    encoded = np.array([os.fsencode(path.relative_to(folder)) for path in paths], dtype=bytes)
    return LabelledImages(np.zeros(len(paths), dtype=np.int64), ("any",), folder, paths=encoded)


def loading_speed(
    images: LabelledImages, *, is_training: bool, workers: int, batch_size: int, seconds: float, size_px: int = 224
) -> float:
    """Images per second read, transformed and batched by the loader that training or evaluation uses.

    Goes round the images until `seconds` have passed. ValueError for an unreadable image, ImportError without timm
    for the training transform.
    """
    transform = (TrainTransform if is_training else EvalTransform)(AugmentConfig(), size_px)
    loader = DataLoader(
        ImageDataset(images, transform, unreadable="error"),
        batch_size=batch_size,
        sampler=_Endless(len(images), is_training=is_training),
        num_workers=workers,
        collate_fn=collate,
    )
    batches = iter(loader)
    for _ in range(max(1, 2 * workers)):  # what the workers had prepared before the clock started
        next(batches)
    started, num_images = time.perf_counter(), 0
    while not num_images or time.perf_counter() - started < seconds:
        num_images += len(next(batches).labels)
    return num_images / (time.perf_counter() - started)


class _Endless(Sampler):
    """Indices round and round, with positions that seed the augmentation in training."""

    def __init__(self, num_images: int, *, is_training: bool) -> None:
        self._num_images, self._is_training = num_images, is_training

    def __iter__(self) -> Iterator[int | tuple[int, int]]:
        for position in itertools.count():
            index = position % self._num_images
            yield (position, index) if self._is_training else index
