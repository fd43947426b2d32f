"""Any tagged PDF to labelled regions: the structure tree's blocks joined with the bounds of what pdfium draws.

A page object carries the id of the marked content it was drawn in; the structure tree says which element owns that
id. Each element that is a region in PubLayNet's sense becomes one box per page and column. Text boxes follow
PubLayNet's convention: unions of line boxes measured from the baseline, not tight ink.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pypdf import PdfReader

from layoutdeit.corpus.drawn_xobjects import drawn_xobjects
from layoutdeit.corpus.page_objects import PAGE_STREAM, Box, PageObject, page_objects
from layoutdeit.corpus.structure_tree import Block, PageStructure, TagError, read_structure

RULE_REACH_PT = 9.0  # from a table's cell text to the rules and shades that belong to it
ICON_PT = 18.0  # a figure lower than this is a sign among words, or a logo
MAX_BULLET_PT = 12.0  # of a path in a list; larger ones are frames and underlines
MAX_MARK_SEGMENTS = 12  # a line, a bar or a frame, filled and stroked
MAX_MARK_SIDE_PT = 20.0
MAX_BACKGROUND_SHARE = 0.5  # of the page
MAX_UNTAGGED_SHARE = 0.5  # of a page's words, by width; running heads that are no artifacts are less


@dataclass(frozen=True)
class TaggedRegion:
    """A region of a page: label name and box, xyxy in points, origin top left of the page as displayed."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class TaggedPage:
    """A page's size in points, its regions in reading order, and why it is no example, if it is none."""

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
            self._reader = _reader(self.document, source)
            self._structures = _structures(self._reader)
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
            objects = list(page_objects(page, drawn, streams))
            regions = tuple(_regions(objects, structure, page, width, height))
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


def _structures(reader: PdfReader) -> dict[int, PageStructure]:
    """The structure of each page by its index."""
    try:
        by_number = read_structure(reader)
        numbers = [page.indirect_reference.idnum for page in reader.pages if page.indirect_reference]
    except TagError:
        raise
    except RecursionError:
        raise TagError("its structure tree is nested too deeply") from None
    except Exception as error:  # pypdf raises whatever a damaged file provokes
        raise TagError(f"its structure tree is damaged ({error})") from error
    return {index: by_number[number] for index, number in enumerate(numbers) if number in by_number}


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
    return ""


def _regions(
    objects: list[PageObject], structure: PageStructure, page: pdfium.PdfPage, width: float, height: float
) -> list[TaggedRegion]:
    contents: dict[Block, list[PageObject]] = {}
    for block in (*structure.owners.values(), *structure.objects.values(), *structure.frames):
        contents.setdefault(block, [])  # in the tree's order
    for item in objects:
        block = _owner(item, structure)
        if block is not None:
            contents[block].append(item)
    _give_icons_to_their_words(contents)
    decorations = [item.ink for item in objects if item.kind == "path" and _owner(item, structure) is None]
    to_display = _displayed_frame(page)
    regions = []
    for block, items in contents.items():
        boxes = _boxes_of(block, items, objects, decorations)
        if not items and block in structure.frames:
            boxes = [("figure", structure.frames[block])]
        for label, box in boxes:
            x0, y0, x1, y1 = to_display(box)
            x0, x1 = max(0.0, x0), min(width, x1)
            y0, y1 = max(0.0, y0), min(height, y1)
            if x1 - x0 > 1 and y1 - y0 > 1 and not (label == "figure" and _is_mark(items, box, width * height)):
                regions.append(TaggedRegion(label, (x0, y0, x1, y1)))
    return regions


def _give_icons_to_their_words(contents: dict[Block, list[PageObject]]) -> None:
    """A picture as low as a line, in a paragraph that has words: part of the line."""
    for block, items in contents.items():
        host = contents.get(block.host, []) if block.host else []
        if block.label == "figure" and items and any(item.kind == "text" for item in host):
            box = _union([item.ink for item in items])
            if box[3] - box[1] < ICON_PT:
                host += items
                items.clear()


def _is_mark(items: list[PageObject], box: Box, page_area: float) -> bool:
    """Whether a figure is none to the eye: a rule, a bar at the margin, a tint behind the text, an icon."""
    w, h = box[2] - box[0], box[3] - box[1]
    if max(w, h) < ICON_PT:
        return True
    if not items or any(item.kind != "path" for item in items):
        return False
    is_plain = sum(item.num_segments for item in items) <= MAX_MARK_SEGMENTS
    return is_plain and (min(w, h) < MAX_MARK_SIDE_PT or w * h > MAX_BACKGROUND_SHARE * page_area)


