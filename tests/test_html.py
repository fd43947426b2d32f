from html.parser import HTMLParser

from layoutdeit.html import to_html
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo

BOX = (10.0, 20.0, 110.0, 60.0)


def layout(*regions: Region, name: str = "x.pdf") -> DocumentLayout:
    pages = (PageLayout(1, 600, 800, regions), PageLayout(2, 0, 0, error=PageError("render", "cannot <be> drawn")))
    return DocumentLayout(SourceInfo(name, "0" * 64, 2), ModelInfo("m", "0" * 64, "torchvision"), pages)


class Elements(HTMLParser):
    """What a browser makes of it: tags in order, and the text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip() and self.tags:
            self.texts.append((self.tags[-1], data.strip()))


def test_every_class_has_its_element():
    page = Elements(
        to_html(
            layout(
                Region("title", 0.9, BOX, "1 Method", level=2),
                Region("text", 0.9, BOX, "para-\ngraph"),
                Region("list", 0.9, BOX, "1. one\n2. two\nmore"),
                Region("list", 0.9, BOX, "\u2022 dot"),
                Region("table", 0.9, BOX, "a b", cells=(("a", "b"), ("c", ""))),
                Region("figure", 0.9, BOX),
                Region("text", 0.9, BOX, "Figure 1. Seen", caption_of=5),
            ),
            {(1, 5): "x/figures/p.png"},
        )
    )
    assert ("h2", "1 Method") in page.texts and ("p", "paragraph") in page.texts
    assert [text for tag, text in page.texts if tag == "li"] == ["one", "two more", "dot"]
    assert page.tags.count("ol") == page.tags.count("ul") == 1
    assert [text for tag, text in page.texts if tag in ("th", "td")] == ["a", "b", "c"]
    assert ("figcaption", "Figure 1. Seen") in page.texts and "img" in page.tags
    assert ("p", "Figure 1. Seen") not in page.texts


def test_items_keep_their_numbers():
    text = to_html(layout(Region("list", 0.9, BOX, "5. five\n6. six\n9. nine")))
    assert '<li value="5">five</li><li>six</li><li value="9">nine</li>' in text


def test_numbers_stay_beside_bullets():
    text = to_html(layout(Region("list", 0.9, BOX, "which was begun above.\n7. Boil\n\u2022 long\n8. Tea")))
    assert '<ol><li value="7">Boil</li></ol><ul><li>long</li></ul><ol><li value="8">Tea</li></ol></div>' in text


def test_strangers_text_is_only_text():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    page = to_html(layout(Region("text", 0.9, BOX, evil), Region("title", 0.9, BOX, evil, level=3),
                          Region("table", 0.9, BOX, evil, cells=((evil, evil),)),
                          Region("list", 0.9, BOX, evil), name=f"{evil}.pdf"))  # fmt: skip
    parsed = Elements(page)
    assert "script" not in parsed.tags and "img" not in parsed.tags
    assert parsed.texts.count(("p", evil)) == 1 and ("li", evil) in parsed.texts and ("th", evil) in parsed.texts


def test_places_and_failed_pages_are_told():
    page = to_html(layout(Region("text", 0.9, BOX, "x")))
    assert 'data-box="10.00 20.00 110.00 60.00"' in page
    assert '<p class="failed">Page 2: cannot &lt;be&gt; drawn</p>' in page


def test_a_figure_without_a_picture_keeps_its_words():
    assert "<p>axis labels</p>" in to_html(layout(Region("figure", 0.9, BOX, "axis\nlabels")))
    assert to_html(layout()).count("<section") == 2
