"""Write a result to files: one function per format, all in the table EXPORTERS.

A target is a path without a suffix, such as out/paper, to which each format adds its own. Every file is written beside
its place and moved there when it is whole, so a reader never sees half a file and an interrupted job leaves none.
Pages are taken one at a time, and formats that need pictures render them again, so no more than one is in memory.
"""

from __future__ import annotations

import base64
import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from layoutdeit.annotate import annotate_pdf
from layoutdeit.draw import crop_regions, draw_regions
from layoutdeit.geometry import points_to_pixels, xyxy_to_xywh
from layoutdeit.html import html_pieces
from layoutdeit.json_text import json_pieces, jsonl_pieces, result_pieces
from layoutdeit.labels import LABELS, label_by_name
from layoutdeit.layout import DocumentLayout, PageLayout
from layoutdeit.markdown import markdown_pieces
from layoutdeit.parquet_file import require_pyarrow, write_parquet
from layoutdeit.pdf import Document
from layoutdeit.whole_file import write_atomically, write_png, write_text

ANNOTATED_SUFFIX = ".annotated.pdf"  # not ".pdf": next to its source, the result must not replace it
INNER_FORMULA = re.compile("([;\t\r\n]\\s*)([=+@\uff1d\uff0b\uff20]|[-\uff0d](?=[\\w.(]))")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # last: full width
PAGE_PICTURE, PLAIN_PICTURE = re.compile(r"page-\d{4,}\.png"), re.compile(r"image-\d{4,}\.png")
CROP_PICTURE = re.compile(r"page-\d{4,}-\d{2,}-[a-z]+\.png")
TEXT_FORMATS = {"md", "html", "csv"}  # of little use without any
CSV_COLUMNS = ("page", "label", "score", "x0", "y0", "x1", "y1", "text", "corrected")


def to_csv(layout: DocumentLayout) -> str:
    """One row per region, in reading order; boxes in points as displayed.

    A text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    return "".join(_csv_pieces(layout))


def _csv_pieces(layout: DocumentLayout) -> Iterator[str]:
    yield _csv_rows([CSV_COLUMNS])
    for page in layout.pages:
        yield _csv_rows(
            [
                page.number,
                *(region["label"], region["score"], *region["box"]),
                *(_inert(region["text"] or ""), int(region["corrected"])),
            ]
            for region in (region.to_dict() for region in page.regions)
        )


def _csv_rows(rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO(newline="")
    csv.writer(table).writerows(rows)
    return table.getvalue()


def export_json(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.json, the whole result (see `to_json`)."""
    return write_text(_with_suffix(target, ".json"), result_pieces(layout))


