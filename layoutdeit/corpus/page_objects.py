"""What a PDF page draws, object by object: kind, marked content, extent and, for text, the line box.

Read through pdfium's raw interface; form XObjects are opened, so that every object is a leaf. Boxes are xyxy in PDF
space, or as the page is displayed: points, origin bottom left, y up.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from layoutdeit.corpus.drawn_xobjects import MAX_FORM_DEPTH, DrawnXObject

Box = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]
ContentKey = tuple[int, int]  # number of the form XObject (PAGE_STREAM: the page), id of the marked content in it

# A line box around its baseline, in font sizes. PubLayNet's boxes come from pdfminer, whose line height is the font's
# bounding box: on real pages .31-.35 below the baseline and .80-1.1 above it, depending on the font.
LINE_ASCENT = 0.92
LINE_DESCENT = 0.31
LINE_SIDE_PT = 0.4  # advance widths reach a little beyond the ink

PAGE_STREAM = 0  # the stream of a ContentKey that is the page's own
UNKNOWN_STREAM = -1
MAX_CLIPS, MAX_CLIP_SEGMENTS = 16, 1000  # more are drawings of their own
_XOBJECT_KINDS = (pdfium_c.FPDF_PAGEOBJ_FORM, pdfium_c.FPDF_PAGEOBJ_IMAGE)
_ARTIFACT = "Artifact\0".encode("utf-16-le")

_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True)
class PageObject:
    """A leaf drawing operation. `content` is None outside marked content; `line` is None where text is turned."""

    kind: str  # "text", "path", "image"
    content: ContentKey | None
    ink: Box  # what a clip path leaves of it
    line: Box | None = None
    is_artifact: bool = False
    num_segments: int = 0  # of a path
    xobject: int = 0  # number of the XObject it is or is in, where known


@dataclass(frozen=True)
class _Place:
    """Where an object stands: the matrix around it, what its marked content is unless it says otherwise, its stream."""

    matrix: Matrix = _IDENTITY
    content: ContentKey | None = None
    is_artifact: bool = False
    stream: int = PAGE_STREAM
    xobject: int = 0
    depth: int = 0


def page_objects(
    page: pdfium.PdfPage,
    drawn: Sequence[DrawnXObject] | None = None,
    streams: Collection[int] = (),
    to_display: Matrix = _IDENTITY,
) -> Iterator[PageObject]:
    """Yield the leaf objects of a page in drawing order; blanks are left out.

    drawn: the XObjects in order, where it matters which is which; streams: the forms that count their contents anew;
    to_display: the matrix after which text is upright, where that is not PDF space.
    """
    raws = [pdfium_c.FPDFPage_GetObject(page, index) for index in range(pdfium_c.FPDFPage_CountObjects(page))]
    yield from _leaf_objects(raws, _Place(to_display), drawn, streams)


def _leaf_objects(
    raws: list[Any], place: _Place, drawn: Sequence[DrawnXObject] | None, streams: Collection[int]
) -> Iterator[PageObject]:
    kinds = [pdfium_c.FPDFPageObj_GetType(raw) for raw in raws]
    xobjects = _in_step(kinds, drawn)
    for raw, kind in zip(raws, kinds, strict=True):
        xobject = next(xobjects) if kind in _XOBJECT_KINDS else None
        number = xobject.number if xobject else place.xobject
        content_id = pdfium_c.FPDFPageObj_GetMarkedContentID(raw)
        content = (place.stream, content_id) if content_id >= 0 else place.content
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            if place.depth < MAX_FORM_DEPTH:
                is_artifact = place.is_artifact or content is None and _is_artifact(raw)
                stream = PAGE_STREAM if drawn is None else number if number in streams else place.stream
                matrix = _multiply(_matrix(raw), place.matrix)
                inner = [pdfium_c.FPDFFormObj_GetObject(raw, i) for i in range(pdfium_c.FPDFFormObj_CountObjects(raw))]
                below = _Place(matrix, content, is_artifact, stream, number, place.depth + 1)
                yield from _leaf_objects(inner, below, None if drawn is None else xobject.inner, streams)
            continue
        ink = transformed(_bounds(raw), place.matrix)
        is_artifact = content is None and (place.is_artifact or _is_artifact(raw))
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            if ink[2] - ink[0] > 0.05:  # spaces have no ink
                line = _line_box(raw, place.matrix, ink)
                yield PageObject("text", content, ink, line, is_artifact, xobject=number)
            continue
        num_segments = 0
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            ink, num_segments = _without_miter(raw, ink), pdfium_c.FPDFPath_CountSegments(raw)
        elif kind not in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING):
            continue
        ink = _clipped(raw, place.matrix, ink)
        if ink is not None:
            name = "path" if num_segments else "image"
            yield PageObject(name, content, ink, None, is_artifact, num_segments, number)


def _in_step(kinds: list[int], drawn: Sequence[DrawnXObject] | None) -> Iterator[DrawnXObject]:
    """The XObject behind each image and form; unknown ones where pdfium and the content stream count differently."""
    found = [kind == pdfium_c.FPDF_PAGEOBJ_FORM for kind in kinds if kind in _XOBJECT_KINDS]
    if drawn is not None and [each.is_form for each in drawn] == found:
        return iter(drawn)
    return iter([DrawnXObject(UNKNOWN_STREAM if drawn is not None else 0, is_form) for is_form in found])


def _is_artifact(raw: Any) -> bool:
    """Whether the object is marked as no part of the text; running heads are."""
    for index in range(pdfium_c.FPDFPageObj_CountMarks(raw)):
        mark = pdfium_c.FPDFPageObj_GetMark(raw, index)
        name, size = ctypes.create_string_buffer(32), ctypes.c_ulong()
        wide = ctypes.cast(name, ctypes.POINTER(pdfium_c.FPDF_WCHAR))
        if pdfium_c.FPDFPageObjMark_GetName(mark, wide, 32, size) and name.raw[: size.value] == _ARTIFACT:
            return True
    return False


def _clipped(raw: Any, outer: Matrix, ink: Box) -> Box | None:
    """What the boxes of the clip paths leave of an object; None for nothing."""
    clip = pdfium_c.FPDFPageObj_GetClipPath(raw)
    num_paths = pdfium_c.FPDFClipPath_CountPaths(clip) if clip else 0
    for path in range(max(0, min(num_paths, MAX_CLIPS))):
        points = []
        num_segments = pdfium_c.FPDFClipPath_CountPathSegments(clip, path)
        for index in range(max(0, min(num_segments, MAX_CLIP_SEGMENTS))):
            x, y = ctypes.c_float(), ctypes.c_float()
            pdfium_c.FPDFPathSegment_GetPoint(pdfium_c.FPDFClipPath_GetPathSegment(clip, path, index), x, y)
            points.append((x.value, y.value))
        if not points or num_segments > MAX_CLIP_SEGMENTS:
            continue
        xs, ys = zip(*points, strict=True)
        hole = transformed((min(xs), min(ys), max(xs), max(ys)), outer)
        ink = max(ink[0], hole[0]), max(ink[1], hole[1]), min(ink[2], hole[2]), min(ink[3], hole[3])
        if ink[0] > ink[2] or ink[1] > ink[3]:
            return None
    return ink


def _line_box(raw: Any, outer: Matrix, ink: Box) -> Box | None:
    """Line box of upright text from its baseline and size, None for turned text; text made slanted is upright."""
    a, b, _, d, _, baseline = _multiply(_matrix(raw), outer)
    if abs(b) > 0.05 * abs(a) or d <= 0:
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


def transformed(box: Box, m: Matrix) -> Box:
    """The box around a box's corners under a matrix (a, b, c, d, e, f) as in PDF."""
    if m == _IDENTITY:
        return box
    corners = [(x * m[0] + y * m[2] + m[4], x * m[1] + y * m[3] + m[5]) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
