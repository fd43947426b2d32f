"""Page pictures on disk: which of a data set are there, and reading one. NumPy and Pillow only, for the corpus too."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from layoutdeit.page_annotations import Annotations
from layoutdeit.upright_picture import is_turned, rgb_on_white, upright


def find_missing(annotations: Annotations, images_dir: Path) -> np.ndarray:
    """Indices of the pages whose picture is not in the folder, told by listing it: one look per folder, not per file.

    (M,) int64. FileNotFoundError where the folder itself is missing.
    """
    if len(annotations) and not images_dir.is_dir():
        raise FileNotFoundError(f"no folder of pictures at {images_dir}: expected it beside the annotations")
    names = annotations.file_names()
    there: set[str] = set()
    for folder in {name.rpartition("/")[0] for name in names}:
        prefix = f"{folder}/" if folder else ""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # then all of the folder are missing
            there.update(prefix + entry for entry in os.listdir(images_dir / folder))
    return np.array([page for page, name in enumerate(names) if name not in there], dtype=np.int64)


def read_image(path: str | Path, size_wh: tuple[int, int] | None = None) -> np.ndarray:
    """A picture as an analysis sees it (upright_picture.py), (H, W, 3) uint8 RGB.

    size_wh: what its annotations say. Those of a picture that lies on its side in the file may be of the file's pixels,
    not of the picture as shown: then it is read as it lies. FileNotFoundError, or ValueError that names a broken file.
    """
    try:
        with Image.open(path) as image:
            lies = size_wh is not None and is_turned(image) and size_wh == image.size != image.size[::-1]
            return np.asarray(rgb_on_white(image) if lies else upright(image))
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
