import logging
import time
from contextlib import closing
from io import BytesIO

import numpy as np
import pytest
from handmade_pdf import Sheet, encrypted, filled, make_pdf, written
from hypothesis import example, given, settings
from placed_rectangles import Placed, extent, near_colour, placed_rectangles
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from layoutdeit.annotate import annotate_pdf
from layoutdeit.geometry import pixels_to_points
from layoutdeit.labels import label_by_name
from layoutdeit.layout import DocumentLayout, ModelInfo, PageLayout, Region, SourceInfo
from layoutdeit.pdf import Document, open_document
from layoutdeit.pdf_file import PdfFile

SCALE = 216 / 72  # pixels per point: a border of one point has pixels of its pure colour
TEXT, TITLE = label_by_name("text").colour, label_by_name("title").colour


def layout_of(document: Document, *pages: PageLayout) -> DocumentLayout:
    source = SourceInfo(document.name, document.sha256, document.num_pages)
    return DocumentLayout(source, ModelInfo("none", "", "none"), pages)


def annotated(document: Document, *pages: PageLayout) -> bytes:
    file = BytesIO()
    annotate_pdf(document, layout_of(document, *pages), file)
    return file.getvalue()


def page_with(document: Document, *regions: Region, number: int = 1) -> PageLayout:
    return PageLayout(number, *document.page_size(number - 1), regions)


@settings(deadline=None, max_examples=25)
@given(placed_rectangles())
@example(Placed(Sheet("", (0, 0, 300, 200), (30, 20, 280, 190), 270, 1.5), (60, 50, 90, 70)))
def test_border_is_around_what_was_found_in_every_reader(pdftoppm, placed):
    """There and back: a rectangle drawn in user space, boxed as displayed, seen by both renderers."""
    with open_document(make_pdf(placed.sheet)) as document:
        expected = document.frame(0).to_display([placed.rect])
        region = Region("text", 0.93, tuple(expected[0].tolist()))
        data = annotated(document, page_with(document, region))
    with open_document(data) as document:
        for renderer in ("poppler" if placed.is_cropped_inside else None, "pdfium"):
            picture = document.render(0, dpi=72 * SCALE, renderer=renderer).image
            border = extent(near_colour(picture, TEXT, 12))
            border = pixels_to_points(border, picture.size, document.page_size(0))
            np.testing.assert_allclose(border, expected, atol=1.5 / SCALE, err_msg=str(renderer))  # 1.5 pixels


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_tag_is_upright_above_the_box(pdftoppm, rotate):
    sheet = Sheet("", (0, 0, 400, 400), (20, 50, 380, 390), rotate)
    with open_document(make_pdf(sheet)) as document:
        data = annotated(document, page_with(document, Region("text", 0.93, (100, 100, 250, 150))))
    with open_document(data) as document:
        picture = document.render(0, dpi=72 * SCALE, renderer="poppler").image
    tag = picture.crop(tuple(round(edge * SCALE) for edge in (200, 92.5, 250, 100)))
    is_tag = ~near_colour(tag, (255, 255, 255), 5)
    assert is_tag[:, -1].all() and not is_tag[:, 0].any()  # at the right end of the box
    is_ink = near_colour(tag, label_by_name("text").ink, 40)
    ink = extent(is_ink)[0]
    assert ink[2] - ink[0] > 3 * (ink[3] - ink[1])  # a line of text, lying
    upright = np.asarray(document_tag_at_rotation_0()) if rotate else None
    assert upright is None or (abs(np.asarray(tag, int) - upright) < 60).mean() > 0.97


def document_tag_at_rotation_0():
    with open_document(make_pdf(Sheet("", (0, 0, 400, 400)))) as document:
        data = annotated(document, page_with(document, Region("text", 0.93, (100, 100, 250, 150))))
    with open_document(data) as document:
        picture = document.render(0, dpi=72 * SCALE, renderer="poppler").image
    return picture.crop(tuple(round(edge * SCALE) for edge in (200, 92.5, 250, 100)))