def _boxes_of(
    block: Block, items: list[PageObject], objects: list[PageObject], decorations: list[Box]
) -> list[tuple[str, Box]]:
    """Label and box of each piece of a block on a page."""
    words = [item for item in items if item.kind == "text"]
    pictures = [item for item in items if item.kind == "image"]
    if block.label is None or not items:
        return []
    if block.label == "table":
        return [("table", _table_box(items, objects, decorations))]
    if block.label == "figure" and len(words) < len(items):
        return [("figure", _union([item.ink for item in items]))]
    if not words:  # a picture that somebody took for a paragraph; or lines, frames and shades
        return [("figure", _union([item.ink for item in pictures]))] if pictures and block.label == "text" else []
    label = "text" if block.label == "figure" else block.label
    is_list = label == "list"
    shown = [item for item in items if item.kind != "path" or is_list and max(_sides(item.ink)) < MAX_BULLET_PT]
    return [(label, box) for box in _column_boxes(shown, block.implicit)]


def _sides(box: Box) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _table_box(items: list[PageObject], objects: list[PageObject], decorations: list[Box]) -> Box:
    cells = _union([item.line or item.ink for item in items])
    own = {id(item) for item in items}
    strangers = [item.ink for item in objects if item.kind != "path" and id(item) not in own]
    centres = [((ink[0] + ink[2]) / 2, (ink[1] + ink[3]) / 2) for ink in strangers]
    return _grown_by_rules(cells, decorations, centres)


def _column_boxes(items: list[PageObject], is_implicit: bool) -> list[Box]:
    """One box per run of lines: a jump up (or, without a tag of its own, a wide gap) starts the next column's box."""
    upright = [item for item in items if item.kind != "text" or item.line]
    runs: list[list[Box]] = []
    last: Box | None = None
    for item in upright if any(item.line for item in upright) else items:
        box = item.line or item.ink
        height = box[3] - box[1]
        jumps_up = last is not None and box[1] > last[1] + 1.5 * height and box[1] > last[3] - 0.3 * height
        gap = is_implicit and last is not None and last[1] - box[3] > 0.7 * height
        if last is None or jumps_up or gap:
            runs.append([])
        runs[-1].append(box)
        last = box
    return [_union(run) for run in runs]


def _grown_by_rules(box: Box, decorations: list[Box], strangers: list[tuple[float, float]]) -> Box:
    """A table's cell box, grown by the rules and shades that touch it, again and again until none does.

    strangers: centres of what other elements draw. A rule across the page, a frame around more than the table or a
    tint behind a whole column would take some of them in, which shows that it is not the table's.
    """
    reach, pending, grown = RULE_REACH_PT, list(decorations), True
    while grown:
        grown = False
        for rule in list(pending):
            is_beside = rule[0] > box[2] + reach or rule[2] < box[0] - reach
            is_apart = rule[1] > box[3] + reach or rule[3] < box[1] - reach
            is_taller = rule[1] < box[1] - 2 * reach or rule[3] > box[3] + 2 * reach
            if is_beside or is_apart or is_taller:
                continue
            pending.remove(rule)
            merged = _union([box, rule])
            if merged != box and not any(_holds(merged, point) and not _holds(box, point) for point in strangers):
                grown, box = True, merged
    return box


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _union(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _displayed_frame(page: pdfium.PdfPage) -> Callable[[Box], Box]:
    """Function from PDF space (y up) to the displayed page (y down): crop box and /Rotate applied."""
    left, bottom, right, top = page.get_cropbox()
    rotation = page.get_rotation()
    crop_w, crop_h = right - left, top - bottom

    def convert(box: Box) -> Box:
        x0, y0, x1, y1 = box[0] - left, box[1] - bottom, box[2] - left, box[3] - bottom
        if rotation == 90:
            return y0, x0, y1, x1
        if rotation == 180:
            return crop_w - x1, y0, crop_w - x0, y1
        if rotation == 270:
            return crop_h - y1, crop_w - x1, crop_h - y0, crop_w - x0
        return x0, crop_h - y1, x1, crop_h - y0

    return convert
