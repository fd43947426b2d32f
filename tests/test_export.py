import csv
import io
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from handmade_pdf import Sheet, filled, make_pdf
from hypothesis import HealthCheck, example, given, settings
from PIL import Image
from placed_rectangles import Placed, extent, near_colour, placed_rectangles

from layoutdeit.export import EXPORTERS, chosen_formats, export, hint_of_scans, to_csv
from layoutdeit.json_text import to_json
from layoutdeit.labels import LABELS, label_by_name
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.pdf import PdfError, open_document

RECT = (100, 300, 220, 340)  # in user space
SHEETS = Sheet(filled(RECT), (0, 0, 400, 500)), Sheet(is_broken=True), Sheet(media=(0, 0, 400, 500), rotate=90)


@pytest.fixture
def document():
    with open_document(make_pdf(*SHEETS), name="report.v1.pdf") as document:
        yield document


@pytest.fixture
def layout(document):
    found = Region("table", 0.87654, (100, 160, 220, 200), 'a "cell",\n=1+1')
    pages = (
        PageLayout(1, 400, 500, (found, Region("title", 0.9, (0, 0, 400, 20), None))),
        PageLayout(2, 0, 0, error=PageError("render", "page 2 is damaged.")),
        PageLayout(3, 500, 400),
    )
    source = SourceInfo(document.name, document.sha256, document.num_pages)
    return DocumentLayout(source, ModelInfo("none", "", "none"), pages)


def test_a_result_leaves_no_picture_of_the_one_before(layout, document, tmp_path):
    """Of the same input; what others have put there stays."""
    target, formats = tmp_path / "report", ["png", "coco", "crops", "md", "html"]
    export(layout, document, target, formats)
    for folder in ("", "coco", "crops", "figures"):
        (target / folder / "mine.png").touch()
    fewer = (replace(layout.pages[0], regions=layout.pages[0].regions[1:]),)
    export(replace(layout, pages=fewer), document, target, formats)
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*.png"))
    others = ["coco/mine.png", "crops/mine.png", "figures/mine.png", "mine.png"]
    assert files == sorted([*others, "coco/image-0001.png", "crops/page-0001-01-title.png", "page-0001.png"])


def test_pages_without_a_text_layer_are_told_where_text_is_asked_for(layout):
    read = replace(layout.pages[0], regions=(Region("text", 0.9, (0, 0, 9, 9), "read"),))
    scan = replace(layout.pages[0], number=3, regions=(Region("text", 0.9, (0, 0, 9, 9)),))
    mixed = replace(layout, pages=(read, layout.pages[1], scan))
    assert hint_of_scans(mixed, ["json", "md"]).startswith("1 of 2 pages have no text layer")
    assert hint_of_scans(mixed, ["json", "png"]) == hint_of_scans(replace(layout, pages=(read,)), ["md"]) == ""


def test_a_name_that_is_no_unicode_has_pictures_too(layout, document, tmp_path):
    target = tmp_path / os.fsdecode(b"caf\xe9")
    for path in export(layout, document, target, ["md", "html"]):
        assert "caf%E9/figures/page-0001-01-table.png" in path.read_text()


def test_every_format_writes_what_it_says(layout, document, tmp_path):
    written = export(layout, document, tmp_path / "out" / "report.v1", EXPORTERS)
    assert all(path.exists() for path in written)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "out/report.v1.annotated.pdf",
        "out/report.v1.csv",
        "out/report.v1.html",
        "out/report.v1.json",
        "out/report.v1.jsonl",
        "out/report.v1.md",
        "out/report.v1.parquet",
        "out/report.v1/coco/annotations.json",
        "out/report.v1/coco/image-0001.png",
        "out/report.v1/coco/image-0003.png",
        "out/report.v1/crops/page-0001-01-table.png",
        "out/report.v1/crops/page-0001-02-title.png",
        "out/report.v1/figures/page-0001-01-table.png",
        "out/report.v1/page-0001.png",
        "out/report.v1/page-0003.png",
    ]


def test_json_reads_back(layout, document, tmp_path):
    (path,) = export(layout, document, tmp_path / "x", ["json"])
    again = DocumentLayout.from_dict(json.loads(path.read_text("utf-8")))
    assert to_json(again) == to_json(layout)
    assert again.pages[1].error == layout.pages[1].error


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(placed=placed_rectangles())
@example(
    placed=Placed(Sheet(filled((60, 50, 90, 70)), (0, 0, 300, 200), (30, 20, 280, 190), 270, 1.5), (60, 50, 90, 70))
)
def test_every_format_places_a_region_on_its_ink(tmp_path, placed):
    """A rectangle filled in user space, and what each file says of it, whatever the page's rotation, crop and unit."""
    with open_document(make_pdf(placed.sheet)) as document:
        box = document.frame(0).to_display([placed.rect])[0]
        page = PageLayout(1, *document.page_size(0), (Region("figure", 0.5, tuple(box.tolist())),))
        source = SourceInfo(document.name, document.sha256, 1)
        layout = DocumentLayout(source, ModelInfo("none", "", "none"), (page,))
        export(layout, document, tmp_path / "it", ["json", "csv", "html", "coco", "crops"])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "it.csv").read_text(), newline=""))
    (figure,) = re.findall(r'<figure[^>]* data-box="([^"]*)"', (tmp_path / "it.html").read_text())
    (found,) = json.loads((tmp_path / "it.json").read_text())["pages"][0]["regions"]
    for said in ([row["x0"], row["y0"], row["x1"], row["y1"]], re.split("[ ,]+", figure), found["box"]):
        np.testing.assert_allclose(np.array(said, dtype=float), box, atol=0.06)
    coco = json.loads((tmp_path / "it" / "coco" / "annotations.json").read_text())
    x, y, width, height = coco["annotations"][0]["bbox"]
    with Image.open(tmp_path / "it" / "coco" / coco["images"][0]["file_name"]) as picture:
        np.testing.assert_allclose(
            extent(near_colour(picture, (0, 0, 0), 120))[0], [x, y, x + width, y + height], atol=1.5
        )
    for folder in ("crops/page-0001-01-figure.png", "figures/page-0001-01-figure.png"):
        with Image.open(tmp_path / "it" / folder) as crop:
            dark = near_colour(crop, (0, 0, 0), 120)
            assert dark[2:-2, 2:-2].all(), "the crop holds more than the rectangle"


