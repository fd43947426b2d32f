"""The structure tree of a tagged PDF: which block of which page owns which marked content.

Read from the document's root down with pypdf, in document order: pdfium's reader stops at 32 levels, follows one step
of a role map and forgets the form XObject that marked content lies in. `tagged_pdf` joins this with what is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NumberObject, StreamObject

from layoutdeit.corpus.page_objects import PAGE_STREAM, Box, ContentKey

MAX_ENTRIES = 2_000_000  # elements and marked contents; a book of a thousand pages has a tenth
MAX_ROLE_STEPS = 16  # from a role of the writer's own to a standard one

_LABEL_OF_ROLE = {
    "P": "text", "Caption": "text", "Note": "text", "FENote": "text", "H": "title", "Hn": "title", "Title": "title",
    "L": "list", "TOC": "list", "Table": "table", "Figure": "figure",
    **{f"H{level}": "title" for level in range(1, 10)},
}  # fmt: skip
_INLINE_ROLES = {
    "Span", "Em", "Strong", "Sub", "Link", "Reference", "Quote", "Code", "Lbl", "LBody", "Annot", "Ruby", "Warichu",
    "NonStruct", "Private",
}  # fmt: skip
_ITEM_ROLES = {"LI", "TOCI", "BibEntry"}  # where no list is around them, neighbours are one
_UNLABELLED_ROLES = {"Artifact", "Formula", "Form"}
_CAPTION_LIKE_ROLES = {"Caption", "Note", "FENote"}  # own text regions, also inside figures, tables and lists
_OWN_IN_TEXT = {"Figure", "Table", "L"}
_FRAME_ROLES = {"Div", "Sect", "Part", "Art"}  # in a paragraph: a text box that is anchored there
_HEADING_STYLE = re.compile(r"/(.* )?heading( \d+)?", re.IGNORECASE)  # such as LibreOffice's Bibliography Heading


class TagError(ValueError):
    """A structure tree that cannot be used; the message is for people."""


@dataclass(eq=False)
class Block:
    """An element that is one region per page and column; `label` None is content without a box.

    implicit: no element of its own, such as words right inside a Div. host: the block a figure stands in.
    """

    label: str | None
    implicit: bool = False
    host: Block | None = None


@dataclass
class PageStructure:
    """What a page's marked contents belong to, by (stream, content id); `frames` are figures known by /BBox alone."""

    owners: dict[ContentKey, Block] = field(default_factory=dict)
    frames: dict[Block, Box] = field(default_factory=dict)  # PDF space
    objects: dict[int, Block] = field(default_factory=dict)  # XObjects owned whole, by object number

    @property
    def needs_xobjects(self) -> bool:
        """Whether somebody must find out which XObject is which."""
        return bool(self.objects) or any(stream != PAGE_STREAM for stream, _ in self.owners)


@dataclass(eq=False, slots=True)
class _Element:
    """A node: its role after mapping, page (object number), kids, and its /BBox if it has one."""

    role: str
    page: int
    source: DictionaryObject
    kids: list[_Element | _Content] = field(default_factory=list)
    has_blocks: bool = False  # below it


class _Content(NamedTuple):
    """A marked content, or (`content_id` None) a whole object."""

    page: int
    stream: int
    content_id: int | None


def read_structure(reader: PdfReader) -> dict[int, PageStructure]:
    """The structure of each page that has any, by the page's object number. Raises TagError."""
    root = _dictionary(reader.root_object, "/StructTreeRoot")
    if root is None:
        raise TagError("no structure tree: export it again as tagged (accessible) PDF")
    elements = _elements(root)
    for element in reversed(elements):  # kids come after their parents
        kids = [kid for kid in element.kids if isinstance(kid, _Element)]
        element.has_blocks = _is_listing(element) or any(
            kid.has_blocks or kid.role in _LABEL_OF_ROLE or _is_item(kid) for kid in kids
        )
    return _owners(elements)


def _elements(root: DictionaryObject) -> list[_Element]:
    """All elements, parents first; each indirect object once, whatever cycles the file draws."""
    role_map = _dictionary(root, "/RoleMap") or DictionaryObject()
    top = _Element("StructTreeRoot", 0, root)
    elements, pending, seen, num_entries = [top], [top], set(), 0
    while pending:
        parent = pending.pop()
        for kid in _kids(parent.source):
            num_entries += 1
            if num_entries > MAX_ENTRIES:
                raise TagError(f"its structure tree has more than {MAX_ENTRIES:,} entries")
            if isinstance(kid, IndirectObject):
                if kid.idnum in seen:
                    continue
                seen.add(kid.idnum)
            node = _read_kid(kid, parent, role_map)
            if node is not None:
                parent.kids.append(node)
            if isinstance(node, _Element):
                elements.append(node)
                pending.append(node)
    return elements


def _kids(source: DictionaryObject) -> ArrayObject | list[Any]:
    kids = _value(source, "/K")
    if isinstance(kids, ArrayObject):
        return kids
    return [] if kids is None else [source.raw_get("/K")]


def _read_kid(kid: Any, parent: _Element, role_map: DictionaryObject) -> _Element | _Content | None:
    kid = kid.get_object() if isinstance(kid, IndirectObject) else kid
    if isinstance(kid, NumberObject):
        return _Content(parent.page, PAGE_STREAM, int(kid))
    if not isinstance(kid, DictionaryObject):
        return None
    page = _object_number(kid, "/Pg") or parent.page
    kind = _value(kid, "/Type")
    if kind == "/OBJR":
        is_drawn = isinstance(_value(kid, "/Obj"), StreamObject)  # an image, a form; a link is a dictionary
        return _Content(page, _object_number(kid, "/Obj"), None) if is_drawn else None
    if kind == "/MCR" or "/MCID" in kid:
        content_id = _value(kid, "/MCID")
        is_id = isinstance(content_id, NumberObject)
        return _Content(page, _object_number(kid, "/Stm") or PAGE_STREAM, int(content_id)) if is_id else None
    return _Element(_role(kid, role_map), page, kid)


