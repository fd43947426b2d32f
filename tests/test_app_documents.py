# ruff: noqa: F401, F811  the fixtures of test_app are imported, and asked for by name
"""Several documents of one visitor: told apart, read in part, kept while others are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest
from test_app import app, blank_pdf, blind, button, document_of, finished

from layoutdeit.analyzer import LayoutAnalyzer

PDF = "application/pdf"


def upload_all(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Upload files, and wait until the app is done with them."""
    app.file_uploader[0].set_value([(name, data, PDF) for name, data in files])
    return finished(app)


def choose(app: AppTest, index: int) -> AppTest:
    """Look at another document."""
    app.selectbox(key="looked_at").select_index(index)
    return finished(app)


def place(app: AppTest) -> int:
    """Where the document looked at stands among the others."""
    return app.session_state["documents"].index(document_of(app))


def page_choice(app: AppTest):
    """The field for the pages to read."""
    return next(field for field in app.text_input if field.label == "Pages to read")


def test_documents_of_one_name_are_told_apart(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    short, long = blank_pdf(tmp_path), blank_pdf(tmp_path, num_pages=2)
    upload_all(app, ("scan.pdf", short), ("scan.pdf", short), ("scan.pdf", long), ("scan (2).pdf", short))
    options = app.selectbox(key="looked_at").options
    assert options == ["scan.pdf", "scan.pdf (2)", "scan.pdf (3) · 2 pages", "scan (2).pdf"]
    assert place(app) == 0
    app.toggle(key="correcting").set_value(True)
    finished(app)
    assert place(app) == 0, "a click elsewhere changed the document"
    for index in (2, 0, 1):
        choose(app, index)
        assert place(app) == index


def test_names_stay_while_pages_are_read(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload_all(app, ("a.pdf", blank_pdf(tmp_path, num_pages=3)), ("b.pdf", blank_pdf(tmp_path)))
    options = app.selectbox(key="looked_at").options
    page_choice(app).set_value("2")
    finished(app)
    document_of(app).is_paused = True
    document_of(app).pages.clear()
    assert finished(app).selectbox(key="looked_at").options == options


def test_pages_to_read_are_the_choice_of_one_document(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    upload_all(app, ("a.pdf", blank_pdf(tmp_path, num_pages=5)), ("b.pdf", blank_pdf(tmp_path, num_pages=4)))
    page_choice(app).set_value("nonsense")
    finished(app)
    assert any("'nonsense'" in text.value for text in app.text)
    choose(app, 1)
    assert not any("'nonsense'" in text.value for text in app.text) and page_choice(app).value == ""
    choose(app, 0)
    assert any("'nonsense'" in text.value for text in app.text) and page_choice(app).value == "nonsense"
    page_choice(app).set_value("2-3")
    finished(app)
    assert document_of(app).wanted == (2, 3)
    choose(app, 1)
    choose(app, 0)
    assert page_choice(app).value == "2-3"
    page_choice(app).set_value("")
    finished(app)
    assert document_of(app).wanted is None and not any("'nonsense'" in text.value for text in app.text)


def test_the_sample_is_opened_beside_the_others(app: AppTest, blind: LayoutAnalyzer, tmp_path: Path):
    mine = ("mine.pdf", blank_pdf(tmp_path))
    upload_all(app, mine)
    document = document_of(app)
    document.edits[1] = {"m0": None}
    for _ in range(2):
        button(app, "Try the sample").click()
        finished(app)
        assert [found.source.name for found in app.session_state["documents"]] == ["mine.pdf", "sample.pdf"]
        assert document_of(app).source.name == "sample.pdf"
    choose(app, 0)
    assert document_of(app) is document and document.edits
    app.file_uploader[0].clear()
    finished(app)
    assert [found.source.name for found in app.session_state["documents"]] == ["sample.pdf"]
