"""Any tagged PDF to labelled regions: structure tree, marked-content ids and object bounds through pdfium.

A page object carries the id of the marked content it was drawn in; the structure tree says which element owns that
id. Each element that is a region in PubLayNet's sense becomes one box per page and column. Text boxes follow
PubLayNet's convention: unions of line boxes measured from the baseline, not tight ink.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

# A line box around its baseline, in font sizes. PubLayNet's boxes come from pdfminer, whose line height is the font's
# bounding box: on real pages .31-.35 below the baseline and .80-1.1 above it, depending on the font.
LINE_ASCENT = 0.92
LINE_DESCENT = 0.31
LINE_SIDE_PT = 0.4  # advance widths reach a little beyond the ink

MAX_FORM_DEPTH = 8  # form XObjects inside form XObjects; deeper is a broken or hostile file

_LABEL_OF_TAG = {
    "P": "text", "Caption": "text", "Note": "text", "FENote": "text", "BibEntry": "list", "Aside": "text",
    "H": "title", "Title": "title", "L": "list", "TOC": "list", "Table": "table", "Figure": "figure",
    **{f"H{level}": "title" for level in range(1, 10)},
}  # fmt: skip
_INLINE_TAGS = {"Span", "Em", "Strong", "Link", "Reference", "Quote", "Code", "Lbl", "LBody", "Annot", "Sub", "Ruby"}
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


@dataclass(frozen=True)
class _PageObject:
    """A leaf drawing operation. Boxes are xyxy in PDF space, y up; `line` is the line box of upright text."""

    kind: str  # "text", "path", "image"
    content_id: int
    ink: tuple[float, float, float, float]
    line: tuple[float, float, float, float] | None = None


@dataclass
class _Block:
    """A structure element that is one region per page and column. `implicit`: no paragraph tag of its own."""

    label: str | None
    implicit: bool = False
    objects: list[_PageObject] = field(default_factory=list)


def is_tagged(document: pdfium.PdfDocument) -> bool:
    """Whether the document says it is tagged."""
    return bool(pdfium_c.FPDFCatalog_IsTagged(document))


def read_page(document: pdfium.PdfDocument, index: int) -> TaggedPage:
    """Read the labelled regions of page `index` (from 0). A page without structure has no regions."""
    page = document[index]
    try:
        width, height = page.get_size()
        objects = list(_page_objects(page))
        blocks = _blocks_by_content_id(page)
        regions = _regions(objects, blocks, page, (width, height))
        return TaggedPage(width, height, tuple(regions))
    finally:
        page.close()


def _regions(objects, blocks, page, size) -> list[TaggedRegion]:
    width, height = size
    ordered: dict[int, _Block] = {}
    for item in objects:
        block = blocks.get(item.content_id)
        if block is not None and block.label is not None:
            block.objects.append(item)
            ordered.setdefault(id(block), block)
    decorations = [item.ink for item in objects if item.kind == "path" and item.content_id not in blocks]
    to_display = _displayed_frame(page, height)
    regions = []
    for block in ordered.values():
        for box in _boxes_of(block, decorations):
            x0, y0, x1, y1 = to_display(box)
            x0, x1 = max(0.0, x0), min(width, x1)
            y0, y1 = max(0.0, y0), min(height, y1)
            if x1 - x0 > 1 and y1 - y0 > 1:
                regions.append(TaggedRegion(block.label, (x0, y0, x1, y1)))
    return regions


def _boxes_of(block: _Block, decorations: list) -> list[tuple[float, float, float, float]]:
    if block.label == "figure":
        return [_union([item.ink for item in block.objects])]
    if block.label == "table":
        return [_grown_by_rules(_union([item.line or item.ink for item in block.objects]), decorations)]
    return _column_boxes(block)


def _column_boxes(block: _Block) -> list[tuple[float, float, float, float]]:
    """One box per run of lines: a jump up (or, untagged, a wide gap) starts the next column's box."""
    runs: list[list] = []
    last = None
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


def _grown_by_rules(box, decorations, reach: float = 9.0):
    """A table's cell box, grown by the rules and shades that touch it. reach: points from cell text to a rule."""
    pending = list(decorations)
    grown = True
    while grown:
        grown = False
        for rule in list(pending):
            x0, y0, x1, y1 = rule
            overlap = min(x1, box[2]) - max(x0, box[0])
            near = y0 <= box[3] + reach and y1 >= box[1] - reach and overlap > -reach
            inside_width = x0 >= box[0] - 4 * reach and x1 <= box[2] + 6 * reach
            if near and inside_width and overlap >= min(0.3 * (x1 - x0), 10.0) - reach * (x1 - x0 < 3):
                pending.remove(rule)
                merged = _union([box, rule])
                grown |= merged != box
                box = merged
    return box


