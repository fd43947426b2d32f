"""What tests may need and a machine may lack: real documents, poppler, a browser.

A test that lacks one is skipped and says so. LAYOUTDEIT_REQUIRE=browser,poppler,data turns such a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Two threads are what a small machine has; set before torch is imported, and inherited by processes tests start.
os.environ.setdefault("OMP_NUM_THREADS", "2")

REPOSITORY = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A skip whose reason contains one of the words is a skip for want of the part.
REQUIRABLE = {
    "browser": ("browser", "chromium", "playwright", "streamlit"),
    "poppler": ("poppler", "pdftoppm"),
    "data": ("LAYOUTDEIT_DATA",),
    "office": ("soffice",),
}


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real documents and images, never committed to the project."""
    folder = Path(os.environ.get("LAYOUTDEIT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set LAYOUTDEIT_DATA")
    return folder


@pytest.fixture(scope="session")
def pdftoppm() -> str:
    """The path of poppler's renderer."""
    return shutil.which("pdftoppm") or pytest.skip("no pdftoppm: install poppler-utils")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that Playwright can drive."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.skip("no browser: install chromium")


@pytest.fixture(scope="session")
def soffice() -> str:
    """The path of LibreOffice."""
    return shutil.which("soffice") or pytest.skip("no soffice: install libreoffice-writer")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a misspelt part at once: it would never be required."""
    if unknown := _required() - REQUIRABLE.keys():
        known = ", ".join(REQUIRABLE)
        raise pytest.UsageError(f"LAYOUTDEIT_REQUIRE: unknown {', '.join(sorted(unknown))}; use {known}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """A test skipped for want of a required part fails."""
    return _failed_if_required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """A test file skipped for want of a required part fails."""
    return _failed_if_required((yield))


def _failed_if_required(report: pytest.TestReport | pytest.CollectReport):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if any(word.lower() in reason.lower() for part in _required() for word in REQUIRABLE[part]):
            report.outcome = "failed"
            report.longrepr = f"{reason}\nThis skip is a failure because of LAYOUTDEIT_REQUIRE."
    return report


def _required() -> set[str]:
    return {part.strip() for part in os.environ.get("LAYOUTDEIT_REQUIRE", "").split(",") if part.strip()}