def _role(source: DictionaryObject, role_map: DictionaryObject) -> str:
    """The standard role. A name that speaks for itself is believed: LibreOffice maps its style Title to P."""
    role = _value(source, "/S")
    if role == "/Preformatted Text":  # LibreOffice: a paragraph for each line
        return "Code"
    if isinstance(role, str) and _HEADING_STYLE.fullmatch(role):
        return "H"
    namespace = _dictionary(source, "/NS")
    maps = [role_map, namespace and _dictionary(namespace, "/RoleMapNS")]
    for _ in range(MAX_ROLE_STEPS):
        if not isinstance(role, str):
            return ""
        target = next((_value(each, role) for each in maps if each and role in each), None)
        if isinstance(target, ArrayObject):  # a role and its namespace
            target = target[0] if target else None
        if target is None or target == role or role == "/Title":
            break
        role = target
    return role.removeprefix("/")


def _owners(elements: list[_Element]) -> dict[int, PageStructure]:
    """Give every marked content its block."""
    pages: dict[int, PageStructure] = {}
    pending: list[tuple[_Element, Block | None]] = [(elements[0], None)]
    while pending:
        element, block = pending.pop()
        below = []
        for kid, owner in _kids_with_owners(element, block):
            if isinstance(kid, _Element):
                below.append((kid, owner))
            elif owner is not None:
                page = pages.setdefault(kid.page, PageStructure())
                if kid.content_id is None:
                    page.objects.setdefault(kid.stream, owner)
                else:
                    page.owners.setdefault((kid.stream, kid.content_id), owner)
        if element.role == "Figure" and block is not None and block.label == "figure":
            frame = _frame(element.source)
            if frame and element.page:
                pages.setdefault(element.page, PageStructure()).frames.setdefault(block, frame)
        pending += reversed(below)
    return pages


def _kids_with_owners(element: _Element, block: Block | None) -> Iterator[tuple[_Element | _Content, Block | None]]:
    """Each kid and the block its contents belong to: its own, that of the element, or one shared with neighbours."""
    words: Block | None = None  # implicit paragraph of neighbours without one
    items: Block | None = None
    for kid in element.kids:
        is_element = isinstance(kid, _Element)
        role = kid.role if is_element else ""
        is_open = block is None or block.implicit
        if is_element and is_open and _is_item(kid):
            items = items or Block("list")
            yield kid, items
            continue
        items = None
        own = _own_block(role, block or words) if is_element else None
        if block is None and _is_listing(element):
            own = Block("text")
        if block is not None and block.label in ("text", "title") and not block.implicit and role in _FRAME_ROLES:
            yield kid, None
            continue
        if own is not None:
            words = words if role == "Figure" else None  # an icon does not end the words around it
            yield kid, own
        elif block is not None:
            yield kid, block
        elif not is_element or role in (*_INLINE_ROLES, "Formula") and not kid.has_blocks:
            words = words or Block("text", implicit=True)
            yield kid, words
        else:
            words = None
            yield kid, None


def _own_block(role: str, block: Block | None) -> Block | None:
    """A new block for an element that stands in `block`, if it is a region of its own there."""
    if role in _UNLABELLED_ROLES and block is None:
        return Block(None)
    if role not in _LABEL_OF_ROLE:
        return None
    is_own_in_text = block is not None and block.label in ("text", "title") and role in _OWN_IN_TEXT
    is_table_in_figure = block is not None and block.label == "figure" and role == "Table"
    if block is None or block.implicit or role in _CAPTION_LIKE_ROLES or is_own_in_text or is_table_in_figure:
        return Block(_LABEL_OF_ROLE[role], host=block)
    return None


def _is_listing(element: _Element) -> bool:
    """Whether it is code and nothing else, as <pre><code> is."""
    kid = element.kids[0] if len(element.kids) == 1 else None
    return isinstance(kid, _Element) and kid.role == "Code" and element.role == "NonStruct"


def _is_item(element: _Element) -> bool:
    return element.role in _ITEM_ROLES


def _frame(source: DictionaryObject) -> Box | None:
    """The /BBox of an element's layout attributes."""
    attributes = _value(source, "/A")
    for each in attributes if isinstance(attributes, ArrayObject) else [attributes]:
        each = each.get_object() if isinstance(each, IndirectObject) else each
        frame = _value(each, "/BBox") if isinstance(each, DictionaryObject) else None
        if isinstance(frame, ArrayObject) and len(frame) == 4:
            try:
                x0, y0, x1, y1 = (float(value.get_object()) for value in frame)
            except (TypeError, ValueError):
                return None
            return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return None


def _value(source: DictionaryObject, key: str) -> Any:
    """What a key has, its reference followed; None for nothing."""
    value = source.raw_get(key) if key in source else None
    return value.get_object() if isinstance(value, IndirectObject) else value


def _dictionary(source: DictionaryObject, key: str) -> DictionaryObject | None:
    value = _value(source, key)
    return value if isinstance(value, DictionaryObject) else None


def _object_number(source: DictionaryObject, key: str) -> int:
    """The object number a key refers to, 0 for none."""
    value = source.raw_get(key) if key in source else None
    return value.idnum if isinstance(value, IndirectObject) else 0