def test_annotations_say_what_they_are():
    with open_document(make_pdf(Sheet(), Sheet())) as document:
        box = (100, 100, 300, 160)
        data = annotated(document, page_with(document, Region("title", 0.934, box), number=2))
    first, second = PdfReader(BytesIO(data)).pages
    assert not first.annotations
    (annotation,) = (reference.get_object() for reference in second.annotations)
    assert annotation["/Subtype"] == "/Square"
    assert (annotation["/T"], annotation["/Contents"]) == ("title", "title 0.93")
    assert [round(255 * float(value)) for value in annotation["/C"]] == list(TITLE)
    rect, inset = np.array(annotation["/Rect"], float), np.array(annotation["/RD"], float)
    inner = rect + inset * [1, 1, -1, -1]
    np.testing.assert_allclose(inner, [100, 792 - 160, 300, 792 - 100])
    assert annotation["/AP"]["/N"].get_data().startswith(b"q ")


def test_every_class_is_a_layer_beside_the_document_s_own():
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf(Sheet(), Sheet()))))
    group = {NameObject("/Type"): NameObject("/OCG"), NameObject("/Name"): TextStringObject("Own")}
    own = writer._add_object(DictionaryObject(group))
    settings = DictionaryObject({NameObject("/Order"): ArrayObject([own])})
    writer.root_object[NameObject("/OCProperties")] = DictionaryObject(
        {NameObject("/OCGs"): ArrayObject([own]), NameObject("/D"): settings}
    )
    original = BytesIO()
    writer.write(original)
    regions = [Region(label, 0.9, (100, y, 300, y + 40)) for label, y in (("text", 100), ("title", 200), ("text", 300))]
    with open_document(original.getvalue()) as document:
        reader = PdfReader(BytesIO(annotated(document, page_with(document, *regions))))
    properties = reader.trailer["/Root"]["/OCProperties"]
    names = [group.get_object()["/Name"] for group in properties["/OCGs"]]
    assert names == ["Own", "Layout: text", "Layout: title"]
    assert len(properties["/D"]["/Order"]) == 3 and len(properties["/D"]["/ON"]) == 2
    layers = [entry.get_object()["/OC"]["/Name"] for entry in reader.pages[0].annotations]
    assert layers == ["Layout: text", "Layout: title", "Layout: text"]


def test_content_and_annotations_of_the_original_stay():
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf(Sheet(written("Kept", 72, 700))))))
    writer.add_annotation(0, FreeText(text="a reader's note", rect=(50, 50, 150, 90)))
    writer.add_outline_item(title="Chapter", page_number=0)
    original = BytesIO()
    writer.write(original)
    with open_document(original.getvalue()) as document:
        data = annotated(document, page_with(document, Region("text", 0.9, (70, 80, 130, 96))))
    reader = PdfReader(BytesIO(data))
    kinds = [reference.get_object()["/Subtype"] for reference in reader.pages[0].annotations]
    assert kinds == ["/FreeText", "/Square"]
    assert reader.outline[0].title == "Chapter"
    with open_document(data) as document:
        assert [word.text for word in document.words(0)] == ["Kept"]


def test_pages_that_share_their_list_of_annotations_get_their_own():
    with_note = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf(Sheet(), Sheet()))))
    with_note.add_annotation(0, FreeText(text="note", rect=(50, 50, 150, 90)))
    with_note.pages[1][NameObject("/Annots")] = with_note._add_object(with_note.pages[0].annotations)
    with_note.pages[0][NameObject("/Annots")] = with_note.pages[1].raw_get("/Annots")
    original = BytesIO()
    with_note.write(original)
    with open_document(original.getvalue()) as document:
        data = annotated(document, page_with(document, Region("text", 0.9, (70, 80, 130, 96))))
    assert [len(page.annotations) for page in PdfReader(BytesIO(data)).pages] == [2, 1]


def test_same_input_same_bytes():
    with open_document(make_pdf(Sheet(written("text", 72, 700)))) as document:
        page = page_with(document, Region("text", 0.9, (70, 80, 130, 96)))
        assert annotated(document, page) == annotated(document, page)


def test_encrypted_document_is_written_decrypted(data_dir):
    real = (data_dir / "pdfs" / "password.pdf").read_bytes(), "openpassword"
    made = encrypted(make_pdf(Sheet(written("Secret", 72, 700))), "open sesame"), "open sesame"
    for data, password in (real, made):
        with open_document(data, password=password) as document:
            words = document.words(0)
            data = annotated(document, page_with(document, Region("table", 0.8, (70, 80, 130, 96))))
        with open_document(data) as document:
            assert document.password is None and document.words(0) == words


