"""Models in the app: which there are, what each has read, two of them on one page; and thresholds by class."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app import reader
from app.document import OpenDocument
from app.model_choice import choice_of, models_here
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


class EmptyPdf:
    """A document of three pages that need no reading."""

    name, sha256, num_pages = "x.pdf", "", 3

    def close(self) -> None:
        pass


class SlowAnalyzer:
    """A model that is with its page until it is let go."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.asked: list[int] = []

    def analyze_pages(self, pdf, pages, score):
        self.asked += pages
        self.has_begun.set()
        assert self.may_end.wait(10)
        yield PageLayout(pages[0], 100, 100, (Region("text", 0.9, (0, 0, 9, 9), "read by a"),))


def test_a_page_that_another_model_was_still_reading_is_filed_as_its_own():
    document, slow = OpenDocument(EmptyPdf()), SlowAnalyzer()
    document.use_model("a")
    reading = threading.Thread(target=reader.read_next, args=(slow, document, 1, "a"))
    reading.start()
    assert slow.has_begun.wait(10)
    document.use_model("b")
    slow.may_end.set()
    reading.join()
    assert document.pages == {}
    for is_paused in (False, True):
        document.is_paused = is_paused
        assert reader.read_next(slow, document, 1, "a"), "the run of the older choice must start over"
    assert document.pages == {} and slow.asked == [1]
    document.use_model("a")
    assert [page.regions[0].text for page in document.pages.values()] == ["read by a"]


def test_a_model_trained_anew_is_loaded_anew(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(reader, "LayoutAnalyzer", lambda model, engine: asked.append(model) or object())
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"first")
    first = choice_of(str(path), "torchvision")
    analyzer = reader.load(first)
    assert reader.load(choice_of(str(path), "torchvision")) is analyzer and len(asked) == 1
    os.utime(path, ns=(1, first.modified_ns + 1))
    second = choice_of(str(path), "torchvision")
    assert reader.load(second) is not analyzer and len(asked) == 2
    assert second.key != first.key, "its pages would pass for those of the older one"
    path.unlink()
    assert choice_of(str(path), "torchvision").model == str(path), "a file that is gone is for the loading to report"


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
