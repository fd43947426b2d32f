"""What a PDF page draws, object by object: kind, marked-content id, extent and, for text, the line box.

Read through pdfium's raw interface; form XObjects are opened, so that every object is a leaf. Boxes are xyxy in PDF
space: points, origin bottom left, y up.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

Box = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]

# A line box around its baseline, in font sizes. PubLayNet's boxes come from pdfminer, whose line height is the font's
# bounding box: on real pages .31-.35 below the baseline and .80-1.1 above it, depending on the font.
LINE_ASCENT = 0.92
LINE_DESCENT = 0.31
LINE_SIDE_PT = 0.4  # advance widths reach a little beyond the ink

MAX_FORM_DEPTH = 8  # form XObjects inside form XObjects; deeper is a broken or hostile file

_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True)
class PageObject:
    """A leaf drawing operation. `content_id` is -1 outside marked content; `line` is None where text is turned."""

    kind: str  # "text", "path", "image"
    content_id: int
    ink: Box
    line: Box | None = None


def page_objects(page: pdfium.PdfPage) -> Iterator[PageObject]:
    """Yield the leaf objects of a page in drawing order; blanks are left out."""
    count = pdfium_c.FPDFPage_CountObjects(page)
    for index in range(count):
        yield from _leaf_objects(pdfium_c.FPDFPage_GetObject(page, index), _IDENTITY, -1, 0)


def _leaf_objects(raw: Any, outer: Matrix, inherited_id: int, depth: int) -> Iterator[PageObject]:
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
            yield PageObject("text", content_id, ink, _line_box(raw, outer, ink))
    elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
        yield PageObject("path", content_id, _without_miter(raw, ink))
    elif kind in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING):
        yield PageObject("image", content_id, ink)


def _line_box(raw: Any, outer: Matrix, ink: Box) -> Box | None:
    """Line box of upright text from its baseline and size, None for turned text."""
    a, b, c, d, _, baseline = _multiply(_matrix(raw), outer)
    if abs(b) > 0.05 * abs(a) or abs(c) > 0.05 * abs(d) or d <= 0:
        return None
    size = ctypes.c_float()
    pdfium_c.FPDFTextObj_GetFontSize(raw, size)
    em = size.value * d
    return ink[0] - LINE_SIDE_PT, baseline - LINE_DESCENT * em, ink[2] + LINE_SIDE_PT, baseline + LINE_ASCENT * em


def _without_miter(raw: Any, ink: Box) -> Box:
    """pdfium widens a stroked path by its whole width on each side; half is drawn, and none at a line's ends."""
    has_stroke, fill, width = ctypes.c_int(), ctypes.c_int(), ctypes.c_float()
    pdfium_c.FPDFPath_GetDrawMode(raw, fill, has_stroke)
    if not has_stroke.value or not pdfium_c.FPDFPageObj_GetStrokeWidth(raw, width):
        return ink
    pen, w, h = width.value, ink[2] - ink[0], ink[3] - ink[1]
    inset_x = pen if h < 2.2 * pen else pen / 2
    inset_y = pen if w < 2.2 * pen else pen / 2
    inset_x, inset_y = min(inset_x, w / 2), min(inset_y, h / 2)
    return ink[0] + inset_x, ink[1] + inset_y, ink[2] - inset_x, ink[3] - inset_y


def _bounds(raw: Any) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium_c.FPDFPageObj_GetBounds(raw, left, bottom, right, top)
    return left.value, bottom.value, right.value, top.value


def _matrix(raw: Any) -> Matrix:
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(raw, matrix)
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _multiply(m: Matrix, n: Matrix) -> Matrix:
    """First m, then n; both (a, b, c, d, e, f) as in PDF."""
    return (
        m[0] * n[0] + m[1] * n[2], m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2], m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4], m[4] * n[1] + m[5] * n[3] + n[5],
    )  # fmt: skip


def _transformed(box: Box, m: Matrix) -> Box:
    if m == _IDENTITY:
        return box
    corners = [(x * m[0] + y * m[2] + m[4], x * m[1] + y * m[3] + m[5]) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