def test_damaged_cross_references_are_rebuilt():
    data = make_pdf(Sheet(written("Still here", 72, 700)))
    start = data.rindex(b"startxref")
    damaged = data[: data.rindex(b"xref\n0")] + b"trailer\n<< /Root 1 0 R >>\n" + data[start:]
    with open_document(damaged) as document:
        result = annotated(document, page_with(document, Region("text", 0.9, (70, 80, 130, 96))))
    with open_document(result) as document:
        assert [word.text for word in document.words(0)] == ["Still", "here"]
    assert len(PdfReader(BytesIO(result)).pages[0].annotations) == 1


def test_page_that_takes_no_annotations_does_not_cost_the_others_theirs(caplog):
    with open_document(make_pdf(Sheet(), Sheet(filled((0, 0, 9, 9))))) as document:
        good, bad = (page_with(document, Region("text", 0.9, (70, 80, 130, 96)), number=n) for n in (1, 2))
        nowhere = PageLayout(3, 612, 792, bad.regions)
        with caplog.at_level(logging.WARNING):
            data = annotated(document, good, nowhere, bad)
    assert [len(page.annotations) for page in PdfReader(BytesIO(data)).pages] == [1, 1]
    assert "page 3" in caplog.text


def test_layout_without_regions_is_the_document_again():
    with open_document(make_pdf(Sheet(written("Alone", 72, 700)))) as document:
        data = annotated(document)
    with open_document(data) as document:
        assert [word.text for word in document.words(0)] == ["Alone"]


def test_page_that_no_reader_reads_becomes_an_empty_one(caplog):
    sheets = Sheet(written("One", 72, 700), rotate=90), Sheet(is_broken=True), Sheet(written("Three", 72, 700))
    with open_document(make_pdf(*sheets)) as document, caplog.at_level(logging.ERROR):
        third = page_with(document, Region("text", 0.9, (70, 80, 130, 96)), number=3)
        data = annotated(document, third)
    with open_document(data) as document:
        assert [[word.text for word in document.words(index)] for index in range(3)] == [["One"], [], ["Three"]]
        assert document.page_size(0) == (792, 612)
    assert [len(page.annotations or ()) for page in PdfReader(BytesIO(data)).pages] == [0, 0, 1]


def test_what_an_owner_s_password_protects_is_written_without_it():
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf(Sheet(written("Free", 72, 700))))))
    writer.encrypt("", "the owner's own", algorithm="RC4-128")
    locked = BytesIO()
    writer.write(locked)
    with open_document(locked.getvalue()) as document:
        data = annotated(document, page_with(document, Region("text", 0.9, (70, 80, 130, 96))))
    reader = PdfReader(BytesIO(data))
    assert not reader.is_encrypted and len(reader.pages[0].annotations) == 1
    with open_document(data) as document:
        assert [word.text for word in document.words(0)] == ["Free"]


def test_document_itself_is_not_touched(data_dir):
    """Tables and streams of cross references, as real programs write them."""
    for name in ("ICDAR_2021_Scientific_Literature_Parsing.pdf", "redp5110_sampled.pdf"):
        original = (data_dir / "pdfs" / name).read_bytes()
        with open_document(original) as document:
            data = annotated(document, page_with(document, Region("text", 0.9, (70, 80, 130, 96)), number=2))
            words = [document.words(index) for index in range(3)]
        assert data.startswith(original) and len(data) < len(original) + 5000
        with open_document(data) as document:
            assert [document.words(index) for index in range(3)] == words


@pytest.mark.parametrize("copy", ["rewritten", "reassembled"])
def test_copies_of_a_document_are_the_same_bytes(copy, tmp_path):
    """Results are equal byte for byte, where pdfium gives each copy an id and the time."""
    path, copies = tmp_path / "a.pdf", []
    path.write_bytes(make_pdf(Sheet(written("text", 72, 700)), Sheet()))
    for _ in range(2):
        with (
            path.open("rb") as file,
            closing(PdfFile(file, str(path), path.name, None)) as document,
            document.open_plain(copy) as stream,
        ):
            copies.append(stream.read())
        time.sleep(1.1)  # its clock has seconds
    assert copies[0] == copies[1] and b"/ID" in copies[0]
