"""The pages of a PDF as pypdf reads them, one at a time: its own list of them would hold them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from layoutdeit.limits import MAX_PAGES

if TYPE_CHECKING:
    from pypdf import PdfReader
    from pypdf.generic import DictionaryObject, IndirectObject

MAX_DEPTH = 500  # of the page tree
FORGET_PAGES = 32  # an object stream holds a hundred or two: it is read anew a few times, and never kept for long


def page_nodes(reader: PdfReader) -> Iterator[tuple[IndirectObject | None, DictionaryObject]]:
    """Each page in order: the reference to it (None where it stands in the tree itself) and its dictionary.

    What the reader keeps is forgotten every few pages. Raises ValueError for a tree that is a ring, too deep or too
    large; pypdf raises others for what is damaged.
    """
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

    root = reader.trailer["/Root"].raw_get("/Pages")
    above: list[tuple[int | None, Iterator]] = [(None, iter([root]))]
    num_entries = num_pages = 0
    while above:
        entry = next(above[-1][1], None)
        if entry is None:
            above.pop()
            continue
        node = entry.get_object()
        if not isinstance(node, DictionaryObject) or not node:
            continue  # readers pass over it
        number = entry.idnum if isinstance(entry, IndirectObject) else None
        num_entries += 1
        if num_entries > 2 * MAX_PAGES or len(above) > MAX_DEPTH or number in {n for n, _ in above if n is not None}:
            raise ValueError("the tree of pages is a ring, too deep or too large")
        if node.get("/Type", "/Pages" if "/Kids" in node else "/Page") == "/Pages":
            if "/Kids" in node and isinstance(kids := node["/Kids"], ArrayObject):  # [...]: a reference is followed
                above.append((number, iter(kids)))
            continue
        if node.get("/Type", "/Page") == "/Page":
            yield (entry if number is not None else None), node
            num_pages += 1
            if num_pages % FORGET_PAGES == 0:
                reader.resolved_objects.clear()
