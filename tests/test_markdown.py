import re
from html import unescape
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

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
    assert blocks == ["### 2.1 Data", "a hyphenated word", "![figure](<x/f.png>)", r"*Page 2: page \<2\>*"]


def test_lists_keep_their_items():
    written = markdown(region("list", "\u2022 one\ngoes on\n2. two\n\uf0b7 three"))
    assert written.split("\n\n")[:3] == ["- one goes on", "2. two", "- three"]


def test_a_renderer_shows_the_numbers_of_the_page():
    lists = ["1. a\n2. b", "1. c\n2. d", "goes on above\n7. e\n\u2022 f\n8. g", "3. h\n7. i", "\u2022 j", "\u2022 k"]
    page = MarkdownIt().render(markdown(*(region("list", text) for text in lists)))
    shown, number, bullets = {}, 0, []
    for tag, start, item in re.findall(r"<(ol|ul|li)(?: start=\"(\d+)\")?>(?:\s*<p>)?(\w[\w ]*)?", page):
        number = int(start or 1) if tag == "ol" else None if tag == "ul" else number
        if tag == "li" and number is None:
            bullets.append(item)
        elif tag == "li":
            shown[item], number = number, number + 1
    assert shown == {"a": 1, "b": 2, "c": 1, "d": 2, "e": 7, "g": 8, "h": 3, "i": 7}
    assert bullets == ["goes on above", "f", "j", "k"]


@pytest.mark.parametrize("marker", ["[12]", "(a)", "b)", "iv.", "1.1", "(iii)"])
def test_markers_that_may_be_referred_to_stay(marker):
    first = markdown(region("list", f"{marker} one\ngoes on\n{marker} two")).split("\n\n")[0]
    assert first.split("\n") == [f"- {escape(marker)} one goes on", f"- {escape(marker)} two"]


@pytest.mark.parametrize("name", ["a>b/f.png", "50%20off/f.png"])
def test_names_of_pictures_stay_names(name):
    shown = markdown(region("figure", None), images={(1, 0): name}).split("\n\n")[0]
    assert unquote(shown.removeprefix("![figure](<").removesuffix(">)")) == name and ">" not in shown[11:-2]


@settings(deadline=None, max_examples=400)
@given(
    st.text("ab1 .-+#*_`[]()<>!|~&$\\{}=:;\"'/", min_size=1, max_size=14).filter(str.strip),
    st.sampled_from([("", ""), ("## ", ""), ("- ", ""), ("3. ", ""), ("*", "*"), ("| ", " |\n| --- |")]),
)
def test_a_renderer_shows_the_text_as_it_is(text, around):
    before, after = around
    page = MarkdownIt("gfm-like", {"linkify": False}).render(before + escape(text) + after)
    assert " ".join(unescape(re.sub(r"<[^>]*>", "", page)).split()) == " ".join(text.split())


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[a](javascript:x)", "# no heading", "`x` &lt; *b*"])
def test_markup_in_the_text_is_escaped(text):
    shown = escape(text)
    bare = [c for i, c in enumerate(shown) if c in "<>[]#`*&" and shown[i - 1 : i] != "\\"]
    assert not bare and shown.replace("\\", "") == text


@pytest.mark.parametrize(("text", "level"), [("Methods", 2), ("3 Methods", 2), ("3.2.1. Data", 4), ("2021", 2)])
def test_numbering_gives_the_level(text, level):
    assert heading_level(text) == level
