"""The words of a page's text layer, as pdfium finds them, in the page's own user space; `pdf.py` maps them on."""

from __future__ import annotations

from ctypes import byref, c_double

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

# In font sizes. PubLayNet's boxes come from pdfminer, whose lines are as high as the font's bounding box: on real pages
# .80 to 1.1 above the baseline and .31 to .35 below it. Made pages are boxed with the same two numbers.
ASCENT, DESCENT = 0.92, 0.31
JUMP = 1.5  # line heights between two letters that are not of one word, though no space is between them in the file
END_OF_LINE_HYPHEN = 2  # the code pdfium gives for it


def read_words(page: pdfium.PdfPage) -> tuple[list[str], list[list[float]]]:
    """Words in the order of the file, and for each the box of its glyphs, its line box and its line height.

    Boxes are left, bottom, right, top in user space, y up: nine numbers a word. The line box reaches from ASCENT above
    the baseline to DESCENT below it, whatever the characters: "a" has the height of "A". What pdfium takes for a space
    or a line break ends a word, and so does a jump to another place.
    """
    texts: list[str] = []
    boxes: list[list[float]] = []
    lines: list[list[float]] = []
    heights: list[float] = []
    loose = pdfium_c.FS_RECTF()
    left, right, bottom, top = c_double(), c_double(), c_double(), c_double()
    edges = byref(left), byref(right), byref(bottom), byref(top)  # once: a page has thousands of characters
    text_page = page.get_textpage()
    try:
        is_inside_word = False
        for index in range(text_page.count_chars()):
            code = pdfium_c.FPDFText_GetUnicode(text_page, index)
            character = "-" if code == END_OF_LINE_HYPHEN else _character(code)
            if not character or character.isspace():
                is_inside_word = False
                continue
            if not pdfium_c.FPDFText_GetCharBox(text_page, index, *edges):
                continue
            box = [left.value, bottom.value, right.value, top.value]
            if is_inside_word and _distance(boxes[-1], box) < JUMP * heights[-1]:
                texts[-1] += character
                boxes[-1] = _union(boxes[-1], box)
            else:
                texts.append(character)
                boxes.append(box)
                pdfium_c.FPDFText_GetLooseCharBox(text_page, index, byref(loose))
                lines.append(_line_at(text_page, index))
                # the longer side: text may run upwards
                heights.append(max(abs(loose.top - loose.bottom), abs(loose.right - loose.left)))
            is_inside_word = code != END_OF_LINE_HYPHEN  # the other half is on the next line
    finally:
        text_page.close()
    return texts, [[*box, *_union(box, line), height] for box, line, height in zip(boxes, lines, heights, strict=True)]


def _line_at(text_page: pdfium.PdfTextPage, index: int) -> list[float]:
    """The ends of a line's ascent and descent at a character's origin, as a box."""
    x, y, matrix = c_double(), c_double(), pdfium_c.FS_MATRIX()
    pdfium_c.FPDFText_GetCharOrigin(text_page, index, byref(x), byref(y))
    pdfium_c.FPDFText_GetMatrix(text_page, index, byref(matrix))
    size = pdfium_c.FPDFText_GetFontSize(text_page, index)
    up, right = matrix.d * size, matrix.c * size  # where the top of an em lies from its origin
    ends = [(x.value + share * right, y.value + share * up) for share in (ASCENT, -DESCENT)]
    xs, ys = zip(*ends, strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


def _distance(box: list[float], other: list[float]) -> float:
    """White between two boxes, across or along the line; below 0 where they overlap."""
    return max(other[0] - box[2], box[0] - other[2], other[1] - box[3], box[1] - other[3])


def _union(box: list[float], other: list[float]) -> list[float]:
    return [*map(min, box[:2], other[:2]), *map(max, box[2:], other[2:])]


def _character(code: int) -> str:
    """The character of a code point, or "" for what is no text: controls, surrogates, non-characters."""
    if code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF) or code > 0x10FFFF:
        return ""
    return chr(code)
