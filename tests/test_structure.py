from dataclasses import replace

import pytest

from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.structure import structured


def region(label: str, y: float, text: str | None, size: float | None = 12.0, *, height: float = 20.0, x: float = 50):
    return Region(label, 0.9, (x, y, x + 200, y + height), text, print_size=size)


def document(*pages: list[Region]) -> DocumentLayout:
    numbered = tuple(PageLayout(number, 600, 800, tuple(regions)) for number, regions in enumerate(pages, start=1))
    return DocumentLayout(SourceInfo("x.pdf", "0" * 64, len(pages)), ModelInfo("m", "0" * 64, "torchvision"), numbered)


def levels(layout: DocumentLayout) -> dict[str, int | None]:
    return {r.text: r.level for page in structured(layout).pages for r in page.regions}


def test_numbers_tell_levels_and_sizes_those_without():
    found = levels(
        document(
            [region("title", 100, "On words", 24), region("title", 200, "Abstract", 14), region("text", 300, "x")],
            [region("title", 100, "1 Method", 14), region("title", 200, "1.1 Data", 12)],
            [region("title", 100, "Acknowledgements", 14), region("title", 200, "Pages", 12.2),
             region("title", 300, "1.1.1 Sources", 11), region("title", 400, "Notes", 10)],
        )
    )  # fmt: skip
    assert found == {
        "On words": 1, "Abstract": 2, "x": None, "1 Method": 2, "1.1 Data": 3, "Acknowledgements": 2, "Pages": 3,
        "1.1.1 Sources": 4, "Notes": 5,
    }  # fmt: skip


def test_letters_and_roman_numbers_count_too():
    found = levels(document([region("title", 100, "I. INTRODUCTION"), region("title", 200, "A. Data")]))
    assert found == {"I. INTRODUCTION": 2, "A. Data": 3}


def test_a_document_title_is_alone_in_its_size_or_the_topmost():
    alike = [region("title", 100, "First", 14), region("title", 200, "Second", 14), region("title", 300, "Third", 14)]
    assert levels(document(alike)) == {"First": 1, "Second": 2, "Third": 2}
    assert levels(document([region("title", 100, None, None)])) == {None: 1}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Figure 3. A page", "figure"),
        ("Fig. 3: A page", "figure"),
        ("Table 2 Doses", "table"),
        ("TABLE IV", "table"),
        ("Abbildung 1", "figure"),
        ("\u8868 2", "table"),
    ],
)
def test_captions_are_tied_to_the_nearest_of_their_kind(text, kind):
    regions = [
        region("figure", 100, None, height=100), region("table", 320, None, height=100), region("text", 290, text),
        region("figure", 600, None, height=100),
    ]  # fmt: skip
    regions[2] = replace(regions[2], box=(50, 205, 250, 315))  # between the first two
    page = structured(document(regions)).pages[0]
    assert page.regions[page.regions[2].caption_of].label == kind
    assert [r.caption_of for r in page.regions if r.label != "text"] == [None] * 3


def test_text_that_only_speaks_of_figures_is_no_caption():
    regions = [region("figure", 100, None, height=100), region("text", 205, "Figures of speech"),
               region("text", 700, "Figure 1 is far away")]  # fmt: skip
    assert [r.caption_of for r in structured(document(regions)).pages[0].regions] == [None] * 3


def test_running_heads_and_page_numbers_are_kept_out():
    pages = [
        [region("text", 20, f"Smith et al. {number}", height=12), region("text", 300, "Body"),
         region("text", 770, str(number), height=12)]
        for number in (1, 2, 3)
    ]  # fmt: skip
    pages[1].append(region("title", 40, "A heading at the top", height=16))
    texts = [[r.text for r in page.regions] for page in structured(document(*pages)).pages]
    assert texts == [["Body"], ["Body", "A heading at the top"], ["Body"]]


def test_what_comes_again_on_one_page_is_no_running_head():
    fields = [region("text", 20, "Name:", height=12) for _ in range(3)]
    [page] = structured(document([*fields, region("text", 300, "Body")])).pages
    assert [r.text for r in page.regions] == ["Name:", "Name:", "Name:", "Body"]


def test_heads_count_their_pages_beside_numbers_that_stay():
    pages = [[region("text", 20, f"Chapter 3 \u00b7 {40 + number}", height=12), region("text", 300, "Body")]
             for number in range(1, 5)]  # fmt: skip
    assert {r.text for page in structured(document(*pages)).pages for r in page.regions} == {"Body"}


def test_a_margin_full_of_digits_is_read_too():
    digits = region("text", 20, "7" * 5000, height=12)  # more than int() takes
    assert structured(document([digits, region("text", 300, "Body")])).pages[0].regions[0].text == "7" * 5000


@pytest.mark.parametrize(
    "regions",
    [
        [region("title", 60, "Exercise 1", 16, height=16)],
        [region("title", 40, "Results", 24, height=24)],
        [region("text", 62, "Table 1", height=12), region("table", 90, "a b", height=100)],
        [region("title", 60, "Civil", 16, height=16)],
    ],
    ids=lambda regions: regions[0].text,
)
def test_what_is_no_head_stays_however_often_it_comes(regions):
    pages = [[replace(r, text=r.text.replace("1", str(n))) for r in regions] + [region("text", 300, "Body text")]
             for n in (1, 2, 3)]  # fmt: skip
    kept = structured(document(*pages)).pages
    assert [[r.text for r in page.regions] for page in kept] == [[r.text for r in page] for page in pages]


def test_the_title_stays_where_its_words_are_the_running_head_too():
    pages = [[region("title", 55, "On Words", 22, height=22), region("text", 200, "Abstract")]]
    pages += [[region("text", 30, "On Words", 9, height=10), region("text", 200, f"Body {n}")] for n in (2, 3, 4)]
    kept = structured(document(*pages)).pages
    assert [[r.text for r in page.regions] for page in kept] == [
        ["On Words", "Abstract"], ["Body 2"], ["Body 3"], ["Body 4"],
    ]  # fmt: skip


def test_what_a_person_corrected_stays():
    kept = replace(region("text", 770, "12", height=12), corrected=True)
    assert structured(document([kept])).pages[0].regions == (kept,)


def test_doing_it_twice_changes_nothing():
    pages = [region("title", 100, "1 A"), region("text", 20, "7", height=9)], [region("title", 90, "B")]
    once = structured(document(*pages))
    assert structured(once) == once


def test_pages_that_failed_and_empty_documents():
    failed = PageLayout(1, 0, 0, error=PageError("render", "no"))
    layout = replace(document(), pages=(failed,))
    assert structured(layout) == layout and structured(document()).pages == ()
