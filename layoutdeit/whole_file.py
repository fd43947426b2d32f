"""Files of results: written beside their place and moved there when they are whole, so nobody reads half of one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write and read back, put in the place of `path` if the block ends well, and removed if it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"  # a name that `remove_unfinished` knows
    try:
        with temporary.open("x+b") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(targets: Iterable[Path]) -> None:
    """Remove what `write_atomically` left beside and below the targets in a process that was killed."""
    folders = {folder for target in targets for folder in (target.parent, target, *target.glob("*/"))}
    for path in (path for folder in folders if folder.is_dir() for path in folder.glob(".*.tmp")):
        if re.fullmatch(r"\.[0-9a-f]{32}\.tmp", path.name):
            path.unlink(missing_ok=True)


def write_text(path: Path, pieces: Iterable[str]) -> Path:
    """Write pieces of text as UTF-8; return the path."""
    with write_atomically(path) as file:
        for piece in pieces:
            file.write(piece.encode("utf-8"))
    return path


def write_png(path: Path, picture: Image.Image) -> None:
    """Write a picture."""
    with write_atomically(path) as file:
        picture.save(file, format="PNG", compress_level=6)
