import pytest

from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.markdown import escape, heading_level, to_markdown


def markdown(*regions, images=None):
    pages = (PageLayout(1, 400, 500, regions), PageLayout(2, 0, 0, error=PageError("render", "page <2>")))
    return to_markdown(DocumentLayout(SourceInfo("x", "", 2), ModelInfo("m", "", "e"), pages), images)


def region(label, text):
    return Region(label, 0.9, (0, 0, 9, 9), text)


def test_regions_become_blocks_in_order():
    found = region("title", "2.1 Data"), region("text", "a hyphen-\nated word"), region("figure", None)
    blocks = markdown(*found, images={(1, 2): "x/f.png"}).strip().split("\n\n")
    assert blocks == [r"### 2\.1 Data", "a hyphenated word", "![figure](<x/f.png>)", r"*Page 2: page \<2\>*"]


def test_lists_keep_their_items():
    first = markdown(region("list", "\u2022 one\ngoes on\n2. two\n[3] three")).split("\n\n")[0]
    assert first.split("\n") == ["- one goes on", "2. two", "- three"]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[a](javascript:x)", "# no heading", "`x` &lt; *b*"])
def test_markup_in_the_text_is_escaped(text):
    shown = escape(text)
    bare = [c for i, c in enumerate(shown) if c in "<>[]#`*&" and shown[i - 1 : i] != "\\"]
    assert not bare and shown.replace("\\", "") == text


@pytest.mark.parametrize(("text", "level"), [("Methods", 2), ("3 Methods", 2), ("3.2.1. Data", 4), ("2021", 2)])
def test_numbering_gives_the_level(text, level):
    assert heading_level(text) == level
