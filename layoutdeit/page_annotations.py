"""Annotations of a data set as flat arrays, with a count of everything that is wrong with them.

Millions of boxes as Python objects would be copied into every loader process; arrays are shared. Read by coco_json.py,
kept between runs by annotation_cache.py. NumPy only: the corpus's check uses it as training does.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from layoutdeit.annotation_report import DROPPED, MIN_SIDE_PX, NOTED, NUM_EXAMPLES, AnnotationReport
from layoutdeit.coco_json import AnnotationRow, CategoryRow, ImageRow, Rle, read_rows
from layoutdeit.labels import LABELS, NUM_CLASSES
from layoutdeit.outlines import MAX_LONG_SIDES, Outline, check_polygons, is_box, rle_polygons


@dataclass(frozen=True)
class Annotations:
    """All pages of a COCO file, by rising image id. Page i has boxes[offsets[i]:offsets[i + 1]].

    image_ids (P,) int64, sizes_wh (P, 2) int64, offsets (P + 1,) int64, boxes (A, 4) float32 xyxy pixels cut to the
    page, labels (A,) uint8 in 1..5. File names are one array of bytes, name_bytes[name_offsets[i]:name_offsets[i + 1]].
    Outlines: box a has the num_polygons[a] polygons from first_polygon[a] on; polygon k is the flat x, y numbers
    points[polygon_offsets[k]:polygon_offsets[k + 1]].
    """

    image_ids: np.ndarray
    name_bytes: np.ndarray
    name_offsets: np.ndarray
    sizes_wh: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    first_polygon: np.ndarray
    num_polygons: np.ndarray
    polygon_offsets: np.ndarray
    points: Sequence[float] | np.ndarray  # or anything that gives an array for a slice
    report: AnnotationReport

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def num_dropped(self) -> int:
        """Annotations left out."""
        return self.report.num_dropped

    def file_name(self, page: int) -> str:
        """The picture of a page, relative to its folder."""
        start, stop = self.name_offsets[page : page + 2]
        return bytes(self.name_bytes[start:stop]).decode("utf-8")

    def file_names(self) -> list[str]:
        """All of them, in the pages' order; a list to be dropped soon."""
        text = self.name_bytes.tobytes()
        return [text[start:stop].decode("utf-8") for start, stop in itertools.pairwise(self.name_offsets.tolist())]

    def rows_of(self, page: int) -> slice:
        """The place of a page's boxes in `boxes`, `labels` and the outlines."""
        return slice(int(self.offsets[page]), int(self.offsets[page + 1]))

    def outline(self, row: int) -> Outline:
        """The polygons of a box's region; empty where the box is all there is."""
        first = int(self.first_polygon[row])
        ends = self.polygon_offsets[first : first + int(self.num_polygons[row]) + 1].tolist()
        return [
            np.asarray(self.points[start:stop], dtype=np.float32).reshape(-1, 2)
            for start, stop in itertools.pairwise(ends)
        ]


def parse_annotations(path: Path, points_file: BinaryIO) -> tuple[dict[str, np.ndarray], AnnotationReport]:
    """Read a COCO file into the arrays of `Annotations`, but for `points`, which go to points_file as float32."""
    reader = _Reader(points_file)
    add = {"images": reader.add_images, "annotations": reader.add_annotations, "categories": reader.add_categories}
    was_enabled = gc.isenabled()
    gc.disable()  # rows hold no circles, and looking for some among millions takes longer than reading them
    try:
        for key, rows in read_rows(path):
            add[key](rows)
    finally:
        if was_enabled:
            gc.enable()
    return reader.finish()


