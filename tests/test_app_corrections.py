"""Corrections laid over what the model found, and what a browser may not send."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from app import corrections, page_canvas, session, training_set
from app.document import OpenDocument
from layoutdeit.layout import PageError, PageLayout, Region
from layoutdeit.pdf import PdfError
from layoutdeit.reading import Word

FOUND = (Region("text", 0.9, (10, 10, 90, 30)), Region("list", 0.3, (10, 40, 90, 60)))
PAGE = PageLayout(1, 100, 200, FOUND)
MOVED = {"label": "text", "box": [12, 10, 90, 30]}


class OneWordPdf:
    """A document of three pages with a word on each, which counts how often it is read."""

    name, sha256, num_pages = "x.pdf", "", 3

    def __init__(self) -> None:
        self.readings: list[int] = []

    def words(self, index: int) -> tuple[Word, ...]:
        self.readings.append(index)
        if index == 2:
            raise PdfError("corrupt", "page 3 cannot be read")
        return (Word("word", (20, 15, 40, 25), 11.0),)

    def close(self) -> None:
        pass


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> OpenDocument:
    """The document looked at; its first page has been read."""
    document = OpenDocument(OneWordPdf(), pages={1: PAGE})
    monkeypatch.setattr(session, "current", lambda: document)
    return document


def send(monkeypatch: pytest.MonkeyPatch, token: str, **value: object) -> None:
    """Have the browser send what it knows of a page."""
    sent = {"token": token, "edits": {}, "selected": None, "turn": 0} | value
    monkeypatch.setattr(session, "component_value", lambda key: sent)
    page_canvas._take_change()


def test_corrected_regions_are_read_again_and_once(document: OpenDocument, monkeypatch: pytest.MonkeyPatch):
    token = page_canvas._token(document, 1)
    send(monkeypatch, token, edits={"m0": MOVED, "m1": None})
    [region] = document.page(1).regions
    assert (region.text, region.print_size, region.corrected) == ("word", 11, True)
    send(monkeypatch, token, edits={"m0": MOVED, "m1": None}, selected="m0")
    empty = {"label": "table", "box": [10, 100, 90, 130]}
    send(monkeypatch, token, edits={"m0": MOVED, "m1": None, "u7": empty})
    assert [region.text for region in document.page(1).regions] == ["word", ""]
    assert document.pdf.readings == [0], "the page is read once for all that is corrected on it"
    send(monkeypatch, token)
    assert document.page(1) == PAGE and not document.edits


def test_corrections_stay_where_the_text_cannot_be_read(document: OpenDocument, monkeypatch: pytest.MonkeyPatch):
    document.pages[3] = PageLayout(3, 100, 200, FOUND)
    send(monkeypatch, page_canvas._token(document, 3), edits={"m0": MOVED})
    assert document.edits[3]["m0"].box == (12, 10, 90, 30) and document.edits[3]["m0"].text is None


def test_corrections_belong_to_one_model(document: OpenDocument, monkeypatch: pytest.MonkeyPatch):
    document.use_model("a")
    document.pages[1] = PAGE
    old = page_canvas._token(document, 1)
    document.use_model("b")
    document.pages[1] = PAGE
    assert page_canvas._token(document, 1) != old, "the browser keeps the corrections of one by its token"
    send(monkeypatch, old, edits={"m0": MOVED}, turn=1)
    assert not document.edits, "a correction of a's page was kept for b's"
    send(monkeypatch, page_canvas._token(document, 1), edits={"m0": None})
    assert document.edits == {1: {"m0": None}}
    document.use_model("a")
    assert not document.edits


def test_page_down_turns_a_page_that_is_not_read_yet(document: OpenDocument, monkeypatch: pytest.MonkeyPatch):
    turned: list[int] = []
    monkeypatch.setattr(session, "turn_page", turned.append)
    for number, turn in ((2, 1), (2, -1), (3, 1), (1, 1)):
        send(monkeypatch, page_canvas._token(document, number), turn=turn)
    assert turned == [3, 1, 3, 2]


def test_boxes_on_a_page_that_failed_take_its_error_away():
    failed = PageLayout(1, 100, 200, error=PageError("model", "the model failed on page 1"))
    assert corrections.apply(failed, {}).error is failed.error
    edits = corrections.from_browser({"u1": MOVED}, failed)
    drawn = corrections.apply(failed, edits)
    assert drawn.error is None and len(drawn.regions) == 1


def test_moved_deleted_and_added_regions_are_laid_over_the_page():
    sent = {
        "m0": {"label": "title", "box": [10, 12, 90, 32]},
        "m1": None,
        "u7": {"label": "figure", "box": [0, 100, 50, 150]},
    }
    edits = corrections.from_browser(sent, PAGE)
    regions = corrections.apply(PAGE, edits).regions
    assert [(region.label, region.box) for region in regions] == [
        ("title", (10, 12, 90, 32)),
        ("figure", (0, 100, 50, 150)),
    ]
    assert all(region.corrected and region.score == 1 for region in regions)
    assert corrections.from_browser(corrections.to_browser(edits), PAGE) == edits


def test_untouched_page_stays_as_it_is():
    assert corrections.apply(PAGE, {}) == PAGE


def test_box_is_cut_at_the_edge_of_the_page():
    [region] = corrections.from_browser({"m0": {"label": "text", "box": [-5, 10, 500, 30]}}, PAGE).values()
    assert region.box == (0, 10, 100, 30)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        ["m0"],
        {"../m0": None},
        {"m0": {"label": "script", "box": [0, 0, 9, 9]}},
        {"m0": {"label": ["text"], "box": [0, 0, 9, 9]}},
        {"m0": {"label": "text", "box": [0, 0, "wide", 9]}},
        {"m0": {"label": "text", "box": [0, 0, float("nan"), 9]}},
        {"m0": {"label": "text", "box": [9, 9, 9, 9]}},
        {"m0": {"label": "text", "box": [200, 0, 300, 9]}},
        {"m0": {"label": "text", "box": None}},
    ],
)
def test_what_is_no_box_on_the_page_is_dropped(sent: object):
    assert corrections.from_browser(sent, PAGE) == {}


@pytest.mark.parametrize(("num_pages", "kept_back"), [(1, []), (4, []), (5, [5]), (11, [5, 10])])
def test_every_fifth_page_is_kept_back(num_pages: int, kept_back: list[int]):
    pages = tuple(PageLayout(number, 100, 200) for number in range(1, num_pages + 1))
    train, val = training_set.split(pages)
    assert [page.number for page in val] == kept_back
    assert set(train) | set(val) == set(pages) and not set(train) & set(val)
