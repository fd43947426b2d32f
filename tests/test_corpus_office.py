"""What LibreOffice and Chromium write, labelled as PubLayNet would: files they wrote once, and the programs themselves.

`tagged_pdfs/expected.json` has the regions of each page of each file, looked at one by one over the pages: label and
box, in points from the top left. LAYOUTDEIT_SCREENSHOTS=FOLDER keeps pictures of what the programs here write.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import flat_odt
import office_documents
import pytest
from page_records import read_records
from PIL import ImageDraw

from layoutdeit.corpus.annotate import annotate_pdfs
from layoutdeit.corpus.page_tree import PictureRecord
from layoutdeit.corpus.tagged_pdf import TaggedPdf, TaggedRegion
from layoutdeit.labels import label_by_name

WRITTEN = Path(__file__).parent / "tagged_pdfs"
EXPECTED = json.loads((WRITTEN / "expected.json").read_text(encoding="utf-8"))
MARGIN = 50  # of every document here; running heads and bars stand beyond it, or right at it


def regions_of(path: Path) -> list[tuple[TaggedRegion, ...]]:
    """The regions of each page; pictures of them where they are wanted."""
    with TaggedPdf(path) as pdf:
        pages = [pdf.read_page(index) for index in range(len(pdf))]
        if folder := os.environ.get("LAYOUTDEIT_SCREENSHOTS"):
            for index, page in enumerate(pages):
                picture = pdf.document[index].render(scale=1.5).to_pil().convert("RGB")
                for region in page.regions:
                    outline = [1.5 * value for value in region.box]
                    ImageDraw.Draw(picture).rectangle(outline, outline=label_by_name(region.label).colour, width=2)
                picture.save(Path(folder) / f"{path.stem}-{index + 1}.png")
    assert not [page.problem for page in pages if page.problem]
    return [page.regions for page in pages]


@pytest.mark.parametrize("name", EXPECTED)
def test_files_they_wrote_have_exactly_these_regions(name: str):
    found = regions_of(WRITTEN / name)
    assert len(found) == len(EXPECTED[name])
    for regions, expected in zip(found, EXPECTED[name], strict=True):
        assert [region.label for region in regions] == [label for label, _ in expected]
        for region, (_, box) in zip(regions, expected, strict=True):
            assert region.box == pytest.approx(box, abs=1), region


def test_they_become_a_tree_of_pages(tmp_path: Path):
    paths = [WRITTEN / name for name in EXPECTED]
    report = annotate_pdfs(paths, tmp_path, dpi=144)
    assert report.num_pages == sum(map(len, EXPECTED.values())) and not report.skipped and not report.left_out
    records: list[PictureRecord] = read_records(tmp_path, "train")
    expected = [page for name in EXPECTED for page in EXPECTED[name]]
    for record, page in zip(records, expected, strict=True):
        assert (record.width, record.height) == pytest.approx((1200, 1600), abs=2)
        assert [label for label, _ in record.regions] == [label for label, _ in page]
        for (_, box), (_, points) in zip(record.regions, page, strict=True):
            assert box == pytest.approx([2 * value for value in points], abs=2)


@pytest.mark.timeout(300)
def test_an_article_printed_by_chromium(chromium: str, tmp_path: Path):
    path = office_documents.print_with_chromium(chromium, office_documents.article_html(), tmp_path, "article")
    regions = sound_regions(path)
    assert counts(regions, "title", "table") == {"title": 2, "table": 1} and counts(regions, "list")["list"] >= 1
    pixels, strokes = (region.box for region in regions if region.label == "figure")
    assert sizes(pixels) == pytest.approx((120, 60), abs=1)
    assert sizes(strokes) == pytest.approx((143, 68), abs=3)  # 190 x 90 CSS pixels and the line around them


@pytest.mark.timeout(300)
def test_a_web_site_printed_by_chromium(chromium: str, tmp_path: Path):
    path = office_documents.print_with_chromium(chromium, office_documents.site_html(), tmp_path, "site")
    regions = [region for page in regions_of(path) for region in page]
    assert counts(regions, "title")["title"] == 3 and counts(regions, "list", "table", "figure")["table"] >= 2
    floating, clipped = (region.box for region in regions if region.label == "figure")
    assert sizes(floating) == pytest.approx((80, 60), abs=1) and sizes(clipped) == pytest.approx((120, 50), abs=1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["odt", "docx"])
def test_an_article_printed_by_libreoffice(soffice: str, tmp_path: Path, form: str):
    path = printed(soffice, tmp_path, flat_odt.article(), form)
    regions = sound_regions(path)
    assert counts(regions, "title", "table", "figure") == {"title": 4, "table": 1, "figure": 2}
    assert counts(regions, "list")["list"] >= 2
    assert all(sizes(r.box) == pytest.approx((120, 60), abs=1) for r in regions if r.label == "figure")
    (table,) = (region.box for region in regions if region.label == "table")
    assert (table[0], table[2]) == pytest.approx((50, 450), abs=1.5)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["odt", "docx"])
def test_a_report_printed_by_libreoffice(soffice: str, tmp_path: Path, form: str):
    path = printed(soffice, tmp_path, flat_odt.report(), form)
    regions = sound_regions(path)
    assert counts(regions, "title")["title"] in (3, 4)  # as .docx it loses what its References are
    assert counts(regions, "table", "figure") == {"table": 2, "figure": 2}
    assert sorted(sizes(r.box) for r in regions if r.label == "figure") == [
        pytest.approx((60, 60), abs=1),
        pytest.approx((120, 90), abs=1),
    ]
    tables = [region.box for region in regions if region.label == "table"]
    assert all((box[0], box[2]) == pytest.approx((50, 450), abs=1.5) for box in tables)


def printed(soffice: str, folder: Path, document: str, form: str) -> Path:
    path = folder / "document.fodt"
    path.write_text(document, encoding="utf-8")
    if form == "docx":
        path = office_documents.as_docx(soffice, path, folder)
    return office_documents.print_with_libreoffice(soffice, path, folder)


def sound_regions(path: Path) -> list[TaggedRegion]:
    """All regions, after a look at what holds on each page: in the margins, none in another."""
    pages = regions_of(path)
    assert len(pages) == 2
    for regions in pages:
        for index, region in enumerate(regions):
            x0, y0, x1, y1 = region.box
            assert x0 >= MARGIN - 2 and x1 <= 600 - MARGIN + 2 and y0 >= MARGIN - 10 and y1 <= 800 - MARGIN + 2, region
            for other in regions[index + 1 :]:
                assert not overlap(region.box, other.box), (region, other)
    return [region for regions in pages for region in regions]


def overlap(box: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes share more than neighbouring lines do."""
    return min(box[2], other[2]) - max(box[0], other[0]) > 4 and min(box[3], other[3]) - max(box[1], other[1]) > 4


def counts(regions: Sequence[TaggedRegion], *labels: str) -> dict[str, int]:
    found = Counter(region.label for region in regions)
    return {label: found[label] for label in labels}


def sizes(box: Sequence[float]) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]
