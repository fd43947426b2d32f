import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.json_text import to_json
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo

REGIONS = st.builds(
    Region,
    label=st.sampled_from(LABEL_NAMES),
    score=st.integers(0, 10_000).map(lambda n: n / 10_000),
    box=st.tuples(*[st.integers(0, 100_000).map(lambda n: n / 100)] * 4),
    text=st.none() | st.text('aZ é漢<"\n', max_size=20),
    print_size=st.none() | st.integers(1, 9999).map(lambda n: n / 100),
    cells=st.none() | st.just((("a", "b"), ("c", ""))),
    level=st.none() | st.integers(1, 6),
    caption_of=st.none() | st.integers(0, 9),
)
PAGES = st.builds(
    PageLayout,
    number=st.integers(1, 9999),
    width=st.just(612.0),
    height=st.just(792.5),
    regions=st.lists(REGIONS, max_size=3).map(tuple),
    error=st.none() | st.just(PageError("render", "page 3 cannot be drawn.")),
    renderer=st.sampled_from([None, "poppler", "pdfium"]),
    seconds=st.none() | st.just(0.25),
)
SOURCE, MODEL = SourceInfo("paper.pdf", "ab" * 32, 12), ModelInfo("small", "cd" * 32, "torchvision", "bf16")


@settings(deadline=None)
@given(st.lists(PAGES, max_size=3))
def test_documents_round_trip_through_json(pages):
    layout = DocumentLayout(SOURCE, MODEL, tuple(pages))
    assert DocumentLayout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


def test_schema_has_what_was_promised():
    page = PageLayout(1, 612, 792, (Region("title", 0.93, (1, 2, 3, 4)),))
    data = DocumentLayout(SOURCE, MODEL, (page,)).to_dict()
    assert data.keys() >= {"source", "model", "pages"}
    assert data["pages"][0].keys() >= {"number", "width", "height", "regions", "error"}
    region = {"label": "title", "score": 0.93, "box": [1, 2, 3, 4], "text": None, "corrected": False}
    region |= {"print_size": None, "cells": None, "level": None, "caption_of": None}
    assert data["pages"][0]["regions"][0] == region
    assert data["pages"][0]["error"] is None


def test_unknown_keys_are_passed_over():
    data = DocumentLayout(SOURCE, MODEL, (PageLayout(1, 10, 20),)).to_dict()
    data["invented later"] = data["pages"][0]["invented later"] = 1
    assert DocumentLayout.from_dict(data).pages[0].height == 20


def test_boxes_are_written_to_a_hundredth_of_a_point():
    assert Region("text", 0.123456, (1.23456, 0, 7.999, 9)).to_dict()["box"] == [1.23, 0, 8.0, 9]


def test_min_score_keeps_its_equals():
    regions = tuple(Region("text", score, (0, 0, 1, 1)) for score in (0.9, 0.5, 0.4))
    page = PageLayout(1, 10, 10, regions)
    assert page.with_min_score(0.5).regions == regions[:2]
    assert page.with_min_score(1.0).regions == ()


def test_captions_stay_with_theirs_when_others_go():
    box = (0, 0, 1, 1)
    regions = (Region("title", 0.6, box), Region("figure", 0.9, box), Region("text", 0.95, box, "A", caption_of=1))
    page = PageLayout(1, 10, 10, regions)
    assert [region.caption_of for region in page.with_min_score(0.8).regions] == [None, 0]
    assert [region.caption_of for region in page.with_min_score(0.92).regions] == [None]


def test_tag_says_label_and_score():
    assert Region("title", 0.934, (0, 0, 1, 1)).tag == "title 0.93"


def test_region_refuses_a_wrong_label_or_box():
    with pytest.raises(ValueError, match="footnote"):
        Region("footnote", 0.5, (0, 0, 1, 1))
    with pytest.raises(ValueError, match="x0, y0, x1, y1"):
        Region("text", 0.5, (0, 0, 1))


def test_real_results_follow_the_schema_of_the_docs(data_dir):
    import jsonschema

    schema = json.loads((Path(__file__).parents[1] / "docs" / "result.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ("2305.03393v1-pg9.pdf", "google-doc-document.pdf"):
        layout = LayoutAnalyzer().analyze(data_dir / "pdfs" / name)
        jsonschema.validate(json.loads(to_json(layout)), schema)
        assert DocumentLayout.from_dict(json.loads(to_json(layout))).to_dict() == layout.to_dict()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**layout.to_dict(), "pages": [{}]}, schema)
    for code in ("crash", "io", "timeout"):  # of bulk runs too
        page = PageLayout(1, 0, 0, error=PageError(code, "it stopped"))
        jsonschema.validate(json.loads(to_json(replace(layout, pages=(page,)))), schema)