def export_jsonl(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.jsonl, one line per page (see json_text.py)."""
    return write_text(_with_suffix(target, ".jsonl"), jsonl_pieces(layout))


def export_parquet(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.parquet, one row per page (see parquet_file.py)."""
    path = _with_suffix(target, ".parquet")
    with write_atomically(path) as file:
        write_parquet(layout, file)
    return path


def export_csv(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.csv, one row per region."""
    return write_text(_with_suffix(target, ".csv"), _csv_pieces(layout))


def export_pdf(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.annotated.pdf, the document with its regions as annotations (see annotate.py)."""
    path = _with_suffix(target, ANNOTATED_SUFFIX)
    with write_atomically(path) as file:
        annotate_pdf(document, layout, file)
    return path


def export_png(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>/page-0001.png and so on: each page that could be analysed, with its regions drawn on it."""
    names = set()
    for page in _readable(layout):
        picture = draw_regions(document.render(page.number - 1).image, page)
        names.add(name := f"page-{page.number:04d}.png")
        write_png(target / name, picture)
    _remove_earlier(target, PAGE_PICTURE, names)
    return target


def export_coco(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>/coco/annotations.json and the plain page pictures beside it, ready to be trained on.

    Boxes are xywh in pixels of those pictures, category ids 1..5; each annotation carries its score.
    """
    folder = target / "coco"
    images: list[dict[str, Any]] = []
    for page in _readable(layout):
        picture = document.render(page.number - 1).image
        name = f"image-{page.number:04d}.png"
        write_png(folder / name, picture)
        images.append({"id": page.number, "file_name": name, "width": picture.width, "height": picture.height})
    categories = [{"id": label.id, "name": label.name, "supercategory": ""} for label in LABELS]
    data = {"images": images, "annotations": _coco_annotations(layout, images), "categories": categories}
    write_text(folder / "annotations.json", json_pieces(data))
    _remove_earlier(folder, PLAIN_PICTURE, {image["file_name"] for image in images})
    return folder


def export_crops(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>/crops/page-0001-01-title.png and so on: the picture of each region, numbered in reading order."""
    folder = target / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for page in _readable(layout):
        if not page.regions:
            continue
        picture = document.render(page.number - 1).image
        for index, crop in enumerate(crop_regions(picture, page)):
            names.add(name := _crop_name(page, index))
            write_png(folder / name, crop)
    _remove_earlier(folder, CROP_PICTURE, names)
    return folder


def export_markdown(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.md and the pictures of its figures and tables in <target>/figures (see markdown.py)."""
    images = _figure_pictures(layout, document, target)
    return write_text(_with_suffix(target, ".md"), markdown_pieces(layout, images))


def export_html(layout: DocumentLayout, document: Document, target: Path) -> Path:
    """Write <target>.html and the pictures of its figures and tables in <target>/figures (see html.py)."""
    images = {key: quote(os.fsencode(name)) for key, name in _figure_pictures(layout, document, target).items()}
    return write_text(_with_suffix(target, ".html"), html_pieces(layout, images))


def _figure_pictures(layout: DocumentLayout, document: Document, target: Path) -> dict[tuple[int, int], str]:
    """Write pictures of figures, and of tables without cells; their places relative to the target's folder."""
    images: dict[tuple[int, int], str] = {}
    for page, index, crop in _pictured_regions(layout, document):
        name = _crop_name(page, index)
        write_png(target / "figures" / name, crop)
        images[page.number, index] = f"{target.name}/figures/{name}"
    _remove_earlier(target / "figures", CROP_PICTURE, {Path(name).name for name in images.values()})
    return images


def _crop_name(page: PageLayout, index: int) -> str:
    return f"page-{page.number:04d}-{index + 1:02d}-{page.regions[index].label}.png"


def embedded_pictures(layout: DocumentLayout, document: Document) -> dict[tuple[int, int], str]:
    """The same pictures as data: addresses, for a file that stands alone."""
    images: dict[tuple[int, int], str] = {}
    for page, index, crop in _pictured_regions(layout, document):
        with io.BytesIO() as stream:
            crop.save(stream, "PNG")
            encoded = base64.b64encode(stream.getvalue()).decode("ascii")
        images[page.number, index] = f"data:image/png;base64,{encoded}"
    return images


def _pictured_regions(layout: DocumentLayout, document: Document) -> Iterator[tuple[PageLayout, int, Image.Image]]:
    for page in _readable(layout):
        shown = [i for i, r in enumerate(page.regions) if r.label == "figure" or (r.label == "table" and not r.cells)]
        if not shown:
            continue
        crops = crop_regions(document.render(page.number - 1).image, page)
        yield from ((page, index, crops[index]) for index in shown)


Exporter = Callable[[DocumentLayout, Document, Path], Path]  # returns the file or folder that it wrote
EXPORTERS: dict[str, Exporter] = {
    "json": export_json,
    "jsonl": export_jsonl,
    "pdf": export_pdf,
    "png": export_png,
    "coco": export_coco,
    "csv": export_csv,
    "md": export_markdown,
    "html": export_html,
    "crops": export_crops,
    "parquet": export_parquet,
}


def chosen_formats(names: Iterable[str]) -> tuple[str, ...]:
    """The formats called `names`, each once; ValueError lists those there are, ImportError says what one needs."""
    formats = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    unknown = [name for name in formats if name not in EXPORTERS]
    if unknown or not formats:
        said = f"unknown format {', '.join(map(repr, unknown))}" if unknown else "no format given"
        raise ValueError(f"{said}: use one or more of {', '.join(EXPORTERS)}")
    if "parquet" in formats:
        require_pyarrow()
    return formats


def export(layout: DocumentLayout, document: Document, target: str | Path, formats: Iterable[str]) -> list[Path]:
    """Write the result in each format; return the files and folders written. `target` is a path without suffix.

    Every format is tried before the first error (PdfError, OSError) is raised; ValueError for an unknown format.
    """
    written: list[Path] = []
    failures: list[Exception] = []
    for name in chosen_formats(formats):
        try:
            written.append(EXPORTERS[name](layout, document, Path(target)))
        except (ValueError, OSError) as error:  # PdfError is a ValueError
            failures.append(error)
    if failures:
        raise failures[0]
    return written


def hint_of_scans(layout: DocumentLayout, formats: Collection[str]) -> str:
    """A sentence where pages have regions and no text layer, and a format is mostly of text; otherwise ""."""
    if not TEXT_FORMATS & set(formats):
        return ""
    num_pages = num_mute = 0
    for page in layout.pages:
        num_pages += bool(page.regions)
        num_mute += bool(page.regions) and all(region.text is None for region in page.regions)
    if not num_mute:
        return ""
    return f"{num_mute} of {num_pages} pages have no text layer, so their text is not in the results: run OCR first"


def _coco_annotations(layout: DocumentLayout, images: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of each readable page, whose picture stands at the same place in `images`."""
    ids = itertools.count(1)
    for page, image in zip(_readable(layout), images, strict=True):
        size_px = (image["width"], image["height"])
        boxes = points_to_pixels([region.box for region in page.regions], size_px, (page.width, page.height))
        boxes_xywh = xyxy_to_xywh(boxes).round(2).tolist() if page.regions else []
        for region, (x, y, width, height) in zip(page.regions, boxes_xywh, strict=True):
            outline = [x, y, x + width, y, x + width, y + height, x, y + height]
            yield {
                "id": next(ids),
                "image_id": page.number,
                "category_id": label_by_name(region.label).id,
                "bbox": [x, y, width, height],
                "area": round(width * height, 2),
                "segmentation": [[round(value, 2) for value in outline]],
                "iscrowd": 0,
                "score": round(region.score, 4),
                "corrected": region.corrected,
            }


def _inert(text: str) -> str:
    """A cell no spreadsheet runs: =, +, -, @ and leading blanks start formulas in one or another.

    Also inside it, where one that parts cells at semicolons or tabs would see a cell begin.
    """
    text = INNER_FORMULA.sub(r"\1'\2", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _remove_earlier(folder: Path, pattern: re.Pattern[str], names: Collection[str]) -> None:
    """Remove pictures of an earlier result, whose names fit the pattern and are not among those of this one."""
    for path in folder.glob("*.png"):
        if pattern.fullmatch(path.name) and path.name not in names:
            path.unlink(missing_ok=True)


def _readable(layout: DocumentLayout) -> Iterator[PageLayout]:
    return (page for page in layout.pages if page.error is None)


def _with_suffix(target: Path, suffix: str) -> Path:
    """Add a suffix and keep the dots that the name has: report.v1 -> report.v1.json."""
    return target.with_name(target.name + suffix)
