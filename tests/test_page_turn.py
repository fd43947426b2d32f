"""Pages that lie on their side are read as people would turn them; boxes are of the page as it is."""

from __future__ import annotations

import io
from difflib import SequenceMatcher

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from source_tree import ROOT

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.geometry import iou
from layoutdeit.layout import PageLayout
from layoutdeit.page_turn import may_lie, turn_to_read, turned_box, turned_picture, turned_words
from layoutdeit.pdf import open_document
from layoutdeit.reading import Word

SAMPLE = ROOT / "layoutdeit" / "assets" / "sample.pdf"


def page(size=(60, 40)) -> Image.Image:
    """White, a black block at (10, 5, 30, 15)."""
    picture = Image.new("RGB", size, "white")
    picture.paste("black", (10, 5, 30, 15))
    return picture


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, -1, 5])
def test_boxes_and_words_turn_with_the_picture(quarters):
    turned = turned_picture(page(), quarters)
    box = turned_box((10, 5, 30, 15), (60, 40), quarters)
    assert Image.eval(turned.convert("L"), lambda value: 255 - value).getbbox() == box
    assert turned_box(box, turned.size, -quarters) == (10, 5, 30, 15)
    (word,) = turned_words([Word("a", (10, 5, 30, 15), 12.0, (10, 4, 30, 16))], (60, 40), quarters)
    assert word.box == box and word.line_box == turned_box((10, 4, 30, 16), (60, 40), quarters)


def test_words_tell_where_they_run():
    line = [Word("w", (10 + 30 * place, 100 + 20 * row, 35 + 30 * place, 110 + 20 * row))
            for row in range(4) for place in range(6)]  # fmt: skip
    for quarters in range(4):
        turned = turned_words(line, (300, 400), -quarters)
        assert turn_to_read(turned) == (quarters if quarters != 2 else 0), "upside down is not told"
    assert turn_to_read(line[:1]) == 0 == turn_to_read([])


def test_blank_and_tiny_pages_do_not_lie():
    assert not may_lie(Image.new("RGB", (600, 800), "white")) and not may_lie(Image.new("RGB", (3, 5)))


@pytest.fixture(scope="module")
def upright() -> tuple[LayoutAnalyzer, Image.Image, PageLayout]:
    """The shipped model, a page of the sample paper, and what is found on it."""
    analyzer = LayoutAnalyzer()
    with open_document(SAMPLE) as document:
        picture = document.render(1).image
        (layout,) = analyzer.analyze_pages(document, [2])
    assert not may_lie(picture) and len(layout.regions) > 5
    return analyzer, picture, layout


@pytest.mark.parametrize("quarters", [1, 3])
def test_scan_that_lies_has_the_boxes_of_the_upright_one(quarters, upright):
    analyzer, picture, _ = upright
    wanted = analyzer.analyze_image(picture)
    turned = turned_picture(picture, quarters)
    assert may_lie(turned)
    found = analyzer.analyze_image(turned)
    assert (found.width, found.height) == turned.size
    boxes = np.array([turned_box(region.box, turned.size, -quarters) for region in found.regions])
    assert (iou(np.array([region.box for region in wanted.regions]), boxes).max(axis=1) > 0.8).mean() >= 0.8


@pytest.mark.parametrize("quarters", [1, 3])
def test_pdf_that_lies_is_read_as_the_upright_one(quarters, upright):
    """Landscape tables in a portrait document: the content is turned, and no /Rotate says so."""
    analyzer, _, wanted = upright
    writer = PdfWriter(clone_from=PdfReader(SAMPLE))
    sheet = writer.pages[1]
    width, height = sheet.mediabox.width, sheet.mediabox.height
    sheet.add_transformation((0, -1, 1, 0, 0, width) if quarters == 1 else (0, 1, -1, 0, height, 0))
    sheet.mediabox = sheet.cropbox = RectangleObject((0, 0, height, width))
    file = io.BytesIO()
    writer.write(file)
    with open_document(file.getvalue()) as document:
        (found,) = analyzer.analyze_pages(document, [2])
    said, wanted_words = (
        [word for region in layout.regions if region.label != "figure" for word in region.text.split()]
        for layout in (found, wanted)
    )
    assert SequenceMatcher(None, said, wanted_words, autojunk=False).ratio() > 0.95, "in the same order"
    back = np.array([turned_box(region.box, (found.width, found.height), -quarters) for region in found.regions])
    overlaps = iou(np.array([region.box for region in wanted.regions]), back).max(axis=1)
    assert (overlaps > 0.8).mean() >= 0.8
