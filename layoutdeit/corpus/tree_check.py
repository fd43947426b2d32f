"""What is wrong with a tree of pages, and what is in it: `python -m layoutdeit.corpus check DIR`.

Reads annotations as training does (page_annotations.py), so what it counts is what training would leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.annotation_report import DROPPED, NUM_EXAMPLES
from layoutdeit.corpus.page_tree import PictureRecord
from layoutdeit.labels import LABELS
from layoutdeit.page_annotations import Annotations
from layoutdeit.pictures import find_missing, read_image

# Shares of the 3.3 million boxes of PubLayNet's train.json (its paper, arXiv:1908.07836, table 1).
PUBLAYNET_SHARES = {"text": 0.71, "title": 0.19, "list": 0.024, "table": 0.030, "figure": 0.032}
PUBLAYNET_PER_PAGE = 9.8  # boxes: 3.3 million on 335,703 pages
# Median width and height in pixels of the 75 boxes on six pages of it, in pictures of about 600 x 792.
PUBLAYNET_SIZES = {"text": (240, 53), "title": (71, 13), "list": (220, 53), "table": (240, 140), "figure": (482, 200)}


@dataclass(frozen=True)
class SplitCheck:
    """A split looked at: its annotations, the pages without picture, and what is wrong with the pictures read."""

    annotations: Annotations
    missing: np.ndarray
    num_read: int
    broken: tuple[str, ...]
    num_surplus: int  # pictures of the folder that no page names

    @property
    def is_sound(self) -> bool:
        """Whether training would use every page and every annotation."""
        problems = self.annotations.report.problems
        wrong = sum(
            problems[key]
            for key in (*DROPPED, "broken_outline", "repeated_pages", "pages_without_size", "odd_categories")
        )
        return not (wrong or len(self.missing) or self.broken)

    def lines(self) -> list[str]:
        """The report for people."""
        lines = self.annotations.report.lines()
        if len(self.missing):
            shown = ", ".join(self.annotations.file_name(int(page)) for page in self.missing[:NUM_EXAMPLES])
            lines.append(f"{len(self.missing)} pictures are missing: their pages are left out ({shown})")
        if self.num_surplus:
            lines.append(f"{self.num_surplus} files of the folder belong to no page")
        lines.append(f"{self.num_read} pictures read in full, {len(self.broken)} of them broken")
        lines += [f"  {reason}" for reason in self.broken[: 4 * NUM_EXAMPLES]]
        return lines


def find_splits(tree: Path) -> list[str]:
    """Names of the splits of a tree: NAME.json beside a folder NAME, or alone. FileNotFoundError for none."""
    names = sorted(path.stem for path in tree.glob("*.json") if path.stem != "corpus")
    if not names:
        raise FileNotFoundError(
            f"no annotations in {tree}: expected NAME.json beside the folder NAME/, such as train.json; "
            f"pages can be made with `python -m layoutdeit.corpus make 100 -o {tree}`"
        )
    return names


def check_split(tree: Path, split: str, *, num_pictures: int) -> SplitCheck:
    """Read a split's annotations, list its folder, and decode `num_pictures` spread over its pages (0: all)."""
    annotations = read_annotations(tree / f"{split}.json")
    folder = tree / split
    missing = find_missing(annotations, folder)
    present = np.delete(np.arange(len(annotations)), missing)
    wanted = present
    if 0 < num_pictures < len(present):
        wanted = present[np.linspace(0, len(present) - 1, num_pictures).astype(np.int64)]
    broken = []
    for page in wanted.tolist():
        expected = tuple(annotations.sizes_wh[page].tolist())
        try:
            height, width = read_image(folder / annotations.file_name(page), expected).shape[:2]
        except (ValueError, OSError) as error:
            broken.append(str(error))
        else:
            if (width, height) != expected:
                size = f"{width} x {height} pixels, its annotations are of {expected[0]} x {expected[1]}"
                broken.append(f"{annotations.file_name(page)} has {size}")
    num_files = sum(1 for path in folder.rglob("*") if path.is_file()) if len(annotations) else 0
    num_surplus = max(0, num_files - len(set(annotations.file_names())) + len(missing))
    return SplitCheck(annotations, missing, len(wanted), tuple(broken), num_surplus)


def describe(annotations: Annotations) -> str:
    """Statistics of the boxes, as lines of text."""
    num_pages, labels, boxes = len(annotations), annotations.labels, annotations.boxes
    if not num_pages:
        return "no pages"
    per_page = np.diff(annotations.offsets)
    widths, heights = annotations.sizes_wh[:, 0], annotations.sizes_wh[:, 1]
    lines = [
        f"pages {num_pages}, boxes {len(labels)}, per page {per_page.mean():.1f} "
        f"(least {per_page.min()}, median {np.median(per_page):.0f}, most {per_page.max()}; "
        f"PubLayNet {PUBLAYNET_PER_PAGE})",
        f"picture sizes: median {np.median(widths):.0f} x {np.median(heights):.0f} (PubLayNet about 600 x 792), "
        f"widths {widths.min()}-{widths.max()}, heights {heights.min()}-{heights.max()}",
        "label    boxes   share  PubLayNet  per page  PubLayNet  median size  PubLayNet",
    ]
    for label in LABELS:
        mine = boxes[labels == label.id]
        width, height = np.median(mine[:, 2:] - mine[:, :2], axis=0) if len(mine) else (0, 0)
        share, size = PUBLAYNET_SHARES[label.name], "{} x {}".format(*PUBLAYNET_SIZES[label.name])
        lines.append(
            f"{label.name:7s} {len(mine):6d}  {len(mine) / max(1, len(labels)):6.1%}  {share:9.1%}  "
            f"{len(mine) / num_pages:8.2f}  {share * PUBLAYNET_PER_PAGE:9.2f}  "
            f"{f'{width:.0f} x {height:.0f}':>11s}  {size:>9s}"
        )
    return "\n".join(lines)


def picture_records(check: SplitCheck, pages: Sequence[int]) -> list[PictureRecord]:
    """Some pages for a contact sheet, by index from 0 among those with a picture; others are passed by."""
    annotations = check.annotations
    present = np.delete(np.arange(len(annotations)), check.missing)
    records = []
    for page in present[[index for index in pages if 0 <= index < len(present)]].tolist():
        rows = annotations.rows_of(page)
        width, height = annotations.sizes_wh[page].tolist()
        names = [LABELS[label - 1].name for label in annotations.labels[rows].tolist()]
        boxes = map(tuple, annotations.boxes[rows].tolist())
        regions = tuple(zip(names, boxes, strict=True))
        records.append(PictureRecord(annotations.file_name(page), width, height, regions))
    return records
