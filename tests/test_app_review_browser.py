# ruff: noqa: F401, F811  the fixtures of test_app_browser are imported, and asked for by name
"""Looking through documents as people do: several of them, small pages, regions pointed at; eight people at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader, PdfWriter
from test_app_browser import (
    PATIENCE_MS,
    READ_MS,
    SAMPLE,
    address,
    browser,
    canvas_of,
    page,
    reading_summary,
    screenshot,
    settle,
    table_of,
)

NUM_VISITORS = 8


def some_pages(path: Path, pages: list[int]) -> Path:
    """A document of these pages of the sample, counted from 0."""
    writer = PdfWriter()
    for index in pages:
        writer.add_page(PdfReader(SAMPLE).pages[index])
    writer.write(path)
    return path


def test_region_and_row_are_chosen_together(page: Page):
    page.get_by_role("button", name="Try the sample").click()
    reading_summary(page)
    settle(page)
    canvas = canvas_of(page)
    region = canvas.locator(".box").nth(2)
    said = region.get_attribute("aria-label")
    region.hover()
    expect(canvas.locator("#hint")).to_contain_text(said)
    region.click()
    expect(table_of(page).locator("[role=row][aria-selected=true]")).to_have_count(1)
    label, score = said.split()
    expect(page.get_by_text(f"score {score}")).to_be_visible()
    expect(page.get_by_role("img", name=f"The chosen region, a {label}")).to_be_visible()
    settle(page)
    screenshot(page, "chosen-1280")
    page.keyboard.press("Escape")
    expect(page.get_by_role("img", name=re.compile("The chosen region"))).to_have_count(0)

    # and the other way round: the first row
    grid = page.get_by_test_id("stDataFrame").locator("canvas").first.bounding_box()
    page.mouse.click(grid["x"] + 16, grid["y"] + 52)
    expect(canvas.locator(".box.selected")).to_have_count(1)
    expect(canvas.locator(".box.selected")).to_have_attribute("aria-pressed", "true")
    settle(page)
    page.get_by_text("What the backbone looks at").click()
    expect(page.get_by_role("img", name=re.compile(r"Page 1, bright where block \d+ looks"))).to_be_visible()
    expect(page.get_by_text("from the chosen region")).to_be_visible()
    settle(page)
    screenshot(page, "attention-1280")


def test_several_documents_and_some_of_their_pages(page: Page, tmp_path: Path):
    files = [some_pages(tmp_path / "first.pdf", [0, 1, 2]), some_pages(tmp_path / "second.pdf", [1])]
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    page.locator("input[type=file]").set_input_files([*files, tmp_path / "broken.pdf"])
    expect(page.get_by_text("This document could not be opened")).to_be_visible(timeout=READ_MS)
    expect(page.get_by_text(re.compile(r"3 pages in [\d.]+ s"))).to_be_visible(timeout=READ_MS)
    settle(page)
    page.get_by_text("Pages", exact=True).click()
    small = page.get_by_role("img", name=re.compile(r"Page \d, small"))
    expect(small).to_have_count(3)
    screenshot(page, "several-1280")
    page.get_by_role("button", name="3", exact=True).click()
    expect(page.get_by_text("Regions of page 3")).to_be_visible()

    only = page.get_by_role("textbox", name="Pages to read")
    only.fill("2-9")
    only.press("Enter")
    expect(page.get_by_text(re.compile(r"2 pages in [\d.]+ s"))).to_be_visible()
    expect(page.get_by_text("on the 2 pages asked for")).to_be_visible()
    only.fill("seven")
    only.press("Enter")
    expect(page.get_by_text("cannot read 'seven' as pages")).to_be_visible()

    settle(page)
    choice = page.get_by_role("combobox", name=re.compile("Document"))
    choice.click()
    choice.fill("second")
    choice.press("Enter")
    expect(page.get_by_text(re.compile(r"1 page in [\d.]+ s"))).to_be_visible(timeout=READ_MS)
    expect(page.get_by_text("Regions of page 1")).to_be_visible()
    page.get_by_role("button", name="Remove second.pdf").click()
    expect(page.get_by_text(re.compile(r"2 pages in [\d.]+ s"))).to_be_visible(timeout=READ_MS)


@pytest.mark.heavy
def test_eight_visitors_share_one_model(browser: Browser, address: str, tmp_path: Path):
    """Each sees its own progress and in the end its own document, with as many pages as it has and no other."""
    visitors = []
    for _ in range(NUM_VISITORS):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(4 * PATIENCE_MS)
        visitors.append(context.new_page())
        visitors[-1].goto(address)
        expect(visitors[-1].get_by_role("button", name="Try the sample")).to_be_visible(timeout=READ_MS)
    for index, visitor in enumerate(visitors):
        path = some_pages(tmp_path / f"of-visitor-{index}.pdf", [index % 3] * (1 + index % 3))
        visitor.locator("input[type=file]").set_input_files(path)
        # its own progress while it waits for its turn, or what it took where the turn has come already
        expect(visitor.get_by_text(re.compile(r"Read \d of \d pages|pages? in [\d.]+ s"))).to_be_visible()
    for index, visitor in enumerate(visitors):
        pages = "1 page" if index % 3 == 0 else f"{1 + index % 3} pages"
        expect(visitor.get_by_text(re.compile(rf"{pages} in [\d.]+ s"))).to_be_visible(timeout=2 * READ_MS)
        text = visitor.locator("body").inner_text()
        assert re.findall(r"of-visitor-\d", text) and set(re.findall(r"of-visitor-\d", text)) == {f"of-visitor-{index}"}
        expect(visitor.get_by_test_id("stException")).to_have_count(0)
        visitor.context.close()
