"""Annotations kept between runs: arrays in a folder beside the JSON, mapped into memory instead of parsed again.

The folder's name depends on the JSON's path, size and time and on the code that reads it, so an old one is never taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from layoutdeit import coco_json, outlines, page_annotations
from layoutdeit.page_annotations import AnnotationReport, Annotations, parse_annotations

log = logging.getLogger(__name__)

CACHE_FROM_BYTES = 32 << 20  # a smaller JSON is parsed in half a second
FOLDER = ".layoutdeit-cache"
ARRAYS = (
    "image_ids name_bytes name_offsets sizes_wh offsets boxes labels first_polygon num_polygons polygon_offsets".split()
)
POINTS_NAME = "points.float32"
REPORT_NAME = "report.json"  # written last: a folder without it is not whole


class PointsFile:
    """Numbers of a file, read by the slice. Not mapped: the pages of a map would count in every loader process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)  # held: the folder may be cleared by a run with other code

    def __getitem__(self, place: slice) -> np.ndarray:
        data = os.pread(self._descriptor, 4 * (place.stop - place.start), 4 * place.start)
        return np.frombuffer(data, dtype=np.float32)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._descriptor)


@dataclass(frozen=True)
class _KeptAnnotations(Annotations):
    """Annotations of a cache folder. A loader process that is not forked maps them again instead of getting a copy."""

    folder: Path

    def __reduce__(self) -> tuple:
        return _open, (self.folder,)


def read_annotations(path: str | Path, *, cache_from_bytes: int = CACHE_FROM_BYTES) -> Annotations:
    """Read a COCO file with PubLayNet's category ids 1..5, a large one only once.

    FileNotFoundError, or ValueError for another format.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise FileNotFoundError(
            f"no annotations at {path}: expected PubLayNet's tree, NAME.json beside the folder NAME/"
        )
    if path.stat().st_size < cache_from_bytes:
        points = io.BytesIO()
        arrays, report = parse_annotations(path, points)
        return Annotations(**arrays, points=np.frombuffer(points.getvalue(), dtype=np.float32), report=report)
    name = _folder_name(path)
    for parent in _cache_folders(path):
        if (parent / name / REPORT_NAME).is_file():
            try:
                return _open(parent / name)
            except (OSError, ValueError, TypeError, EOFError) as error:
                log.warning("%s is damaged (%s): reading %s again", parent / name, error, path)
                shutil.rmtree(parent / name, ignore_errors=True)
    return _open(_build(path, name))


def _folder_name(path: Path) -> str:
    """NAME, a hash of the path, and a hash of what would make the arrays others."""
    status = path.stat()
    digest = hashlib.sha256(f"{status.st_size}|{status.st_mtime_ns}".encode())
    for module in (coco_json, outlines, page_annotations):
        digest.update(Path(module.__file__).read_bytes())
    return f"{path.stem}-{hashlib.sha256(bytes(path)).hexdigest()[:12]}-{digest.hexdigest()[:12]}"


def _cache_folders(path: Path) -> list[Path]:
    """Where a cache may lie: beside the JSON, else in the user's own folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [path.parent / FOLDER, user / "layoutdeit"]


def _build(path: Path, name: str) -> Path:
    """Parse the JSON into a new folder and give it its name in one step."""
    for parent in _cache_folders(path):
        try:
            parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=parent))
            temporary.chmod(0o755)  # as any folder: other people read the same tree
            break
        except OSError as error:
            log.info("no cache in %s (%s)", parent, error)
    else:
        tried = " nor in ".join(map(str, _cache_folders(path)))
        raise OSError(f"cannot keep the arrays of {path} in {tried}: set XDG_CACHE_HOME to a folder with room")
    log.info("reading %s, once: the arrays are kept in %s", path, parent)
    try:
        with open(temporary / POINTS_NAME, "wb") as points_file:
            arrays, report = parse_annotations(path, points_file)
        for array_name, array in arrays.items():
            np.save(temporary / f"{array_name}.npy", array, allow_pickle=False)
        (temporary / REPORT_NAME).write_text(json.dumps(asdict(report)), encoding="utf-8")
        for old in parent.glob(f"{name[: -len('-123456789abc')]}-????????????"):  # before the JSON or the code changed
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        try:
            temporary.rename(parent / name)
        except OSError:
            if not (parent / name / REPORT_NAME).is_file():  # else another process was first
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return parent / name


def _open(folder: Path) -> Annotations:
    report = AnnotationReport(**json.loads((folder / REPORT_NAME).read_text(encoding="utf-8")))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    points = PointsFile(folder / POINTS_NAME)
    wanted, there = 4 * int(arrays["polygon_offsets"][-1]), os.stat(points.path).st_size
    if wanted != there:
        raise ValueError(f"{points.path} has {there} bytes, expected {wanted}")
    return _KeptAnnotations(**arrays, points=points, report=report, folder=folder)
