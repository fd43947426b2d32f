import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.json_text import json_pieces, jsonl_pieces, result_pieces, to_json
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo

TEXT = 'Größe "x"\n\u2028 back\\slash'
PAGES = (
    PageLayout(1, 612, 792, (Region("title", 0.9, (1, 2, 3, 4), TEXT, level=1), Region("table", 0.5, (1, 2, 3, 4)))),
    PageLayout(2, 10.004, 20, error=PageError("render", "no\npicture")),
)
LEAVES = st.none() | st.integers() | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def layout(*pages: PageLayout) -> DocumentLayout:
    return DocumentLayout(SourceInfo("a.pdf", "0" * 64, 2), ModelInfo("m", "1" * 64, "torchvision"), pages)


@pytest.mark.parametrize("pages", [PAGES, PAGES[:1], ()])
def test_pieces_are_the_text_json_itself_gives(pages):
    whole = layout(*pages)
    assert to_json(whole) == json.dumps(whole.to_dict(), indent=1, ensure_ascii=False) + "\n"


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=3), st.lists(VALUES, max_size=3) | VALUES, max_size=3))
def test_any_value_in_pieces(fields):
    expected = json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
    lazy = {key: iter(value) if isinstance(value, list) else value for key, value in fields.items()}
    assert "".join(json_pieces(lazy)) == "".join(json_pieces(fields)) == expected


def test_pages_are_taken_as_the_text_is():
    taken = []

    class Pages(tuple):
        def __iter__(self):
            return (taken.append(page.number) or page for page in tuple.__iter__(self))

    pieces = result_pieces(layout().__class__(layout().source, layout().model, Pages(PAGES)))
    while '"number": 1' not in next(pieces):
        pass
    assert taken == [1]


def test_one_line_per_page():
    text = "".join(jsonl_pieces(layout(*PAGES)))
    lines = text.split("\n")
    assert len(lines) == 3 and lines[2] == ""
    first, second = map(json.loads, lines[:2])
    assert first["document"] == "a.pdf" and first["sha256"] == "0" * 64 and first["num_pages"] == 2
    assert first["number"] == 1 and first["regions"] == PAGES[0].to_dict()["regions"]
    assert second["width"] == 10 and second["error"] == {"code": "render", "message": "no\npicture"}
    assert "".join(jsonl_pieces(layout())) == ""
