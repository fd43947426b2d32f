"""Pages set with Typst: markup to tagged PDF to page pictures with boxes, by seed, on any number of processes.

Pages come in sheets of SHEET_PAGES, the first pages of documents drawn from (seed, sheet), so page i is the same
whatever the count, the order and the number of workers.
"""

from __future__ import annotations

import multiprocessing
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium

from layoutdeit.corpus import tagged_pdf
from layoutdeit.corpus.camera import draw_exposure, expose, jpeg_bytes, picture_boxes
from layoutdeit.corpus.house_style import FALLBACK_FAMILIES, MONO_FAMILIES, SANS_FAMILIES, SERIF_FAMILIES
from layoutdeit.corpus.journal_families import check_family_names
from layoutdeit.corpus.page_tree import PictureRecord, check_split_is_free, write_annotations, write_origin
from layoutdeit.corpus.templates import document_markup

CORPUS_VERSION = 3  # raise when the same seed gives other pages
SHEET_PAGES = 6
EDGE_PT = 12.0  # nothing is set this close to the paper's edge on purpose
MAX_OVERLAP_PT = 4.0  # line boxes of neighbours overlap by less; more is an overflow
MIN_SIDE_PX = 2.0  # smaller boxes are slivers of a line and teach nothing


@dataclass(frozen=True)
class CorpusJob:
    """What to make: `num_pages` pages of `seed` into `tree_dir/<split>`."""

    num_pages: int
    tree_dir: Path
    seed: int = 0
    split: str = "train"
    workers: int = 1
    template_families: tuple[str, ...] = ()  # all of `journal_families` if empty

    def __post_init__(self) -> None:
        if self.num_pages < 1 or self.workers < 1:
            raise ValueError(f"pages and workers must be at least 1, got {self.num_pages} and {self.workers}")
        check_family_names(self.template_families)


def make_corpus(job: CorpusJob) -> list[PictureRecord]:
    """Make the pages of `job` and write the tree. Returns the records in page order.

    Raises ValueError where the tree has other pages under that name.
    """
    recipe = {"version": CORPUS_VERSION, "seed": job.seed, "families": list(job.template_families)}
    check_split_is_free(job.tree_dir, job.split, recipe)
    (job.tree_dir / job.split).mkdir(parents=True, exist_ok=True)
    num_sheets = -(-job.num_pages // SHEET_PAGES)
    tasks = [(job, sheet) for sheet in range(num_sheets)]
    if job.workers == 1:
        sheets = [_write_sheet(task) for task in tasks]
    else:
        with multiprocessing.get_context("spawn").Pool(job.workers) as pool:
            sheets = pool.map(_write_sheet, tasks, chunksize=1)
    records = [record for sheet in sheets for record in sheet]
    write_annotations(records, job.tree_dir, job.split)
    made = {"pages": job.num_pages, "fonts": list(installed_families())}
    write_origin(job.tree_dir, job.split, {**recipe, **made})
    return records


@cache
def installed_families() -> tuple[str, ...]:
    """The families of the house styles that this machine has."""
    typst = _typst()
    found = set(typst.Fonts().families())
    return tuple(sorted(found.intersection([*SERIF_FAMILIES, *SANS_FAMILIES, *MONO_FAMILIES, *FALLBACK_FAMILIES])))


def set_pdf(markup: str) -> bytes:
    """Typst markup to the bytes of a tagged PDF."""
    return _compiler().compile(input=markup.encode("utf-8"), format="pdf")


def sheet_pages(seed: int, sheet: int, template_families: tuple[str, ...] = ()) -> list[PicturedPage]:
    """The SHEET_PAGES pages of a sheet, pictured."""
    pages: list[PicturedPage] = []
    attempt = 0
    while len(pages) < SHEET_PAGES:
        rng = random.Random(f"{seed}/{sheet}/{attempt}")
        wanted = SHEET_PAGES - len(pages)
        markup = document_markup(rng, installed_families(), wanted, template_families)
        with tagged_pdf.TaggedPdf(set_pdf(markup)) as pdf:
            for index in range(min(len(pdf), wanted)):
                page = pdf.read_page(index)
                if is_sound(page):
                    rng = random.Random(f"{seed}/{sheet}/{attempt}/{index}")
                    pages.append(_picture(pdf.document, index, page, rng))
        attempt += 1
    return pages


@dataclass(frozen=True)
class PicturedPage:
    """A page as JPEG, its size in pixels and its regions in pixels."""

    jpeg: bytes
    width: int
    height: int
    regions: tuple[tuple[str, tuple[float, float, float, float]], ...]


def is_sound(page: tagged_pdf.TaggedPage) -> bool:
    """Whether no region runs off the page or into another: Typst lets what fits nowhere overflow."""
    boxes = np.array([region.box for region in page.regions]).reshape(-1, 4)
    if not len(boxes):
        return True
    if boxes[:, 3].max() > page.height - EDGE_PT or boxes[:, 2].max() > page.width - EDGE_PT:
        return False
    top_left = np.maximum(boxes[:, None, :2], boxes[None, :, :2])  # (N, N, 2)
    bottom_right = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])  # (N, N, 2)
    depth = (bottom_right - top_left).min(axis=2)  # (N, N), positive where two boxes overlap
    np.fill_diagonal(depth, 0)
    return bool(depth.max() < MAX_OVERLAP_PT)


def _picture(document: pdfium.PdfDocument, index: int, page: tagged_pdf.TaggedPage, rng: random.Random) -> PicturedPage:
    exposure = draw_exposure(rng)
    picture = document[index].render(scale=exposure.scale).to_pil().convert("RGB")
    boxes = picture_boxes([region.box for region in page.regions], exposure, picture.size)
    regions = tuple(
        (region.label, tuple(float(value) for value in box))
        for region, box in zip(page.regions, boxes, strict=True)
        if box[2] - box[0] >= MIN_SIDE_PX and box[3] - box[1] >= MIN_SIDE_PX
    )
    jpeg = jpeg_bytes(expose(picture, exposure, rng), exposure)
    return PicturedPage(jpeg, picture.width, picture.height, regions)


def _write_sheet(task: tuple[CorpusJob, int]) -> list[PictureRecord]:
    job, sheet = task
    records = []
    for offset, page in enumerate(sheet_pages(job.seed, sheet, job.template_families)):
        number = sheet * SHEET_PAGES + offset
        if number >= job.num_pages:
            break
        name = f"set{job.seed}_{number:06d}.jpg"
        path = job.tree_dir / job.split / name
        path.unlink(missing_ok=True)  # a merged tree may have the picture that was there, by a link
        path.write_bytes(page.jpeg)
        records.append(PictureRecord(name, page.width, page.height, page.regions))
    return records


@cache
def _compiler() -> Any:
    return _typst().Compiler()


def _typst() -> Any:
    try:
        import typst
    except ImportError as error:
        raise ImportError("setting pages needs typst: pip install -e '.[corpus]' in the project's folder") from error
    return typst
