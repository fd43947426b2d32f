"""Boxes read from the tags of small Typst documents."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from page_records import read_records
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NumberObject, RectangleObject

typst = pytest.importorskip("typst")

from layoutdeit.corpus import page_objects  # noqa: E402
from layoutdeit.corpus.annotate import annotate_pdfs  # noqa: E402
from layoutdeit.corpus.tagged_pdf import TaggedPage, TaggedPdf  # noqa: E402

PAGE = "#set page(width: 300pt, height: 400pt, margin: 40pt)\n"
BODY = '#set text(font: "Libertinus Serif", size: 10pt, top-edge: 0.75em, bottom-edge: -0.25em)\n'


def pages_of(body: str, page: str = PAGE) -> list[TaggedPage]:
    with TaggedPdf(typst.compile((page + BODY + body).encode())) as pdf:
        return [pdf.read_page(index) for index in range(len(pdf))]


def labels_of(page: TaggedPage) -> list[str]:
    return [region.label for region in page.regions]


def test_boxes_stand_at_known_places():
    (page,) = pages_of(
        "#set par(leading: 0.2em, spacing: 0.2em)\n"
        "#place(dx: 20pt, dy: 50pt, heading[Xylophone])\n"
        "#place(dx: 0pt, dy: 100pt, block(width: 120pt, par[one \\ two \\ three]))\n"
        "#place(dx: 100pt, dy: 200pt, image(bytes(\"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 30'>"
        "<rect width='60' height='30' fill='red'/></svg>\"), width: 60pt))"
    )
    boxes = {region.label: region.box for region in page.regions}
    assert set(boxes) == {"title", "text", "figure"}
    assert boxes["figure"] == pytest.approx((140, 240, 200, 270), abs=0.1)
    # The first baseline is .75 em below the block's top, the third two pitches of 1.2 em further down.
    first_baseline, size = 140 + 7.5, 10
    top = first_baseline - page_objects.LINE_ASCENT * size
    bottom = first_baseline + 2 * 12 + page_objects.LINE_DESCENT * size
    assert boxes["text"][1] == pytest.approx(top, abs=0.1)
    assert boxes["text"][3] == pytest.approx(bottom, abs=0.1)
    assert boxes["text"][0] == pytest.approx(40, abs=1.0)
    assert boxes["title"][0] == pytest.approx(60, abs=1.0)


def test_paragraph_across_columns_gives_a_box_on_each_side():
    (page,) = pages_of("#set page(columns: 2)\n#v(270pt)\n" + "words in a row " * 22)
    assert labels_of(page) == ["text", "text"]
    left, right = (region.box for region in page.regions)
    assert left[2] < right[0]
    assert left[1] > right[1]


def test_list_is_one_box_per_column_with_what_it_nests():
    items = "\n".join(f"- item {n}\n  - nested {n}" for n in range(16))
    (page,) = pages_of(f"#set page(columns: 2)\n{items}")
    assert labels_of(page) == ["list", "list"]


def test_paragraph_across_pages_gives_a_box_on_each():
    pages = pages_of("#v(290pt)\n" + "words in a row " * 30)
    assert [labels_of(page) for page in pages] == [["text"], ["text"]]


def test_captions_are_text_outside_table_and_figure():
    (page,) = pages_of(
        "#figure(table(columns: 2, [a], [b], [c], [d]), caption: figure.caption(position: top)[Numbers])\n"
        "#figure(image(bytes(\"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 30'>"
        "<rect width='60' height='30'/></svg>\"), width: 60pt), caption: [Picture])"
    )
    assert sorted(labels_of(page)) == ["figure", "table", "text", "text"]
    boxes = sorted((region.box[1], region.label) for region in page.regions)
    assert [label for _, label in boxes] == ["text", "table", "figure", "text"]


def test_table_box_reaches_its_rules():
    (page,) = pages_of(
        "#table(columns: (100pt, 100pt), stroke: none, inset: 4pt, table.hline(stroke: 1pt), [a], [b], [c], [d],"
        " table.hline(stroke: 1pt))"
    )
    (region,) = page.regions
    assert region.label == "table"
    assert region.box[0] == pytest.approx(40, abs=0.6)
    assert region.box[2] == pytest.approx(240, abs=0.6)
    assert region.box[1] == pytest.approx(40, abs=0.6)
    assert region.box[3] == pytest.approx(40 + 2 * (10 + 8), abs=0.6)


def test_table_leaves_the_tint_behind_the_column():
    (page,) = pages_of(
        "#block(fill: luma(220), inset: 6pt, width: 100%)[\n#par[Above.]\n#v(60pt)\n"
        "#table(columns: 2, stroke: none, [a], [b], [c], [d])\n#v(60pt)\n#par[Below.]\n]"
    )
    (table,) = [region.box for region in page.regions if region.label == "table"]
    assert table[3] - table[1] < 50


def test_decorations_have_no_boxes():
    (page,) = pages_of(
        "#set page(header: [Running head], footer: [7], background: place(rect(width: 20pt, height: 90pt)))\n"
        "#pdf.artifact[BANNER #line(length: 50%)]\n"
    )
    assert page.regions == ()


def test_footnote_is_its_own_text():
    (page,) = pages_of("A claim.#footnote[A doubt.]")
    assert labels_of(page) == ["text", "text"]
    assert page.regions[1].box[1] > page.regions[0].box[3]


def test_empty_page_has_no_regions():
    (page,) = pages_of("#v(1pt)")
    assert page.regions == ()
    assert (page.width, page.height) == (300, 400)


@pytest.mark.parametrize("kind", ["inherited media box", "inherited crop box", "larger crop box", "inverted media box"])
def test_boxes_are_those_of_the_page_as_rendered(kind):
    """However a file says how large its page is: the place of the head on the part that is shown."""
    data = typst.compile((PAGE + BODY + "#place(dx: 100pt, dy: 120pt)[= Head]").encode())
    with TaggedPdf(data) as pdf:
        page = pdf.read_page(0)
    (expected,) = (region.box for region in page.regions)
    writer = PdfWriter(clone_from=io.BytesIO(data))
    sheet = writer.pages[0]
    parent, media = sheet["/Parent"].get_object(), sheet.mediabox
    if kind == "inherited media box":
        parent[NameObject("/MediaBox")] = sheet.pop("/MediaBox")
    elif kind == "inherited crop box":
        parent[NameObject("/CropBox")] = ArrayObject(map(FloatObject, [20, 30, media[2], media[3]]))
    elif kind == "larger crop box":
        sheet[NameObject("/CropBox")] = ArrayObject(map(FloatObject, [-50, -50, 2000, 2000]))
    else:
        sheet[NameObject("/MediaBox")] = ArrayObject(map(FloatObject, [media[2], media[3], 0, 0]))
    with io.BytesIO() as stream:
        writer.write(stream)
        with TaggedPdf(stream.getvalue()) as pdf:
            again = pdf.read_page(0)
    shift = 20 if kind == "inherited crop box" else 0
    (box,) = (region.box for region in again.regions)
    assert box == pytest.approx((expected[0] - shift, expected[1], expected[2] - shift, expected[3]), abs=0.1)


def test_untagged_and_broken_files_are_skipped_with_the_reason(tmp_path):
    source = (PAGE + BODY + "= Head\n\nText.").encode()
    (tmp_path / "tagged.pdf").write_bytes(typst.compile(source))
    (tmp_path / "plain.pdf").write_bytes(typst.compile(source, pdf_tags=False))
    (tmp_path / "broken.pdf").write_bytes(b"not a pdf")
    paths = [tmp_path / name for name in ("plain.pdf", "tagged.pdf", "broken.pdf")]
    report = annotate_pdfs(paths, tmp_path / "tree")
    assert report.num_pages == 1
    reasons = {path.name: reason for path, reason in report.skipped}
    assert "no tags" in reasons["plain.pdf"]
    assert "broken.pdf" in reasons
    (record,) = read_records(tmp_path / "tree", "train")
    assert [label for label, _ in record.regions] == ["title", "text"]
    assert (record.width, record.height) == (300, 400)


def test_pages_that_are_there_already_stay(tmp_path):
    pdf = Path(__file__).parent / "tagged_pdfs"
    path = sorted(pdf.glob("*.pdf"))[0]
    annotate_pdfs([path], tmp_path)
    before = (tmp_path / "train.json").read_bytes()
    annotate_pdfs([path], tmp_path)  # the same again
    with pytest.raises(ValueError, match="holds pages already"):
        annotate_pdfs([tmp_path / "none.pdf"], tmp_path)
    assert (tmp_path / "train.json").read_bytes() == before
    report = annotate_pdfs([tmp_path / "none.pdf"], tmp_path / "new")
    assert report.num_pages == 0 and not (tmp_path / "new" / "train.json").exists()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pages_that_are_turned_to_be_read_have_the_boxes_they_are_read_with(turn):
    """Landscape pages often lie on their side in the file: what is drawn is turned there, and back by /Rotate."""
    body = "#set page(columns: 2)\n= Xylophone\n" + "words in a row " * 60 + "\n- one\n- two\n#table(columns: 2)[a][b]"
    data = typst.compile((PAGE + BODY + body).encode())
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    for page in writer.pages:
        width, height = page.mediabox.width, page.mediabox.height
        places = {90: (0, 1, -1, 0, height, 0), 180: (-1, 0, 0, -1, width, height), 270: (0, -1, 1, 0, 0, width)}
        page.add_transformation(places[turn])
        if turn != 180:
            page.mediabox = RectangleObject((0, 0, height, width))
        page[NameObject("/Rotate")] = NumberObject(turn)
    turned = io.BytesIO()
    writer.write(turned)
    with TaggedPdf(data) as upright, TaggedPdf(turned.getvalue()) as pdf:
        for index in range(len(upright)):
            wanted, found = upright.read_page(index), pdf.read_page(index)
            assert (found.width, found.height) == (wanted.width, wanted.height)
            assert labels_of(found) == labels_of(wanted) and len(wanted.regions) >= 3
            for mine, theirs in zip(found.regions, wanted.regions, strict=True):
                assert mine.box == pytest.approx(theirs.box, abs=0.1)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pages_that_lie_on_their_side_are_left_out(turn):
    """A model would learn a box for every word of them. One turned word does not make a page such a one."""
    body = "#place(right, rotate(90deg)[Volume])\n= Xylophone\n" + "words in a row " * 60
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(typst.compile((PAGE + BODY + body).encode()))))
    read = []
    for rotate in (0, turn):
        for page in writer.pages:
            page[NameObject("/Rotate")] = NumberObject(rotate)
        data = io.BytesIO()
        writer.write(data)
        with TaggedPdf(data.getvalue()) as pdf:
            read.append(pdf.read_page(0).problem)
    assert not read[0] and "runs up, down or upside down" in read[1]


def test_text_made_slanted_is_upright():
    """What browsers draw where a font has no italics; only how wide its ink is differs."""
    lines = "par[words in a row \\ words in a row \\ words in a row]"
    (upright,), (slanted,) = (
        pages_of(f"#{before}{lines}{after}") for before, after in (("", ""), ("skew(ax: -15deg, ", ")"))
    )
    assert not slanted.problem and labels_of(slanted) == labels_of(upright) == ["text"]
    assert slanted.regions[0].box[1::2] == pytest.approx(upright.regions[0].box[1::2], abs=0.1)
