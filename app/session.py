"""What the server remembers of one visitor: the open document and the pages read so far.

It lives in `st.session_state` only, never in a cache or a global that another visitor's run could reach, and goes
when the visitor opens another document or leaves.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from PIL import Image

from app import corrections
from app.corrections import Edits
from layoutdeit.layout import PageLayout, SourceInfo
from layoutdeit.pdf import Document

DOCUMENT_KEY = "document"
PAGE_KEY = "page_number"  # the widget that chooses the page; buttons write it too


@dataclass(eq=False)
class OpenDocument:
    """A visitor's document. `pages` maps page numbers from 1 to their layouts, all scores kept, as they are read,
    and `edits` those that were corrected to what was changed.

    `compared` holds pages as another model reads them, for a look at both.
    `picture` is the last page shown and its number, `overlay` the last page with its boxes and its PNG,
    `data_url` the picture as the editor takes it: one of each,
    so memory does not grow with the document. A run that reads a page holds `turn`: a click starts a second run
    while the first is still busy with its page.
    """

    pdf: Document
    pages: dict[int, PageLayout] = field(default_factory=dict)
    edits: dict[int, Edits] = field(default_factory=dict)
    is_paused: bool = False
    picture: tuple[int, Image.Image] | None = None
    overlay: tuple[PageLayout, bytes] | None = None
    data_url: tuple[int, str] | None = None
    model: str = ""  # whose pages and edits these are
    of_models: dict[str, tuple[dict[int, PageLayout], dict[int, Edits]]] = field(default_factory=dict)
    compared: dict[tuple[str, int], PageLayout] = field(default_factory=dict)
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # closed when the last one lets go: a run that a click has replaced may still be reading a page of it
        weakref.finalize(self, self.pdf.close)

    def use_model(self, model: str) -> None:
        """Show the pages of a model: those it has read, and the corrections made on them. Nothing is lost."""
        if model == self.model:
            return
        self.of_models[self.model] = (self.pages, self.edits)
        self.pages, self.edits = self.of_models.get(model, ({}, {}))
        self.model, self.overlay = model, None

    @property
    def source(self) -> SourceInfo:
        """What the results say of where they came from."""
        return SourceInfo(self.pdf.name, self.pdf.sha256, self.pdf.num_pages)

    @property
    def num_pages(self) -> int:
        """How many pages the document has, read or not."""
        return self.pdf.num_pages

    @property
    def is_complete(self) -> bool:
        """Whether every page has been read."""
        return len(self.pages) == self.num_pages

    def next_unread(self, first: int) -> int | None:
        """The page to read next: page `first`, which the visitor looks at, or else the lowest one left."""
        if first not in self.pages:
            return first
        return next((number for number in range(1, self.num_pages + 1) if number not in self.pages), None)

    def read_pages(self) -> tuple[PageLayout, ...]:
        """The pages read so far, as corrected, in their order."""
        return tuple(self.page(number) for number in sorted(self.pages))

    def page(self, number: int) -> PageLayout | None:
        """A page as corrected, or None while it is not read."""
        page = self.pages.get(number)
        return page if page is None else corrections.apply(page, self.edits.get(number, {}))


def current() -> OpenDocument | None:
    """The visitor's document, if one is open."""
    return st.session_state.get(DOCUMENT_KEY)


def component_value(key: str) -> Any:
    """What the browser side of a component sent last."""
    return st.session_state.get(key)


def put(document: OpenDocument | None) -> None:
    """Make this the visitor's document, or none, and forget the one before; page 1 is shown."""
    if DOCUMENT_KEY in st.session_state:
        del st.session_state[DOCUMENT_KEY]  # a value written over stays in memory until the next run
    if document is not None:
        st.session_state[DOCUMENT_KEY] = document
    st.session_state[PAGE_KEY] = 1
