"""The app without a browser: what it shows and remembers, with the shipped model."""

from __future__ import annotations

import gc
import tomllib
import weakref
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
import torch
from pypdf import PdfReader, PdfWriter
from streamlit.testing.v1 import AppTest

from app import reader
from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.engines.base import Detections, Detector
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import ModelInfo, PageError, PageLayout, Region
from layoutdeit.pdf import open_document

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "layoutdeit" / "assets" / "sample.pdf"
PASSWORD = "open sesame"
TIMEOUT_S = 120  # a run reads a whole document: seconds on a free machine, more on a busy one


@pytest.fixture
def app() -> AppTest:
    """The app as a visitor finds it."""
    return AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=TIMEOUT_S).run()


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> LayoutAnalyzer:
    """In place of the shipped model one that finds nothing at once, where it does not matter what is found."""

    class BlindDetector(Detector):
        engine = "torchvision"

        def predict(self, images, *, masks=False):
            return [Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0)) for _ in images]

    analyzer = LayoutAnalyzer.from_detector(BlindDetector(), ModelInfo("blind", "0" * 64, "torchvision"))
    monkeypatch.setattr(reader, "shared_analyzer", lambda: analyzer)
    return analyzer


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The page numbers that the model was asked to read, in the order of asking."""
    numbers: list[int] = []
    analyze_pages = LayoutAnalyzer.analyze_pages

    def counted(self, document, pages=None, score=None):
        numbers.extend(pages)
        return analyze_pages(self, document, pages, score)

    monkeypatch.setattr(LayoutAnalyzer, "analyze_pages", counted)
    return numbers


def blank_pdf(tmp_path: Path, *, num_pages: int = 1, password: str | None = None) -> bytes:
    """A small PDF without a mark on it; its pages are not square."""
    writer = PdfWriter()
    for _ in range(num_pages):
        writer.add_blank_page(300, 400)
    if password:
        writer.encrypt(password)
    path = tmp_path / "blank.pdf"
    writer.write(path)
    return path.read_bytes()


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    """Upload a file and wait until the app is done with it."""
    app.file_uploader[0].set_value([(name, data, "application/pdf")])
    return finished(app)


def finished(app: AppTest) -> AppTest:
    """Run the app; no run may end in an exception."""
    app.run()
    assert not app.exception, app.exception
    return app


def button(app: AppTest, label: str):
    """The button with this label."""
    return next(found for found in app.button if found.label == label)


def document_of(app: AppTest) -> OpenDocument | None:
    """What the session holds."""
    return app.session_state.get("document")


def shown(app: AppTest) -> list[str]:
    """The classes in the region table, row by row."""
    return list(app.dataframe[0].value["class"]) if app.dataframe else []


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def test_the_first_page_explains_the_classes(app: AppTest):
    assert not app.exception
    assert all(any(name in block.value for block in app.markdown) for name in LABEL_NAMES)
    assert not app.dataframe and not app.slider


def test_sample_is_read_once_and_filtered_often(app: AppTest, readings: list[int]):
    button(app, "Try the sample").click()
    finished(app)
    document = document_of(app)
    assert readings == [1, 2, 3] == sorted(document.pages)
    assert "3 pages in" in captions(app) and reader.shared_analyzer().info.name in captions(app)

    counts = {}
    for score in (0.05, 0.95):
        app.slider[0].set_value(score)
        finished(app)
        counts[score] = len(shown(app))
        assert counts[score] == sum(region.score >= score for region in document.pages[1].regions)
    assert counts[0.05] > counts[0.95]

    app.slider[0].set_value(0.05)
    app.pills[0].set_value(["text"])
    finished(app)
    assert set(shown(app)) == {"text"}
    num_text = sum(region.label == "text" for page in document.pages.values() for region in page.regions)
    assert f"{num_text} regions on all pages" in captions(app)

    app.pills[0].set_value([])
    finished(app)
    assert not app.dataframe and "of a class left out" in captions(app)
    assert readings == [1, 2, 3], "a slider or a switch ran the model again"


def test_pages_are_turned(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload(app, "two.pdf", blank_pdf(tmp_path, num_pages=2))
    assert button(app, "Previous").disabled
    button(app, "Next").click()
    finished(app)
    assert app.number_input[0].value == 2 and button(app, "Next").disabled
    assert any("Regions of page 2" in block.value for block in app.markdown)
    app.number_input[0].set_value(1)
    finished(app)
    assert any("Regions of page 1" in block.value for block in app.markdown)
    upload(app, "one.pdf", blank_pdf(tmp_path))
    assert not app.number_input and document_of(app).num_pages == 1


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("notes *of* [mine](x).pdf", b"no PDF at all", "neither a PDF"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj", "damaged"),
        ("nothing.pdf", b"", "empty"),
    ],
)
def test_unreadable_file_gets_a_sentence(app: AppTest, name: str, data: bytes, reason: str):
    upload(app, name, data)
    assert app.error[0].value == "This document could not be opened."
    # as plain text: a name is the visitor's, and must not be read as Markdown
    assert name in app.text[0].value and reason in app.text[0].value
    assert document_of(app) is None and not app.dataframe


def test_password_opens_an_encrypted_file(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload(app, "secret.pdf", blank_pdf(tmp_path, password=PASSWORD))
    assert not app.error and "encrypted" in app.text[0].value
    app.text_input[0].set_value("wrong")
    button(app, "Open").click()
    finished(app)
    assert document_of(app) is None and "not accepted" in app.text[0].value
    app.text_input[0].set_value(PASSWORD)
    button(app, "Open").click()
    finished(app)
    assert sorted(document_of(app).pages) == [1] and not app.text_input


def test_a_removed_file_is_forgotten(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload(app, "mine.pdf", blank_pdf(tmp_path))
    document = weakref.ref(document_of(app))
    stranger = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=TIMEOUT_S).run()
    assert "document" not in stranger.session_state and not stranger.dataframe
    app.file_uploader[0].clear()
    finished(app)
    assert document_of(app) is None and "mine.pdf" not in captions(app)
    gc.collect()
    assert document() is None, "something still holds the document"


def test_a_failed_page_is_explained_and_the_others_stay(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload(app, "two.pdf", blank_pdf(tmp_path, num_pages=2))
    document_of(app).pages[1] = PageLayout(1, 300, 400, error=PageError("model", "the model failed on page 1"))
    finished(app)
    assert app.warning and "the model failed on page 1" in [text.value for text in app.text]
    button(app, "Next").click()
    assert not finished(app).warning


def test_a_missing_model_gets_a_sentence(app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing() -> LayoutAnalyzer:
        raise FileNotFoundError("no model file there")

    monkeypatch.setattr(reader, "shared_analyzer", missing)
    upload(app, "mine.pdf", blank_pdf(tmp_path))
    assert app.error[0].value == "The model could not be loaded."
    assert "no model file there" in [text.value for text in app.text]


def test_a_stopped_document_is_not_read(blind: LayoutAnalyzer, tmp_path: Path, readings: list[int]):
    document = OpenDocument(open_document(blank_pdf(tmp_path, num_pages=3)), is_paused=True)
    reader.read_next(blind, document, 1, document.model)
    assert readings == [] and not document.pages
    document.is_paused = False
    for first in (2, 2, 2, 2):
        reader.read_next(blind, document, first, document.model)
    assert readings == [2, 1, 3], "the page looked at comes first, the others in their order, none twice"


def test_slider_shows_what_an_analysis_at_that_score_finds():
    analyzer = reader.shared_analyzer()
    with open_document(SAMPLE) as document:
        (low,) = analyzer.analyze_pages(document, [2], score=reader.LOWEST_SCORE)
        for score in (0.15, 0.5):
            (high,) = analyzer.analyze_pages(document, [2], score=score)
            assert Selection(score, LABEL_NAMES).of_page(low).regions == high.regions


def test_selection_of_nothing_is_nothing():
    page = PageLayout(1, 300, 400, (Region("text", 0.9, (0, 0, 10, 20)), Region("table", 0.2, (0, 30, 10, 40))))
    assert Selection(0.5, LABEL_NAMES).of_page(page).regions == page.regions[:1]
    assert Selection(0.1, ("table",)).of_page(page).regions == page.regions[1:]
    assert Selection(0.5, ()).of_page(page).regions == ()
    assert Selection(0.5, LABEL_NAMES).of_page(PageLayout(1, 300, 400)).regions == ()


def test_settings_cap_uploads_and_send_nothing_home():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["maxUploadSize"] == 200
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"


def test_sample_is_what_its_source_says():
    typst = pytest.importorskip("typst", reason="no typst: install the extra 'corpus'")
    built = typst.compile(str(SAMPLE.with_suffix(".typ")), ignore_system_fonts=True)
    pages = PdfReader(SAMPLE).pages
    assert len(pages) == 3
    with open_document(built) as document, open_document(SAMPLE) as shipped:
        assert [document.words(index) for index in range(3)] == [shipped.words(index) for index in range(3)]