def test_csv_has_a_row_per_region(layout):
    rows = list(csv.DictReader(io.StringIO(to_csv(layout), newline="")))
    assert [(row["page"], row["label"], row["score"]) for row in rows] == [
        ("1", "table", "0.8765"),
        ("1", "title", "0.9"),
    ]
    assert [float(rows[0][name]) for name in ("x0", "y0", "x1", "y1")] == [100, 160, 220, 200]
    assert rows[0]["text"] == 'a "cell",\n\'=1+1' and rows[1]["text"] == ""


def test_overlay_has_the_box_on_the_rectangle(layout, document, tmp_path):
    export(layout, document, tmp_path / "x", ["png"])
    with Image.open(tmp_path / "x" / "page-0001.png") as picture:
        assert picture.size == document.render(0).image.size
        border = extent(near_colour(picture, label_by_name("table").colour, 3))
    np.testing.assert_allclose(border, np.array([[100, 160, 220, 200]]) * 100 / 72, atol=1.5)


def test_coco_boxes_fit_the_pictures_beside_them(layout, document, tmp_path):
    (folder,) = export(layout, document, tmp_path / "x", ["coco"])
    data = json.loads((folder / "annotations.json").read_text())
    assert [category["id"] for category in data["categories"]] == [label.id for label in LABELS]
    assert [image["id"] for image in data["images"]] == [1, 3]
    for image in data["images"]:
        with Image.open(folder / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
    table, title = data["annotations"]
    assert (table["id"], title["id"], table["image_id"], table["category_id"]) == (1, 2, 1, 4)
    assert table["area"] == pytest.approx(table["bbox"][2] * table["bbox"][3], abs=0.1)
    with Image.open(folder / "image-0001.png") as picture:
        ink = extent(near_colour(picture, (0, 0, 0), 127))[0]
    x, y, width, height = table["bbox"]
    np.testing.assert_allclose([x, y, x + width, y + height], ink, atol=1.1)


def test_unknown_format_lists_those_there_are(layout, document, tmp_path):
    with pytest.raises(
        ValueError, match="'docx': use one or more of json, jsonl, pdf, png, coco, csv, md, html, crops, parquet"
    ):
        export(layout, document, tmp_path / "x", ["json", "docx"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no format"):
        chosen_formats([" "])
    assert chosen_formats(["JSON", " png", "json"]) == ("json", "png")


def test_one_format_failing_does_not_cost_the_others(layout, document, tmp_path):
    (tmp_path / "x").write_text("where the folder of pictures should be")
    with pytest.raises(OSError):
        export(layout, document, tmp_path / "x", ["png", "json"])
    assert (tmp_path / "x.json").exists()


def test_page_that_cannot_be_drawn_again_is_a_pdf_error(layout, document, tmp_path):
    lost = DocumentLayout(layout.source, layout.model, (PageLayout(2, 400, 500),))
    with pytest.raises(PdfError, match="page 2"):
        export(lost, document, tmp_path / "x", ["png"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1"])
def test_no_cell_is_a_formula(layout, text):
    """At its start, nor where a spreadsheet that parts cells at semicolons or tabs sees one start."""
    assert csv_text(layout, text) == f"'{text}"
    for separator in (";", "; ", "\t", "\n"):
        assert csv_text(layout, f"a{separator}{text}").startswith(f"a{separator}'")
    for innocent in ("x; y", "a\n- b", "1 - 2; 3"):
        assert csv_text(layout, innocent) == innocent


def csv_text(layout, text: str) -> str:
    """What the table has for a region of that text."""
    page = PageLayout(1, 400, 500, (Region("text", 0.9, (0, 0, 9, 9), text),))
    (row,) = csv.DictReader(io.StringIO(to_csv(DocumentLayout(layout.source, layout.model, (page,))), newline=""))
    return row["text"]


def test_crop_shows_the_region_alone(layout, document, tmp_path):
    (folder,) = export(layout, document, tmp_path / "x", ["crops"])
    with Image.open(folder / "page-0001-01-table.png") as picture:
        assert picture.width == pytest.approx(120 * 100 / 72, abs=2)
        assert near_colour(picture, (0, 0, 0), 127).mean() > 0.95  # the rectangle fills its box