def _union(boxes):
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _displayed_frame(page: pdfium.PdfPage, height: float):
    """Function from PDF space (y up) to the displayed page (y down): crop box and /Rotate applied."""
    left, bottom, right, top = page.get_cropbox()
    rotation = page.get_rotation()
    crop_w, crop_h = right - left, top - bottom

    def convert(box):
        x0, y0, x1, y1 = box[0] - left, box[1] - bottom, box[2] - left, box[3] - bottom
        if rotation == 90:
            return y0, x0, y1, x1
        if rotation == 180:
            return crop_w - x1, y0, crop_w - x0, y1
        if rotation == 270:
            return crop_h - y1, crop_w - x1, crop_h - y0, crop_w - x0
        return x0, crop_h - y1, x1, crop_h - y0

    return convert


def _page_objects(page: pdfium.PdfPage) -> Iterator[_PageObject]:
    count = pdfium_c.FPDFPage_CountObjects(page)
    for index in range(count):
        yield from _leaf_objects(pdfium_c.FPDFPage_GetObject(page, index), (1, 0, 0, 1, 0, 0), -1, 0)


def _leaf_objects(raw, outer, inherited_id, depth) -> Iterator[_PageObject]:
    kind = pdfium_c.FPDFPageObj_GetType(raw)
    content_id = pdfium_c.FPDFPageObj_GetMarkedContentID(raw)
    content_id = inherited_id if content_id < 0 else content_id
    if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
        if depth < MAX_FORM_DEPTH:
            inner = _multiply(_matrix(raw), outer)
            for index in range(pdfium_c.FPDFFormObj_CountObjects(raw)):
                yield from _leaf_objects(pdfium_c.FPDFFormObj_GetObject(raw, index), inner, content_id, depth + 1)
        return
    ink = _transformed(_bounds(raw), outer)
    if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
        if ink[2] - ink[0] > 0.05:  # spaces have no ink
            yield _PageObject("text", content_id, ink, _line_box(raw, outer, ink))
    elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
        yield _PageObject("path", content_id, _without_miter(raw, ink))
    elif kind in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING):
        yield _PageObject("image", content_id, ink)


def _line_box(raw, outer, ink):
    """Line box of upright text from its baseline and size, None for turned text."""
    a, b, c, d, _, baseline = _multiply(_matrix(raw), outer)
    if abs(b) > 0.05 * abs(a) or abs(c) > 0.05 * abs(d) or d <= 0:
        return None
    size = ctypes.c_float()
    pdfium_c.FPDFTextObj_GetFontSize(raw, size)
    em = size.value * d
    return ink[0] - LINE_SIDE_PT, baseline - LINE_DESCENT * em, ink[2] + LINE_SIDE_PT, baseline + LINE_ASCENT * em


def _without_miter(raw, ink):
    """pdfium widens a stroked path by its whole stroke width on each side; half of it is drawn."""
    has_stroke, fill, width = ctypes.c_int(), ctypes.c_int(), ctypes.c_float()
    pdfium_c.FPDFPath_GetDrawMode(raw, fill, has_stroke)
    if not has_stroke.value or not pdfium_c.FPDFPageObj_GetStrokeWidth(raw, width):
        return ink
    inset = min(width.value / 2, (ink[2] - ink[0]) / 2, (ink[3] - ink[1]) / 2)
    return ink[0] + inset, ink[1] + inset, ink[2] - inset, ink[3] - inset


def _bounds(raw):
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium_c.FPDFPageObj_GetBounds(raw, left, bottom, right, top)
    return left.value, bottom.value, right.value, top.value


def _matrix(raw):
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(raw, matrix)
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _multiply(m, n):
    """First m, then n; both (a, b, c, d, e, f) as in PDF."""
    return (
        m[0] * n[0] + m[1] * n[2], m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2], m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4], m[4] * n[1] + m[5] * n[3] + n[5],
    )  # fmt: skip


def _transformed(box, m):
    if m == (1, 0, 0, 1, 0, 0):
        return box
    corners = [(x * m[0] + y * m[2] + m[4], x * m[1] + y * m[3] + m[5]) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


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


def _visit(element, block: _Block | None, owners: dict[int, _Block], depth: int) -> None:
    if depth > 100:  # a cycle in a broken tree
        return
    tag = _tag(element)
    if tag in _UNLABELLED_TAGS and block is None:
        block = _Block(None)
    elif tag in _LABEL_OF_TAG and (block is None or block.implicit or tag in _CAPTION_LIKE_TAGS):
        block = _Block(_LABEL_OF_TAG[tag])
    elif block is not None and block.label == "text" and tag in ("Figure", "Table", "L"):
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


def _tag(element) -> str:
    size = pdfium_c.FPDF_StructElement_GetType(element, None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    pdfium_c.FPDF_StructElement_GetType(element, buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le")
