# ruff: noqa: F401, F811  the fixtures of test_app_browser are imported, and asked for by name
"""A document's length costs the app no memory: the real server, followed while it reads a long document."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("streamlit")
pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
from bulk_fixtures import sheets
from handmade_pdf import make_pdf
from playwright.sync_api import Page
from test_app_browser import READ_MS, address, browser, page

pytestmark = pytest.mark.heavy
NUM_PAGES = int(os.environ.get("LAYOUTDEIT_APP_PAGES", 150))


def server_at(address: str) -> psutil.Process:
    """The process that serves the app."""
    port = int(address.rpartition(":")[2])
    return next(
        process
        for process in psutil.Process().children()
        if any(link.status == psutil.CONN_LISTEN and link.laddr.port == port for link in process.net_connections())
    )


@pytest.mark.timeout(1800)
def test_app_reads_a_long_document_in_the_memory_of_a_short_one(page: Page, address: str, tmp_path: Path):
    path = tmp_path / "long.pdf"
    path.write_bytes(make_pdf(*sheets(NUM_PAGES)))
    server = server_at(address)
    page.locator("input[type=file]").set_input_files(path)
    started, seen = time.monotonic(), {}
    while len(seen) == 0 or max(seen) < NUM_PAGES:
        assert time.monotonic() - started < READ_MS / 1000 + 3 * NUM_PAGES, seen
        text = page.locator("body").inner_text()
        if read := re.search(r"Read (\d+) of", text):
            seen[int(read[1])] = server.memory_info().rss
        elif re.search(rf"{NUM_PAGES} pages in [\d.]+ s", text):
            seen[NUM_PAGES] = server.memory_info().rss
        time.sleep(0.2)
    print({number: f"{size >> 20} MiB" for number, size in seen.items() if number % 50 == 0})
    warm = max(size for number, size in seen.items() if number <= 30)
    assert seen[NUM_PAGES] <= 1.05 * warm, seen
