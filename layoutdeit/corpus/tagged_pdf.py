"""Any tagged PDF to labelled regions: structure tree, marked-content ids and object bounds through pdfium.

A page object carries the id of the marked content it was drawn in; the structure tree says which element owns that
id. Each element that is a region in PubLayNet's sense becomes one box per page and column. Text boxes follow
PubLayNet's convention: unions of line boxes measured from the baseline, not tight ink.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from layoutdeit.corpus.page_objects import Box, PageObject, page_objects

RULE_REACH_PT = 9.0  # from a table's cell text to the rules and shades that belong to it
_LABEL_OF_TAG = {
    "P": "text", "Caption": "text", "Note": "text", "FENote": "text", "BibEntry": "list", "Aside": "text",
    "H": "title", "Title": "title", "L": "list", "TOC": "list", "Table": "table", "Figure": "figure",
    **{f"H{level}": "title" for level in range(1, 10)},
}  # fmt: skip
_INLINE_TAGS = {"Span", "Em", "Strong", "Link", "Reference", "Quote", "Code", "Lbl", "LBody", "Annot", "Ruby"}
_UNLABELLED_TAGS = {"Artifact", "Formula", "Form"}
_CAPTION_LIKE_TAGS = {"Caption", "Note", "FENote"}  # own text regions, also inside figures, tables and lists


@dataclass(frozen=True)
class TaggedRegion:
    """A region of a page: label name and box, xyxy in points, origin top left of the page as displayed."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class TaggedPage:
    """A page's size in points and its regions in reading order."""

    width: float
    height: float
    regions: tuple[TaggedRegion, ...]


@dataclass
class _Block:
    """A structure element that is one region per page and column. `implicit`: no paragraph tag of its own."""

    label: str | None
    implicit: bool = False
    objects: list[PageObject] = field(default_factory=list)


def is_tagged(document: pdfium.PdfDocument) -> bool:
    """Whether the document says it is tagged."""
    return bool(pdfium_c.FPDFCatalog_IsTagged(document))


def read_page(document: pdfium.PdfDocument, index: int) -> TaggedPage:
    """Read the labelled regions of page `index` (from 0). A page without structure has no regions."""
    page = document[index]
    try:
        width, height = page.get_size()
        objects = list(page_objects(page))
        blocks = _blocks_by_content_id(page)
        regions = _regions(objects, blocks, page, width, height)
        return TaggedPage(width, height, tuple(regions))
    finally:
        page.close()


def _regions(
    objects: list[PageObject], blocks: dict[int, _Block], page: pdfium.PdfPage, width: float, height: float
) -> list[TaggedRegion]:
    ordered: dict[int, _Block] = {}
    for item in objects:
        block = blocks.get(item.content_id)
        if block is not None and block.label is not None:
            block.objects.append(item)
            ordered.setdefault(id(block), block)
    decorations = [item.ink for item in objects if item.kind == "path" and item.content_id not in blocks]
    to_display = _displayed_frame(page)
    regions = []
    for block in ordered.values():
        for box in _boxes_of(block, objects, decorations):
            x0, y0, x1, y1 = to_display(box)
            x0, x1 = max(0.0, x0), min(width, x1)
            y0, y1 = max(0.0, y0), min(height, y1)
            if x1 - x0 > 1 and y1 - y0 > 1:
                regions.append(TaggedRegion(block.label, (x0, y0, x1, y1)))
    return regions


def _boxes_of(block: _Block, objects: list[PageObject], decorations: list[Box]) -> list[Box]:
    if block.label == "figure":
        return [_union([item.ink for item in block.objects])]
    if block.label == "table":
        cells = _union([item.line or item.ink for item in block.objects])
        own = {id(item) for item in block.objects}
        strangers = [item.ink for item in objects if item.kind != "path" and id(item) not in own]
        centres = [((ink[0] + ink[2]) / 2, (ink[1] + ink[3]) / 2) for ink in strangers]
        return [_grown_by_rules(cells, decorations, centres)]
    return _column_boxes(block)


def _column_boxes(block: _Block) -> list[Box]:
    """One box per run of lines: a jump up (or, untagged, a wide gap) starts the next column's box."""
    runs: list[list[Box]] = []
    last: Box | None = None
    for item in block.objects:
        box = item.line or item.ink
        if item.kind == "text" and item.line is None and not runs:
            continue
        height = box[3] - box[1]
        jumps_up = last is not None and box[1] > last[1] + 1.5 * height and box[1] > last[3] - 0.3 * height
        gap = block.implicit and last is not None and last[1] - box[3] > 0.7 * height
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


def _blocks_by_content_id(page: pdfium.PdfPage) -> dict[int, _Block]:
    """Each marked-content id of the page to the block that owns it; unlabelled blocks have the label None."""
    tree = pdfium_c.FPDF_StructTree_GetForPage(page)
    if not tree:
        return {}
    owners: dict[int, _Block] = {}
    try:
        for index in range(pdfium_c.FPDF_StructTree_CountChildren(tree)):
            element = pdfium_c.FPDF_StructTree_GetChildAtIndex(tree, index)
            if element:
                _visit(element, None, owners, 0)
    finally:
        pdfium_c.FPDF_StructTree_Close(tree)
    return owners


def _visit(element: Any, block: _Block | None, owners: dict[int, _Block], depth: int) -> None:
    if depth > 100:  # a cycle in a broken tree
        return
    tag = _tag(element)
    if tag in _UNLABELLED_TAGS and block is None:
        block = _Block(None)
    elif (
        tag in _LABEL_OF_TAG
        and (block is None or block.implicit or tag in _CAPTION_LIKE_TAGS)
        or block is not None
        and block.label == "text"
        and tag in ("Figure", "Table", "L")
    ):
        block = _Block(_LABEL_OF_TAG[tag])
    implicit: _Block | None = None
    for index in range(pdfium_c.FPDF_StructElement_CountChildren(element)):
        child = pdfium_c.FPDF_StructElement_GetChildAtIndex(element, index)
        content_id = -1 if child else pdfium_c.FPDF_StructElement_GetChildMarkedContentID(element, index)
        if not child and content_id < 0:
            continue
        owner = block
        if owner is None and (not child or _tag(child) in _INLINE_TAGS):
            implicit = implicit or _Block("text", implicit=True)
            owner = implicit
        elif owner is None:
            implicit = None
        if child:
            _visit(child, owner, owners, depth + 1)
        else:
            owners[content_id] = owner


def _tag(element: Any) -> str:
    size = pdfium_c.FPDF_StructElement_GetType(element, None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    pdfium_c.FPDF_StructElement_GetType(element, buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le")
