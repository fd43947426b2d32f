"""Any tagged PDF to labelled regions: the structure tree's blocks joined with the bounds of what pdfium draws.

A page object carries the id of the marked content it was drawn in; the structure tree says which element owns that
id. Each element that is a region in PubLayNet's sense becomes one box per page and column. Text boxes follow
PubLayNet's convention: unions of line boxes measured from the baseline, not tight ink.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pypdf import PdfReader

from layoutdeit.corpus.block_boxes import ICON_PT, boxes_of, give_icons_to_their_words, is_mark
from layoutdeit.corpus.drawn_xobjects import drawn_xobjects
from layoutdeit.corpus.page_objects import PAGE_STREAM, Box, Matrix, PageObject, page_objects, transformed
from layoutdeit.corpus.structure_tree import Block, PageStructure, TagError, read_structure

MAX_UNTAGGED_SHARE = 0.5  # of a page's words, by width; running heads that are no artifacts are less
MAX_TURNED_SHARE = 0.5  # of its text, by area


@dataclass(frozen=True)
class TaggedRegion:
    """A region of a page: label name and box, xyxy in points, origin top left of the page as displayed."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class TaggedPage:
    """A page's size in points, its regions in the order of its tree, and why it is no example, if it is none."""

    width: float
    height: float
    regions: tuple[TaggedRegion, ...]
    problem: str = ""


class TaggedPdf:
    """A PDF and its structure tree. Raises TagError where it has no tags that can be used; close it after use."""

    def __init__(self, source: Path | bytes) -> None:
        """Open it. PdfiumError and OSError as pdfium and the file system give them."""
        self.document = pdfium.PdfDocument(source)
        try:
            if not pdfium_c.FPDFCatalog_IsTagged(self.document):
                raise TagError("no tags: export it again as tagged (accessible) PDF")
            self._reader, self._structures = _read_structures(self.document, source)
        except BaseException:
            self.document.close()
            raise

    def __enter__(self) -> TaggedPdf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.document)

    def close(self) -> None:
        """Free what pdfium holds."""
        self.document.close()

    def read_page(self, index: int) -> TaggedPage:
        """Read the labelled regions of page `index` (from 0)."""
        page = self.document[index]
        try:
            width, height = page.get_size()
            structure, drawn = self._structures.get(index, PageStructure()), None
            if structure.needs_xobjects:
                drawn = drawn_xobjects(self._reader.pages[index], self._reader)
            streams = {stream for stream, _ in structure.owners} - {PAGE_STREAM}
            to_display = _display_matrix(page)
            objects = list(page_objects(page, drawn, streams, to_display))
            frames = {block: transformed(box, to_display) for block, box in structure.frames.items()}
            regions = tuple(_regions(objects, structure, frames, width, height))
            return TaggedPage(width, height, regions, _problem(objects, structure, regions))
        finally:
            page.close()


def _reader(document: pdfium.PdfDocument, source: Path | bytes) -> PdfReader:
    """The same document for pypdf, decrypted by pdfium where it is encrypted."""
    if pdfium_c.FPDF_GetSecurityHandlerRevision(document) == -1:
        return PdfReader(io.BytesIO(source) if isinstance(source, bytes) else source)
    copy = io.BytesIO()
    document.save(copy, flags=pdfium_c.FPDF_REMOVE_SECURITY)
    return PdfReader(copy)


def _read_structures(document: pdfium.PdfDocument, source: Path | bytes) -> tuple[PdfReader, dict[int, PageStructure]]:
    """The document for pypdf, and the structure of each page that has any by its index."""
    try:
        reader = _reader(document, source)
        by_number = read_structure(reader)
        references = [page.indirect_reference for page in reader.pages]
    except (TagError, MemoryError, FileNotFoundError):
        raise
    except RecursionError:
        raise TagError("its structure tree is nested too deeply") from None
    except Exception as error:  # pypdf raises whatever a damaged file provokes
        raise TagError(f"its structure tree is damaged ({error})") from error
    numbers = [reference.idnum if reference else 0 for reference in references]
    return reader, {index: by_number[number] for index, number in enumerate(numbers) if number in by_number}


def _owner(item: PageObject, structure: PageStructure) -> Block | None:
    block = structure.owners.get(item.content) if item.content else None
    return block or structure.objects.get(item.xobject)


def _problem(objects: list[PageObject], structure: PageStructure, regions: Sequence[TaggedRegion]) -> str:
    """Why a page would teach that text is nothing; empty if it would not."""
    visible = [item for item in objects if item.kind != "path" and not item.is_artifact]
    untagged = [item for item in visible if _owner(item, structure) is None]
    if untagged and not regions and len(untagged) == len(visible):
        return "nothing on it is tagged"
    total, missing = (sum(i.ink[2] - i.ink[0] for i in items if i.kind == "text") for items in (visible, untagged))
    if missing > MAX_UNTAGGED_SHARE * total:
        return f"{missing / total:.0%} of its text has no tag"
    words = [item for item in visible if item.kind == "text"]
    total, turned = (sum(map(_area, items)) for items in (words, [item for item in words if item.line is None]))
    if turned > MAX_TURNED_SHARE * total:
        return f"{turned / total:.0%} of its text runs up, down or upside down: turn the page first"
    return ""


def _area(item: PageObject) -> float:
    return (item.ink[2] - item.ink[0]) * (item.ink[3] - item.ink[1])


def _regions(
    objects: list[PageObject], structure: PageStructure, frames: dict[Block, Box], width: float, height: float
) -> list[TaggedRegion]:
    contents: dict[Block, list[PageObject]] = {}
    for block in (*structure.owners.values(), *structure.objects.values(), *frames):
        contents.setdefault(block, [])  # in the tree's order
    for item in objects:
        block = _owner(item, structure)
        if block is not None:
            contents[block].append(item)
    frames = {block: box for block, box in frames.items() if not contents[block]}
    give_icons_to_their_words(contents)
    decorations = [item.ink for item in objects if item.kind == "path" and _owner(item, structure) is None]
    regions = []
    for block, items in contents.items():
        boxes = boxes_of(block, items, objects, decorations)
        if block in frames and not (block.host and frames[block][3] - frames[block][1] < ICON_PT):
            boxes = [("figure", frames[block])]
        for label, box in boxes:
            x0, x1 = max(0.0, box[0]), min(width, box[2])
            y0, y1 = max(0.0, height - box[3]), min(height, height - box[1])  # from here on, y down
            is_sign = label == "figure" and is_mark(items, box, width * height, objects)
            if x1 - x0 > 1 and y1 - y0 > 1 and not is_sign:
                regions.append(TaggedRegion(label, (x0, y0, x1, y1)))
    return regions


def _display_matrix(page: pdfium.PdfPage) -> Matrix:
    """From PDF space to the page as displayed, y up, origin bottom left: crop box and /Rotate applied."""
    left, bottom, right, top = page.get_bbox()  # what is rendered: inherited boxes too, within the media box
    return {
        0: (1, 0, 0, 1, -left, -bottom),
        90: (0, -1, 1, 0, -bottom, right),
        180: (-1, 0, 0, -1, right, top),
        270: (0, 1, -1, 0, top, -left),
    }[page.get_rotation()]
