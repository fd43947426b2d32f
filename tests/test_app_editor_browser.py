# ruff: noqa: F401, F811  the fixtures of test_app_browser are imported, and asked for by name
"""The correcting of boxes as people do it: with a mouse, a finger and the keyboard, in a real Chromium."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect
from test_app_browser import (
    PATIENCE_MS,
    address,
    browser,
    download,
    page,
    reading_summary,
    screenshot,
    settle,
)

MOVE_PX = 30
POINTS = 1.5  # as near as a box must land: a screen pixel is most of a point


def open_editor(page: Page) -> FrameLocator:
    """Read the sample and start correcting."""
    page.get_by_role("button", name="Try the sample").click()
    reading_summary(page)
    page.get_by_text("Correct the regions").click()
    editor = page.frame_locator("iframe[title*=page_canvas]")
    expect(editor.locator(".box").first).to_be_visible(timeout=30_000)
    settle(page)
    return editor


def box_of(rect: Locator) -> list[float]:
    """A box on the page picture, xywh in points."""
    return [float(rect.get_attribute(name)) for name in ("x", "y", "width", "height")]


def points_per_pixel(editor: FrameLocator) -> float:
    return editor.locator("#page").evaluate("page => page.viewBox.baseVal.width / page.getBoundingClientRect().width")


def saved_annotations(page: Page) -> tuple[dict, list[dict]]:
    """The only page of the saved COCO file, and its annotations."""
    button = page.get_by_role("button", name="COCO and pictures", exact=True)
    if not button.is_visible():
        page.get_by_text("Train on these").click()
    expect(button).to_be_enabled()
    with zipfile.ZipFile(io.BytesIO(download(page, "COCO and pictures"))) as archive:
        coco = json.loads(archive.read("train.json"))
        [image] = coco["images"]
        assert f"train/{image['file_name']}" in archive.namelist()
    return image, coco["annotations"]


def corrected_xywh(page: Page) -> list[float]:
    """The one corrected box of the saved COCO file, in points of a letter page."""
    image, annotations = saved_annotations(page)
    [found] = [annotation for annotation in annotations if annotation["corrected"]]
    return [value * 612 / image["width"] for value in found["bbox"]]


def test_dragged_box_is_saved_and_survives_the_turning_of_pages(page: Page):
    editor = open_editor(page)
    first = editor.locator('.box:not([aria-label^="figure"])').first  # it is made one below
    name, (x, y, width, height) = first.get_attribute("data-id"), box_of(first)
    scale = points_per_pixel(editor)
    place = first.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2 + MOVE_PX, steps=4)
    page.mouse.up()
    settle(page)
    moved = [x, y + MOVE_PX * scale, width, height]
    screenshot(page, "editor-1280")
    assert box_of(editor.locator(f'[data-id="{name}"]')) == pytest.approx(moved, abs=POINTS)
    assert corrected_xywh(page) == pytest.approx(moved, abs=POINTS)

    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Regions of page 2")).to_be_visible()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text("Regions of page 1")).to_be_visible()
    settle(page)
    assert box_of(editor.locator(f'[data-id="{name}"]')) == pytest.approx(moved, abs=POINTS)

    first.focus()
    editor.locator(f'[data-id="{name}"]').press("5")
    expect(editor.locator(f'[data-id="{name}"]')).to_have_attribute("aria-label", "figure, corrected")
    editor.get_by_role("button", name="Undo").click()
    editor.get_by_role("button", name="Undo").click()
    assert box_of(editor.locator(f'[data-id="{name}"]')) == pytest.approx([x, y, width, height], abs=0.01)


def test_relabelled_heading_stays_in_the_markdown(page: Page):
    editor = open_editor(page)
    heading = editor.locator('.box[aria-label^="title"]').first
    name = heading.get_attribute("data-id")
    heading.focus()
    said = editor.locator("#hint")
    expect(said).to_contain_text(": ")
    text = said.inner_text().partition(": ")[2].split("\n")[0]
    page.get_by_text("This page as Markdown").click()
    markdown = page.get_by_role("group").filter(has_text="This page as Markdown").get_by_test_id("stCode")
    expect(markdown).to_contain_text(f"# {text}")
    editor.locator(f'[data-id="{name}"]').press("1")
    expect(markdown).not_to_contain_text(f"# {text}")
    expect(markdown).to_contain_text(text)


def test_page_down_on_the_picture_turns_again_and_again(page: Page):
    editor = open_editor(page)
    for _ in range(2):
        editor.locator("#in").press("PageDown")
        expect(page.get_by_text("Regions of page 2")).to_be_visible()
        page.get_by_role("button", name="Previous").click()
        expect(page.get_by_text("Regions of page 1")).to_be_visible()
        settle(page)


def test_finger_moves_a_box_on_a_telephone(browser: Browser, address: str):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, accept_downloads=True)
    context.set_default_timeout(2 * PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    editor = open_editor(page)
    first = editor.locator(".box").first
    name, (x, y, width, height) = first.get_attribute("data-id"), box_of(first)
    scale = points_per_pixel(editor)
    first.scroll_into_view_if_needed()
    place = first.bounding_box()
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
    finger = context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    for part in (0.5, 1):
        there = {"x": at["x"], "y": at["y"] + part * MOVE_PX}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [there]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(page)
    screenshot(page, "editor-390")
    moved = [x, y + MOVE_PX * scale, width, height]
    assert box_of(editor.locator(f'[data-id="{name}"]')) == pytest.approx(moved, abs=POINTS)
    assert corrected_xywh(page) == pytest.approx(moved, abs=POINTS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "wider than the screen"
    context.close()
