"""Tagged PDFs written by anything (Typst, LibreOffice, Chromium, Word) to a PubLayNet-shaped tree."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layoutdeit.corpus.annotation_process import PAGE_S, AnnotationProcess
from layoutdeit.corpus.camera import Exposure
from layoutdeit.corpus.page_tree import PictureRecord, check_split_is_free, write_annotations, write_origin


@dataclass(frozen=True)
class AnnotationReport:
    """Pages written; PDFs skipped and pages (from 1) left out of the others, with the reason."""

    num_pages: int
    skipped: tuple[tuple[Path, str], ...]
    left_out: tuple[tuple[Path, int, str], ...] = ()


def annotate_pdfs(
    pdf_paths: Sequence[Path], tree_dir: Path, *, split: str = "train", dpi: float = 72.0, page_s: float = PAGE_S
) -> AnnotationReport:
    """Write every page of every tagged PDF; what cannot be used is reported, not raised.

    page_s: seconds that each page may take; opening a PDF has OPEN_S. Raises ValueError where the tree has other pages.
    """
    if not (math.isfinite(dpi) and dpi > 0):
        raise ValueError(f"dpi must be positive, got {dpi}")
    origin = {"pdfs": [str(path.resolve()) for path in pdf_paths], "dpi": dpi}
    check_split_is_free(tree_dir, split, origin)
    picture_dir = tree_dir / split
    picture_dir.mkdir(parents=True, exist_ok=True)
    records: list[PictureRecord] = []
    skipped: list[tuple[Path, str]] = []
    left_out: list[tuple[Path, int, str]] = []
    with AnnotationProcess(picture_dir, Exposure(dpi, jpeg_quality=90), page_s=page_s) as process:
        for number, path in enumerate(pdf_paths):
            stem = os.fsencode(path.stem).decode("utf-8", "replace")
            for page in process.pages(path, f"{stem}_{number:04d}"):  # the number keeps PDFs of equal name apart
                if page.record is not None:
                    records.append(page.record)
                elif page.number:
                    left_out.append((path, page.number, page.reason))
                else:
                    skipped.append((path, page.reason))
    if records:
        write_annotations(records, tree_dir, split)
        write_origin(tree_dir, split, origin)
    return AnnotationReport(len(records), tuple(skipped), tuple(left_out))
