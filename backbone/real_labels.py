"""ImageNet-ReaL: a file that names every right label of each ImageNet validation image (arXiv:2006.07159).

Read by evaluate.py. The file is real.json of github.com/google-research/reassessed-imagenet: a list with a list of
class indices per image, in the order of the names ILSVRC2012_val_00000001 and on; an empty one for an image left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

_NAME = re.compile(r"ILSVRC2012_val_(\d{8})")


@dataclass(frozen=True)
class RealLabels:
    """label_lists: right class indices by image, the first of ILSVRC2012_val_00000001. num_classes: of the model."""

    label_lists: Sequence[Sequence[int]]
    num_classes: int

    def is_label(self, names: Sequence[str]) -> Tensor:
        """Which classes are right. Paths of B images -> (B, K) bool; a row without True is an image left out.

        ValueError for a name that is none of ImageNet's validation images, or not in the file.
        """
        rows = torch.zeros(len(names), self.num_classes, dtype=torch.bool)
        for row, name in zip(rows, names, strict=True):
            row[list(self.label_lists[self._index(name)])] = True
        return rows

    def check_names(self, names: Iterable[str]) -> None:
        """ValueError where a path of one of the images does not lead to labels."""
        for name in names:
            self._index(name)

    def _index(self, name: str) -> int:
        found = _NAME.search(Path(name).name)
        if found is None:
            raise ValueError(f"{name} is no ILSVRC2012_val_NNNNNNNN: --real goes with ImageNet's validation images")
        number = int(found[1])
        if not 1 <= number <= len(self.label_lists):
            raise ValueError(f"{name} is image {number}, --real has labels for {len(self.label_lists)} images")
        return number - 1


def read_real_labels(path: str | Path, num_classes: int) -> RealLabels:
    """Read real.json. FileNotFoundError or ValueError say what was expected."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no ReaL labels at {path}: give real.json of google-research/reassessed-imagenet")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # not JSON, or not text
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list with a list of labels per image, got a {type(content).__name__}")
    for index, labels in enumerate(content):
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise ValueError(f"{path}, entry {index}: expected a list of class indices, got {str(labels)[:40]}")
        if any(not 0 <= label < num_classes for label in labels):
            raise ValueError(f"{path}, entry {index}: labels {labels} do not fit the model's {num_classes} classes")
    return RealLabels(content, num_classes)
