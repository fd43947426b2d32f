"""One open document of one visitor: the pages read so far, what was corrected on them, and which of them are wanted."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from app import corrections
from app.corrections import Edits
from layoutdeit.layout import PageLayout, Region, SourceInfo
from layoutdeit.pdf import Document
from layoutdeit.reading import Word


@dataclass(eq=False)
class OpenDocument:
    """A visitor's document. `pages` maps page numbers from 1 to their layouts, all scores kept, as they are read,
    and `edits` those that were corrected to what was changed. `wanted` are the pages to read, None for all.

    `compared` holds pages as another model reads them, for a look at both.
    `typed_pages` is what the visitor typed to choose the wanted pages, `pages_problem` what is wrong with it.
    `focus` is the region looked at, by page and id; the counters say when the picture and the table must follow it.
    `picture` is the last page shown and its number, `data_url` that picture as the browser takes it, `thumbnails` the
    last small ones, `last_words` a page's words and its number: memory does not grow with the document. A run that
    reads a page holds `turn`: a click starts a second run while the first is still busy with its page.
    """

    pdf: Document
    upload_id: str = ""
    pages: dict[int, PageLayout] = field(default_factory=dict)
    edits: dict[int, Edits] = field(default_factory=dict)
    wanted: tuple[int, ...] | None = None
    typed_pages: str = ""
    pages_problem: str | None = None
    is_paused: bool = False
    focus: tuple[int, str] | None = None
    num_picture_follows: int = 0
    num_table_follows: int = 0
    picture: tuple[int, Image.Image] | None = None
    data_url: tuple[Image.Image, str] | None = None
    thumbnails: dict[int, Image.Image] = field(default_factory=dict)
    last_words: tuple[int, tuple[Word, ...]] | None = None
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
        self.of_models.setdefault(self.model, (self.pages, self.edits))
        self.pages, self.edits = self.of_models.setdefault(model, ({}, {}))
        self.model, self.focus = model, None

    def pages_of(self, model: str) -> dict[int, PageLayout]:
        """The pages that a model has read, whether or not they are those shown."""
        return self.of_models[model][0] if model in self.of_models else self.pages

    @property
    def source(self) -> SourceInfo:
        """What the results say of where they came from."""
        return SourceInfo(self.pdf.name, self.pdf.sha256, self.pdf.num_pages)

    @property
    def num_pages(self) -> int:
        """How many pages the document has, read or not."""
        return self.pdf.num_pages

    @property
    def to_read(self) -> Sequence[int]:
        """The numbers of the pages to read, ascending."""
        return range(1, self.num_pages + 1) if self.wanted is None else self.wanted

    @property
    def num_read(self) -> int:
        """How many of the wanted pages have been read."""
        return len(self.pages) if self.wanted is None else sum(number in self.pages for number in self.wanted)

    @property
    def is_complete(self) -> bool:
        """Whether every wanted page has been read."""
        return self.num_read == len(self.to_read)

    def next_unread(self, first: int) -> int | None:
        """The page to read next: page `first`, which the visitor looks at, or else the lowest wanted one left."""
        if first not in self.pages and first in self.to_read:
            return first
        return next((number for number in self.to_read if number not in self.pages), None)

    def read_pages(self) -> tuple[PageLayout, ...]:
        """The wanted pages read so far, as corrected, in their order."""
        return tuple(self.page(number) for number in sorted(self.pages) if number in self.to_read)

    def page(self, number: int) -> PageLayout | None:
        """A page as corrected, or None while it is not read."""
        page = self.pages.get(number)
        return page if page is None else corrections.apply(page, self.edits.get(number, {}))

    def words(self, number: int) -> tuple[Word, ...]:
        """The words of a page, read once for all that is corrected on it. Raises PdfError."""
        last = self.last_words
        if last is None or last[0] != number:
            last = self.last_words = number, self.pdf.words(number - 1)
        return last[1]

    def named_regions(self, number: int) -> dict[str, Region]:
        """The regions of a page as corrected, by id; none while it is not read."""
        page = self.pages.get(number)
        return {} if page is None else corrections.named_regions(page, self.edits.get(number, {}))

    def focused_id(self, number: int) -> str | None:
        """The id of the region looked at, where it is on this page."""
        return self.focus[1] if self.focus is not None and self.focus[0] == number else None

    def focused_region(self, number: int) -> Region | None:
        """The region looked at, where it is on this page."""
        return self.named_regions(number).get(self.focused_id(number) or "")
