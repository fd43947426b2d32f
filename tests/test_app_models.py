"""Models in the app: which there are, what each has read, two of them on one page; and thresholds by class."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app.document import OpenDocument
from app.model_choice import models_here
from app.selection import Selection
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import PageLayout, Region
from layoutdeit.weights import DEFAULT_MODEL, resolve_model

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def app() -> AppTest:
    """The app as a visitor finds it."""
    return AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120).run()


def open_sample(app: AppTest) -> None:
    next(found for found in app.button if found.label == "Try the sample").click()
    app.run()
    assert not app.exception


def test_a_class_may_have_a_lowest_score_of_its_own(app):
    (text, title) = (Region(label, 0.4, (0, 0, 9, 9)) for label in ("text", "title"))
    choice = Selection(0.5, LABEL_NAMES, (("title", 0.3),))
    assert not choice.keeps(text) and choice.keeps(title)
    page = PageLayout(1, 100, 100, (text, title))
    assert choice.of_page(page).regions == (title,)
    open_sample(app)
    app.toggle(key="own_scores").set_value(True).run()
    assert [slider.label for slider in app.slider][1:] == [f"Lowest score of {name}" for name in LABEL_NAMES]
    assert not app.exception


def test_each_model_keeps_its_pages_and_corrections():
    document = OpenDocument.__new__(OpenDocument)
    document.model, document.of_models, document.overlay = "a", {}, None
    document.pages, document.edits = {1: "page of a"}, {1: {"m0": None}}
    document.use_model("b")
    assert document.pages == {} and document.edits == {}
    document.pages[1] = "page of b"
    document.use_model("a")
    assert document.pages == {1: "page of a"} and document.edits == {1: {"m0": None}}
    document.use_model("b")
    assert document.pages == {1: "page of b"}


def test_models_are_listed_and_a_trained_one_is_compared(app, tmp_path, monkeypatch):
    assert models_here()[0] == DEFAULT_MODEL
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "model.safetensors").write_bytes(resolve_model(None).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert models_here()[-1] == "runs/mine/model.safetensors"
    open_sample(app)
    app.selectbox(key="rival").set_value("runs/mine/model.safetensors").run()
    assert not app.exception
    assert "The same page by" in "\n".join(caption.value for caption in app.caption)
