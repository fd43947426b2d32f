"""The words of a page's text layer, as pdfium finds them, in the page's own user space; `pdf.py` maps them on."""

from __future__ import annotations

from ctypes import byref, c_double

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

END_OF_LINE_HYPHEN = 2  # the code pdfium gives for it


def read_words(page: pdfium.PdfPage) -> tuple[list[str], list[list[float]], list[float]]:
    """Words in the order of the file, their boxes in user space (left, bottom, right, top), y up, and line heights.

    What pdfium takes for a space or a line break ends a word. The line height is that of its first character's font,
    in user space, whatever the character: "a" has that of "A".
    """
    texts: list[str] = []
    boxes: list[list[float]] = []
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
            if is_inside_word:
                texts[-1] += character
                boxes[-1] = [*map(min, boxes[-1][:2], box[:2]), *map(max, boxes[-1][2:], box[2:])]
            else:
                texts.append(character)
                boxes.append(box)
                pdfium_c.FPDFText_GetLooseCharBox(text_page, index, byref(loose))
                # the longer side: text may run upwards
                heights.append(max(abs(loose.top - loose.bottom), abs(loose.right - loose.left)))
            is_inside_word = code != END_OF_LINE_HYPHEN  # the other half is on the next line
    finally:
        text_page.close()
    return texts, boxes, heights


def _character(code: int) -> str:
    """The character of a code point, or "" for what is no text: controls, surrogates, non-characters."""
    if code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF) or code > 0x10FFFF:
        return ""
    return chr(code)
