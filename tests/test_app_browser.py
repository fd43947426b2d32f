"""The app as people meet it: `streamlit run`, driven in a real Chromium, with the shipped model.

LAYOUTDEIT_SCREENSHOTS=FOLDER keeps pictures of what was seen: app-1280.png, app-390.png and so on.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")
pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from pypdf import PdfReader

from layoutdeit.labels import LABELS
from layoutdeit.layout import DocumentLayout

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "layoutdeit" / "assets" / "sample.pdf"
REAL_PDF = "2305.03393v1-pg9.pdf"  # in LAYOUTDEIT_DATA/pdfs: one page with headings, paragraphs and a table
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_S = 60  # until the server answers; a second or two on a free machine
READ_MS = 120_000  # until a document is read, the loading of the model included
PATIENCE_MS = 45_000  # for what takes a moment on a free machine, and longer beside other work


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, served on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    log_path = tmp_path_factory.mktemp("server") / "log.txt"
    with log_path.open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until_healthy(server, port, log_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, politely first: it then removes the files of its visitors."""
    server.terminate()
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def wait_until_healthy(server: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    """Return when the server answers; fail with its log when it ended or takes too long."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the app did not start:\n{log_path.read_text()}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as started:
        expect.set_options(timeout=PATIENCE_MS)
        browser = started.chromium.launch(executable_path=chromium, headless=True, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The app in a new visitor's window, 1280 x 900; nothing may be asked of another machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(2 * PATIENCE_MS)
    page = context.new_page()
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if is_remote(request.url, address) else None)
    page.goto(address)
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible(timeout=START_S * 1000)
    yield page
    context.close()
    assert not strangers, strangers


def is_remote(url: str, address: str) -> bool:
    """Whether a request leaves the machine."""
    return not url.startswith((address, address.replace("http", "ws", 1), "data:", "blob:"))


def real_pdf() -> Path:
    """A real document where the test data is, otherwise the project's sample."""
    folder = Path(os.environ.get("LAYOUTDEIT_DATA", ROOT.parent / "shared" / "data")) / "pdfs"
    return folder / REAL_PDF if (folder / REAL_PDF).is_file() else SAMPLE


def upload(page: Page, path: Path) -> str:
    """Upload a file, wait until it is read, and return the line that says what it took."""
    page.locator("input[type=file]").set_input_files(path)
    return reading_summary(page)


def reading_summary(page: Page) -> str:
    """Wait until the document is read; the line that says so."""
    summary = page.get_by_text(re.compile(r"\d+ pages? in [\d.]+ s"))
    refusal = page.get_by_text("could not be")  # opened, or loaded
    expect(summary.or_(refusal)).to_be_visible(timeout=READ_MS)
    expect(refusal).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return summary.inner_text()


def region_count(page: Page) -> int:
    """How many regions the table of the page shows."""
    line = page.get_by_text(re.compile(r"Regions of page \d+ · \d+ shown"))
    expect(line).to_be_visible()
    return int(re.search(r"(\d+) shown", line.inner_text())[1])


def table_of(page: Page) -> Locator:
    """The region table as a screen reader finds it; its first row is the heading."""
    return page.get_by_test_id("stDataFrame").locator("[role=grid]")


def canvas_of(page: Page) -> FrameLocator:
    """The picture of the page, a document of its own."""
    return page.frame_locator("iframe[title*=page_canvas]")


def coloured_pixels(page: Page) -> int:
    """How many pixels of the page's picture, as the browser draws it, have the colour of a class."""
    sheet = canvas_of(page).locator("#page")
    expect(sheet).to_be_visible()
    pixels = np.asarray(Image.open(io.BytesIO(sheet.screenshot())).convert("RGB"), dtype=np.int16)  # (H, W, 3)
    colours = np.array([label.colour for label in LABELS])  # (5, 3)
    distance = np.abs(pixels[:, :, None, :] - colours).max(axis=3)  # (H, W, 5)
    return int((distance.min(axis=2) < 24).sum())


def download(page: Page, label: str) -> bytes:
    """Click a download button and return the file."""
    for is_last in (False, True):
        settle(page)
        try:
            with page.expect_download(timeout=PATIENCE_MS) as waiting:
                page.get_by_role("button", name=label, exact=True).click()
            return Path(waiting.value.path()).read_bytes()
        except PlaywrightTimeout:  # a run that began at the same moment has given the file another address
            if is_last:
                raise
    raise AssertionError("not reached")


def set_lowest_score(page: Page, key: str) -> None:
    """Move the slider to its lower or upper end with the keyboard: "Home" or "End"."""
    thumb = page.get_by_role("slider", name="Lowest score")
    thumb.focus()
    thumb.press(key)
    expect(thumb).to_have_attribute("aria-valuetext", {"Home": "0.05", "End": "0.95"}[key])
    settle(page)


# Resolves once the app has been idle, and its page unchanged, for `quiet` milliseconds.
IDLE_JS = """quiet => new Promise(resolve => {
    const app = document.querySelector('[data-testid=stApp]');
    let timer;
    const restart = () => { clearTimeout(timer); timer = setTimeout(done, quiet); };
    const seen = new MutationObserver(restart);
    const done = () => {
        if (app.dataset.testScriptState !== 'notRunning') return restart();
        seen.disconnect();
        resolve(true);
    };
    seen.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    restart();
})"""


def settle(page: Page) -> None:
    """Wait until the app has answered the last click."""
    page.evaluate(IDLE_JS, 600)


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page where LAYOUTDEIT_SCREENSHOTS asks for it."""
    if folder := os.environ.get("LAYOUTDEIT_SCREENSHOTS"):
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_uploaded_pdf_gets_boxes_that_follow_the_controls(page: Page):
    summary = upload(page, real_pdf())
    set_lowest_score(page, "Home")
    num_regions, num_coloured = region_count(page), coloured_pixels(page)
    assert num_regions > 0
    assert num_coloured > 500, "no boxes on the picture"
    expect(table_of(page)).to_have_attribute("aria-rowcount", str(num_regions + 1))

    set_lowest_score(page, "End")
    assert region_count(page) < num_regions
    set_lowest_score(page, "Home")
    for label in LABELS:
        page.get_by_role("button", name=label.name, exact=True).click()
    settle(page)
    assert region_count(page) == 0
    assert coloured_pixels(page) < num_coloured / 4, "boxes of classes that were switched off"
    assert reading_summary(page) == summary, "the document was read again"
    expect(page.get_by_text("Nothing was found")).to_have_count(0)


def test_downloads_hold_what_is_shown(page: Page):
    upload(page, real_pdf())
    set_lowest_score(page, "Home")
    everything = DocumentLayout.from_dict(json.loads(download(page, "JSON")))
    regions = [region for found in everything.pages for region in found.regions]
    assert everything.source.name == real_pdf().name and everything.source.num_pages == len(everything.pages)
    assert regions and len(everything.pages[0].regions) == region_count(page)

    annotated = PdfReader(io.BytesIO(download(page, "Annotated PDF")))
    squares = [note for sheet in annotated.pages for note in sheet.annotations or () if note["/Subtype"] == "/Square"]
    assert len(squares) == len(regions)
    assert len(download(page, "CSV").decode().splitlines()) > len(regions)
    assert Image.open(io.BytesIO(download(page, "Page PNG"))).width > 600

    page.get_by_role("button", name="text", exact=True).click()
    settle(page)
    without_text = DocumentLayout.from_dict(json.loads(download(page, "JSON")))
    labels = [region.label for found in without_text.pages for region in found.regions]
    assert labels == [region.label for region in regions if region.label != "text"]


def test_sample_fits_a_desk_and_a_telephone(page: Page):
    screenshot(page, "app-start-1280")
    page.get_by_role("button", name="Try the sample").click()
    assert "3 pages" in reading_summary(page)
    screenshot(page, "app-1280")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Regions of page 2")).to_be_visible()
    page.emulate_media(color_scheme="dark")
    screenshot(page, "app-dark-1280")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    screenshot(page, "app-390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "wider than the screen"
    image = canvas_of(page).locator("#page").bounding_box()
    assert 300 < image["width"] <= 390


def test_file_that_is_no_pdf_gets_a_sentence(page: Page, tmp_path: Path):
    path = tmp_path / "letter.pdf"
    path.write_bytes(b"Dear reader, this is no PDF.")
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("This document could not be opened.")).to_be_visible()
    expect(page.get_by_text("letter.pdf is neither a PDF")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    screenshot(page, "app-error-1280")