@dataclass
class _Reader:
    """Gathers rows; `finish` sorts them by page and counts what is wrong."""

    points_file: BinaryIO
    images: list[tuple[int, bytes, int, int]] = field(default_factory=list)
    columns: list[dict[str, np.ndarray]] = field(default_factory=list)
    polygon_sizes: list[np.ndarray] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("polygons", "rle", "rectangles"), 0))
    problems: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*DROPPED, *NOTED), 0))
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add_images(self, rows: list[ImageRow]) -> None:
        self.images.extend((row.id, row.file_name.encode(), row.width, row.height) for row in rows)

    def add_categories(self, rows: list[CategoryRow]) -> None:
        expected = {label.id: label.name for label in LABELS}
        for row in rows:
            if row.name != expected.get(row.id):
                self._note("odd_categories", 1, [f"{row.id} {row.name!r}, expected {expected.get(row.id, 'none')!r}"])

    def add_annotations(self, rows: list[AnnotationRow]) -> None:
        nothing = [0.0, 0.0, float("nan"), float("nan")]
        boxes = [row.bbox if row.bbox is not None and len(row.bbox) == 4 else nothing for row in rows]
        polygons: list[list[float]] = []
        num_polygons = np.zeros(len(rows), dtype=np.int32)
        for index, row in enumerate(rows):
            outline = row.segmentation
            if type(outline) is list and len(outline) == 1 and is_box(outline[0], row.bbox):
                self.counts["rectangles"] += 1
            else:
                num_polygons[index] = self._add_outline(row, outline, polygons)
        sizes = np.fromiter(map(len, polygons), dtype=np.int64, count=len(polygons))
        flat = np.fromiter(itertools.chain.from_iterable(polygons), dtype=np.float32, count=int(sizes.sum()))
        self.points_file.write(flat.tobytes())
        self.polygon_sizes.append(sizes)
        num = len(rows)
        self.columns.append(
            {
                "image_id": np.fromiter((row.image_id for row in rows), dtype=np.int64, count=num),
                "category": np.fromiter((row.category_id for row in rows), dtype=np.int64, count=num),
                "crowd": np.fromiter((bool(row.iscrowd) for row in rows), dtype=bool, count=num),
                "box": np.array(boxes, dtype=np.float64).reshape(-1, 4),
                "num_polygons": num_polygons,
                "mask_size": np.array([_mask_size(row.segmentation) for row in rows], dtype=np.int64).reshape(-1, 2),
                "reach": _reach(flat, sizes, num_polygons),
            }
        )

    def _add_outline(
        self, row: AnnotationRow, outline: list[list[float]] | Rle | None, polygons: list[list[float]]
    ) -> int:
        """Append the outline's polygons; return how many."""
        if outline is None or outline == []:
            self._note("no_outline", 1, [f"image {row.image_id}"])
            return 0
        try:
            if isinstance(outline, Rle):
                found = rle_polygons(outline.counts, outline.size)
                self.counts["rle"] += 1
            else:
                check_polygons(outline)
                found = outline
                self.counts["polygons"] += 1
        except ValueError:
            self._note("broken_outline", 1, [f"image {row.image_id}"])
            return 0
        polygons.extend(found)
        return len(found)

    def finish(self) -> tuple[dict[str, np.ndarray], AnnotationReport]:
        images = {image[0]: image for image in reversed(self.images)}  # the first of each id stays
        self._note("repeated_pages", len(self.images) - len(images), [])
        sizeless = sorted(image_id for image_id, image in images.items() if min(image[2:]) < 1)
        self._note("pages_without_size", len(sizeless), [f"image {image_id}" for image_id in sizeless[:NUM_EXAMPLES]])
        images = [images[image_id] for image_id in sorted(images.keys() - sizeless)]
        image_ids = np.array([image[0] for image in images], dtype=np.int64)
        sizes_wh = np.array([image[2:] for image in images], dtype=np.int64).reshape(-1, 2)
        names = [image[1] for image in images]
        rows = _concatenate(self.columns)
        pages = np.searchsorted(image_ids, rows["image_id"])
        is_known = pages < len(images)
        is_known[is_known] = image_ids[pages[is_known]] == rows["image_id"][is_known]
        boxes = rows["box"]
        boxes[:, 2:] += boxes[:, :2]  # xywh -> xyxy
        frames = np.full((len(boxes), 2), np.inf)
        frames[is_known] = sizes_wh[pages[is_known]]
        cut = np.clip(boxes, 0, np.tile(frames, 2))
        reasons = {
            "no_page": ~is_known,
            "crowd": rows["crowd"],
            "unknown_category": (rows["category"] < 1) | (rows["category"] > NUM_CLASSES),
            "no_box": ~np.isfinite(boxes).all(1),
            "zero_area": (boxes[:, 2:] <= boxes[:, :2]).any(1),
            "outside": (cut[:, 2:] <= cut[:, :2]).any(1),
            "thin": (cut[:, 2:] - cut[:, :2] < MIN_SIDE_PX).any(1),
        }
        keep = np.ones(len(boxes), dtype=bool)
        for key, applies in reasons.items():
            self._note_rows(key, rows["image_id"], keep & applies)
            keep &= ~applies
        self._note_rows("cut", rows["image_id"], keep & (np.abs(boxes - cut).max(1, initial=0) > 1))
        order = np.flatnonzero(keep)
        order = order[np.argsort(pages[order], kind="stable")]
        offsets = np.searchsorted(pages[order], np.arange(len(images) + 1))
        self._note_rows("pages_without_boxes", image_ids, np.diff(offsets) == 0)
        first_polygon = np.cumsum(rows["num_polygons"], dtype=np.int64) - rows["num_polygons"]
        is_rle = (rows["mask_size"] > 0).all(1)
        is_misfit = np.where(
            is_rle,
            (rows["mask_size"] != frames[:, ::-1]).any(1),
            rows["reach"] > MAX_LONG_SIDES * frames.max(1, initial=0),
        )
        is_misfit &= is_known & (rows["num_polygons"] > 0)
        self._note_rows("broken_outline", rows["image_id"], is_misfit)
        self.counts["rle"] -= int((is_misfit & is_rle).sum())
        self.counts["polygons"] -= int((is_misfit & ~is_rle).sum())
        rows["num_polygons"][is_misfit] = 0
        arrays = {
            "image_ids": image_ids,
            "name_bytes": np.frombuffer(b"".join(names), dtype=np.uint8),
            "name_offsets": np.cumsum([0, *map(len, names)], dtype=np.int64),
            "sizes_wh": sizes_wh,
            "offsets": offsets.astype(np.int64),
            "boxes": cut[order].astype(np.float32),
            "labels": rows["category"][order].astype(np.uint8),
            "first_polygon": first_polygon[order],
            "num_polygons": rows["num_polygons"][order],
            "polygon_offsets": np.cumsum(np.concatenate([np.zeros(1, np.int64), *self.polygon_sizes])),
        }
        report = AnnotationReport(
            num_pages=len(images),
            num_rows=len(keep),
            num_boxes=len(order),
            num_polygons=self.counts["polygons"],
            num_rle=self.counts["rle"],
            num_rectangles=self.counts["rectangles"],
            problems=self.problems,
            examples=self.examples,
        )
        return arrays, report

    def _note_rows(self, key: str, image_ids: np.ndarray, applies: np.ndarray) -> None:
        first = np.flatnonzero(applies)[:NUM_EXAMPLES]
        self._note(key, int(applies.sum()), [f"image {image_id}" for image_id in image_ids[first]])

    def _note(self, key: str, count: int, examples: list[str]) -> None:
        self.problems[key] += count
        if count and examples:
            known = self.examples.setdefault(key, [])
            known.extend(example for example in examples if len(known) < NUM_EXAMPLES and example not in known)


def _mask_size(outline: list[list[float]] | Rle | None) -> tuple[int, int]:
    """Height and width of the picture that a run-length mask is of; 0 for any other outline."""
    return outline.size if isinstance(outline, Rle) else (0, 0)


def _reach(points: np.ndarray, sizes: np.ndarray, num_polygons: np.ndarray) -> np.ndarray:
    """How far from 0 the outlines' numbers go, (rows,) float32; 0 without. sizes: numbers per polygon."""
    reach = np.zeros(len(num_polygons), dtype=np.float32)
    row = np.repeat(np.arange(len(num_polygons)), num_polygons)
    np.maximum.at(reach, np.repeat(row, sizes), np.abs(points))
    return reach


def _concatenate(columns: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One array per column; no annotations at all give empty ones."""
    empty = {
        "image_id": np.empty(0, np.int64),
        "category": np.empty(0, np.int64),
        "crowd": np.empty(0, bool),
        "box": np.empty((0, 4)),
        "num_polygons": np.empty(0, np.int32),
        "mask_size": np.empty((0, 2), np.int64),
        "reach": np.empty(0, np.float32),
    }
    return {name: np.concatenate([nothing, *(part[name] for part in columns)]) for name, nothing in empty.items()}
