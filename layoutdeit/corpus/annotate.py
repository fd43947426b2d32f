"""Tagged PDFs written by anything (Typst, Word, LibreOffice, Chromium) to a PubLayNet-shaped tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium

from layoutdeit.corpus import tagged_pdf
from layoutdeit.corpus.camera import Exposure, jpeg_bytes, picture_boxes
from layoutdeit.corpus.page_tree import PictureRecord, write_annotations, write_origin


@dataclass(frozen=True)
class AnnotationReport:
    """Pages written, and the PDFs left out with the reason."""

    num_pages: int
    skipped: tuple[tuple[Path, str], ...]


def annotate_pdfs(
    pdf_paths: Sequence[Path], tree_dir: Path, *, split: str = "train", dpi: float = 72.0
) -> AnnotationReport:
    """Write every page of every tagged PDF; a PDF that is broken, locked or without tags is reported, not raised."""
    picture_dir = tree_dir / split
    picture_dir.mkdir(parents=True, exist_ok=True)
    exposure = Exposure(dpi, jpeg_quality=90)
    records: list[PictureRecord] = []
    skipped: list[tuple[Path, str]] = []
    for number, path in enumerate(pdf_paths):
        try:
            document = pdfium.PdfDocument(path)
        except (pdfium.PdfiumError, FileNotFoundError) as error:
            skipped.append((path, str(error)))
            continue
        try:
            if not tagged_pdf.is_tagged(document):
                skipped.append((path, "no tags: export it again as tagged (accessible) PDF"))
                continue
            for index in range(len(document)):
                name = f"{path.stem}_{number:04d}_{index:05d}.jpg"  # the number keeps PDFs of equal name apart
                records.append(_write_page(document, index, picture_dir / name, exposure))
        finally:
            document.close()
    write_annotations(records, tree_dir, split)
    write_origin(tree_dir, split, {"pdfs": [str(path) for path in pdf_paths], "dpi": dpi})
    return AnnotationReport(len(records), tuple(skipped))


def _write_page(document: pdfium.PdfDocument, index: int, path: Path, exposure: Exposure) -> PictureRecord:
    page = tagged_pdf.read_page(document, index)
    picture = document[index].render(scale=exposure.scale).to_pil().convert("RGB")
    boxes = picture_boxes([region.box for region in page.regions], exposure, picture.size)
    path.write_bytes(jpeg_bytes(picture, exposure))
    regions = tuple(
        (region.label, tuple(float(v) for v in box)) for region, box in zip(page.regions, boxes, strict=True)
    )
    return PictureRecord(path.name, picture.width, picture.height, regions)
