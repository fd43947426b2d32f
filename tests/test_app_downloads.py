"""The files to take away: what they hold is what the page says of them."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from app import downloads
from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import ModelInfo, PageLayout, Region
from layoutdeit.markdown import to_markdown

MODEL = ModelInfo("model", "", "torchvision")
EVERYTHING = Selection(0.5, LABEL_NAMES)


class ThreePages:
    """A document whose pages are given."""

    name, sha256, num_pages = "x.pdf", "", 3

    def close(self) -> None:
        pass


def page(number: int) -> PageLayout:
    """A page with a running head and a page number, and a heading that is the document's title on page 1 alone."""
    title, size = ("A title", 24.0) if number == 1 else (f"Heading {number}", 14.0)
    return PageLayout(
        number,
        612,
        792,
        (
            Region("text", 0.9, (50, 30, 350, 40), f"Smith et al. {number}", print_size=10.0),
            Region("title", 0.9, (50, 200, 350, 220), title, print_size=size),
            Region("text", 0.9, (50, 300, 350, 314), "A paragraph.", print_size=10.0),
            Region("text", 0.9, (50, 770, 350, 780), str(number), print_size=10.0),
        ),
    )


@pytest.fixture
def document() -> OpenDocument:
    """A document of three pages, all read."""
    return OpenDocument(ThreePages(), pages={number: page(number) for number in (1, 2, 3)})


def test_regions_in_the_files_are_counted(document: OpenDocument):
    layout = downloads.in_files(document, EVERYTHING, MODEL)
    assert sum(len(found.regions) for found in layout.pages) == 6
    said = downloads._contents(document, EVERYTHING, MODEL)
    assert "6 regions on all pages, without the running heads and page numbers (6)." in said
    assert "3 regions on all pages." in downloads._contents(document, Selection(0.5, ("title",)), MODEL)


def test_page_is_previewed_as_it_stands_in_the_file(document: OpenDocument):
    preview = downloads.page_in_file(document, EVERYTHING, 3, MODEL)
    assert preview.startswith("## Heading 3") and "Smith" not in preview
    assert preview.strip() in to_markdown(downloads.in_files(document, EVERYTHING, MODEL))
    document.wanted = (1, 2)
    assert "Heading 3" not in downloads.page_in_file(document, EVERYTHING, 3, MODEL), "it is not in the file"
