"""Which XObjects a page's content stream draws, in order: pdfium lists what is drawn, but not by object number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.generic import ContentStream, DictionaryObject, IndirectObject, StreamObject

MAX_DRAWN = 20_000
MAX_FORM_DEPTH = 8  # form XObjects inside form XObjects; deeper is a broken or hostile file


@dataclass(frozen=True)
class DrawnXObject:
    """An image (number 0: written into the content stream) or a form and what it draws in turn."""

    number: int
    is_form: bool
    inner: tuple[DrawnXObject, ...] = ()


def drawn_xobjects(page: PageObject, reader: PdfReader) -> tuple[DrawnXObject, ...]:
    """What the page draws, in order. Raises ValueError for more than MAX_DRAWN objects."""
    content = page.get_contents()
    return () if content is None else _drawn(content, page.get("/Resources"), reader, 0, [0])


def _drawn(content: Any, resources: Any, reader: PdfReader, depth: int, count: list[int]) -> tuple[DrawnXObject, ...]:
    stream = content if isinstance(content, ContentStream) else ContentStream(content, reader)
    xobjects = _dictionary(_dictionary(resources).get("/XObject"))
    drawn = []
    for operands, operator in stream.operations:
        if operator == b"INLINE IMAGE":
            drawn.append(DrawnXObject(0, False))
        if operator != b"Do" or not operands or operands[0] not in xobjects:
            continue
        count[0] += 1
        if count[0] > MAX_DRAWN:
            raise ValueError(f"draws more than {MAX_DRAWN:,} XObjects")
        reference = xobjects.raw_get(operands[0])
        number = reference.idnum if isinstance(reference, IndirectObject) else 0
        target = xobjects[operands[0]]
        is_form = isinstance(target, StreamObject) and target.get("/Subtype") == "/Form"
        inner: tuple[DrawnXObject, ...] = ()
        if is_form and depth < MAX_FORM_DEPTH:
            inner = _drawn(target, target.get("/Resources", resources), reader, depth + 1, count)
        drawn.append(DrawnXObject(number, is_form, inner))
    return tuple(drawn)


def _dictionary(value: Any) -> DictionaryObject:
    value = value.get_object() if isinstance(value, IndirectObject) else value
    return value if isinstance(value, DictionaryObject) else DictionaryObject()
