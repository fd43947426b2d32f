"""Tiny images on disk, and the configuration of a run on them that takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

DEBUG = Path(__file__).parents[1] / "configs" / "backbone" / "debug.yaml"


def write_folders(root: Path, *, num_classes: int = 3, train: int = 8, val: int = 5, size: tuple[int, int] = (40, 36)):
    """train/ and val/ with a folder per class; a class is a colour, an image that colour and noise. size (W, H)."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, size=(num_classes, 3))
    for split, count in (("train", train), ("val", val)):
        for label in range(num_classes):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = colours[label] + rng.integers(-40, 40, size=(size[1], size[0], 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    return root


def write_cifar_binary(folder: Path, *, num_images: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """data_batch_1..5.bin and test_batch.bin of CIFAR-10; returns the training pixels (N, 3, 32, 32) and labels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, size=(6, num_images, 3073), dtype=np.uint8)
    rows[:, :, 0] = rng.integers(0, 10, size=(6, num_images))
    for name, part in zip([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"], rows, strict=True):
        part.tofile(folder / name)
    train = rows[:5].reshape(-1, 3073)
    return train[:, 1:].reshape(-1, 3, 32, 32), train[:, 0].astype(np.int64)
