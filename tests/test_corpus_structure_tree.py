"""Structure trees written by hand: what their elements own, and what becomes of trees that are broken."""

from __future__ import annotations

from io import BytesIO

import pytest
from hostile_inputs import pdf_of, stream
from page_records import read_records
from pypdf import PdfReader, PdfWriter

from layoutdeit.corpus import structure_tree
from layoutdeit.corpus.annotate import annotate_pdfs
from layoutdeit.corpus.page_objects import LINE_ASCENT, LINE_DESCENT
from layoutdeit.corpus.structure_tree import TagError, read_structure
from layoutdeit.corpus.tagged_pdf import TaggedPage, TaggedPdf

FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def words(content_id: int, y: float, text: str = "words on a line") -> str:
    """A line of 10 points whose baseline begins at (72, y), as marked content."""
    return f"/P << /MCID {content_id} >> BDC BT /F1 10 Tf 72 {y} Td ({text}) Tj ET EMC\n"


def tagged_pdf(
    content: str, elements: dict[int, str | bytes], *, root: str = "/K 10 0 R", xobjects: str = "", marked: bool = True
) -> bytes:
    """A page of letter size, its content, a root of the tree and elements from object 10 on."""
    mark = "/MarkInfo << /Marked true >>" if marked else ""
    resources = f"<< /Font << /F1 6 0 R >> /XObject << {xobjects} >> >>"
    page = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources {resources}"
    return pdf_of(
        {
            1: f"<< /Type /Catalog /Pages 2 0 R {mark} /StructTreeRoot 5 0 R >>",
            2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: f"<< {page} /StructParents 0 >>",
            4: stream(content.encode()),
            5: f"<< /Type /StructTreeRoot {root} >>",
            6: FONT,
            **elements,
        }
    )


def element(role: str, kids: str, more: str = "") -> str:
    return f"<< /Type /StructElem /S /{role} /Pg 3 0 R /K {kids} {more} >>"


def read(data: bytes) -> TaggedPage:
    with TaggedPdf(data) as pdf:
        return pdf.read_page(0)


def labels(data: bytes) -> list[str]:
    return [region.label for region in read(data).regions]


def test_box_of_a_line_stands_where_it_was_written():
    (region,) = read(tagged_pdf(words(0, 700), {10: element("P", "0")})).regions
    assert region.label == "text"
    assert region.box[1] == pytest.approx(792 - 700 - 10 * LINE_ASCENT, abs=0.01)
    assert region.box[3] == pytest.approx(792 - 700 + 10 * LINE_DESCENT, abs=0.01)


def test_roles_of_the_writer_s_own_are_followed_to_standard_ones():
    roles = "/RoleMap << /Standard /P /Kapitel /Ueberschrift /Ueberschrift /H2 /Title /P /Round /About /About /Round >>"
    content = "".join(words(i, 700 - 40 * i) for i in range(4))
    elements = {
        10: element("Document", "[11 0 R 12 0 R 13 0 R 14 0 R]"),
        11: element("Title", "0"),  # LibreOffice maps its style to P
        12: element("Kapitel", "1"),
        13: element("Standard", "2"),
        14: element("Round", "3"),  # leads nowhere: words of no paragraph
    }
    assert labels(tagged_pdf(content, elements, root=f"/K 10 0 R {roles}")) == ["title", "title", "text", "text"]


def test_namespaces_have_role_maps_of_their_own():
    space = "/NS << /Type /Namespace /NS (urn:own) /RoleMapNS << /thing [/H1 11 0 R] >> >>"
    data = tagged_pdf(words(0, 700), {10: element("thing", "0", space), 11: "<< /Type /Namespace /NS (urn:pdf) >>"})
    assert labels(data) == ["title"]


def test_a_form_counts_its_contents_anew():
    """Chromium sets what is transparent in forms: their content 0 is not the page's."""
    form = stream(words(0, 500).encode(), "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources 22 0 R")
    other = stream(words(0, 300).encode(), "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources 22 0 R")
    content = words(0, 700) + "/X2 Do /X1 Do"
    elements = {
        10: element("Document", "[11 0 R 12 0 R 13 0 R]"),
        11: element("P", "0"),
        12: element("H1", "<< /Type /MCR /Pg 3 0 R /Stm 20 0 R /MCID 0 >>"),
        13: element("Caption", "[<< /Type /MCR /Pg 3 0 R /Stm 21 0 R /MCID 0 >>]"),
        20: form,
        21: other,
        22: "<< /Font << /F1 6 0 R >> >>",
    }
    page = read(tagged_pdf(content, elements, xobjects="/X1 20 0 R /X2 21 0 R"))
    assert [(region.label, round(792 - region.box[3] + 3.1)) for region in page.regions] == [
        ("text", 700), ("title", 500), ("text", 300)
    ]  # fmt: skip


def test_an_object_may_be_owned_whole():
    image = stream(
        bytes(3), "/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    )
    content = words(0, 700) + "q 100 0 0 50 72 400 cm /X2 Do Q q 100 0 0 50 72 500 cm /X1 Do Q"
    elements = {
        10: element("Document", "[11 0 R 12 0 R]"),
        11: element("P", "[0 << /Type /OBJR /Pg 3 0 R /Obj 23 0 R >>]"),  # a link: nothing is drawn
        12: element("Figure", "<< /Type /OBJR /Pg 3 0 R /Obj 20 0 R >>"),
        20: image,
        21: image,
        23: "<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] >>",
    }
    text, figure = read(tagged_pdf(content, elements, xobjects="/X1 20 0 R /X2 21 0 R")).regions
    assert (text.label, figure.label) == ("text", "figure")
    assert figure.box == pytest.approx((72, 242, 172, 292), abs=0.1)


def test_a_figure_may_be_known_by_its_frame_alone():
    frame = "/A [<< /O /Table >> << /O /Layout /BBox [72 500 172 550] >>]"
    data = tagged_pdf(words(0, 700), {10: element("Document", "[11 0 R 12 0 R]"), 11: element("P", "0"),
                                      12: element("Figure", "[]", frame)})  # fmt: skip
    text, figure = read(data).regions
    assert figure.label == "figure" and figure.box == pytest.approx((72, 242, 172, 292))


def test_lists_and_references_without_a_list_around_them_are_one():
    content = "".join(words(i, 700 - 14 * i) for i in range(5))
    elements = {
        10: element("Document", "[11 0 R 12 0 R 13 0 R 14 0 R 15 0 R]"),
        **{11 + i: element(role, str(i)) for i, role in enumerate(("LI", "LI", "P", "BibEntry", "BibEntry"))},
    }
    assert labels(tagged_pdf(content, elements)) == ["list", "text", "list"]


def test_lines_of_code_are_one_text():
    content = "".join(words(i, y) for i, y in enumerate((700, 686, 642, 628, 600)))
    elements = {
        10: element("Document", "[11 0 R 12 0 R 13 0 R]"),
        11: element("Preformatted#20Text", "0"),  # LibreOffice: each line a paragraph
        12: element("Preformatted#20Text", "1"),
        13: element("NonStruct", "[14 0 R]"),  # Chromium: <pre><code>, here with an empty line
        14: element("Code", "[2 3 4]"),
    }
    roles = "/RoleMap << /Preformatted#20Text /P >>"
    lines, listing = read(tagged_pdf(content, elements, root=f"/K 10 0 R {roles}")).regions
    assert lines.box[3] - lines.box[1] == pytest.approx(14 + 12.3, abs=0.1)
    assert listing.box[3] == pytest.approx(792 - 600 + 3.1, abs=0.1)


def test_rules_bars_frames_and_icons_are_no_figures():
    shapes = ("20 100 1 400 re f", "560 300 14 90 re f", "0 0 612 792 re f", "72 200 10 10 re f")
    content = words(9, 700) + "".join(f"/F << /MCID {i} >> BDC {shape} EMC\n" for i, shape in enumerate(shapes))
    elements = {
        10: element("Document", "[9 " + " ".join(f"{11 + i} 0 R" for i in range(5)) + "]"),
        **{11 + i: element("Figure", str(i)) for i in range(4)},
        15: element("Figure", "4"),
    }
    content += "/F << /MCID 4 >> BDC 72 400 200 90 re f EMC\n"
    assert labels(tagged_pdf(content, elements)) == ["text", "figure"]


def test_a_clipped_picture_is_as_large_as_what_shows():
    content = "/F << /MCID 0 >> BDC q 72 500 100 50 re W n 0 0 612 792 re f 80 510 300 5 re f Q EMC"
    (figure,) = read(tagged_pdf(content, {10: element("Figure", "0")})).regions
    assert figure.box == pytest.approx((72, 242, 172, 292), abs=0.1)


def test_a_page_whose_words_have_no_tags_is_no_example():
    half = words(0, 700) + words(7, 650) + words(8, 600)
    assert read(tagged_pdf(half, {10: element("P", "0")})).problem == "67% of its text has no tag"
    assert read(tagged_pdf(words(7, 700), {10: element("P", "0")})).problem == "nothing on it is tagged"
    head = "/Artifact BMC BT /F1 10 Tf 72 750 Td (a long running head, longer than the text) Tj ET EMC\n"
    assert not read(tagged_pdf(head + words(0, 700), {10: element("P", "0")})).problem
    assert not read(tagged_pdf(head, {10: element("P", "0")})).problem  # an empty page


def test_cycles_are_read_once():
    elements = {
        10: element("Document", "[11 0 R 10 0 R]"),
        11: element("Sect", "[10 0 R 12 0 R 11 0 R]"),
        12: element("P", "[0 11 0 R]"),
    }
    assert labels(tagged_pdf(words(0, 700), elements)) == ["text"]


def test_any_depth_is_read():
    depth = 5000
    elements = {10 + i: element("Div", f"{11 + i} 0 R") for i in range(depth)} | {10 + depth: element("H1", "0")}
    assert labels(tagged_pdf(words(0, 700), elements)) == ["title"]


def test_content_ids_that_do_not_exist_are_passed_over():
    kids = "[0 5 -3 99999999999 /Name (text) null 77 0 R << /Type /MCR /MCID (x) >> << /Type /OBJR >> 1.5]"
    assert labels(tagged_pdf(words(0, 700), {10: element("P", kids)})) == ["text"]


@pytest.mark.parametrize("root", ["", "/K 10", "/K (text)", "/K [null 77 0 R]", "/K 10 0 R /RoleMap 3 0 R"])
def test_a_root_that_leads_nowhere_tags_nothing(root: str):
    page = read(tagged_pdf(words(0, 700), {10: "<< >>"}, root=root))
    assert page.regions == () and page.problem


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch):
    data = tagged_pdf(words(0, 700), {10: element("P", f"[{'0 ' * 400}]")})
    monkeypatch.setattr(structure_tree, "MAX_ENTRIES", 300)
    with pytest.raises(TagError, match="more than 300 entries"):
        read_structure(PdfReader(BytesIO(data)))


def test_damaged_trees_cost_only_themselves(tmp_path):
    """Each a sentence or the pages, none a hang; a file after them is read."""
    nested = "<< /S /Div /K " * 3000 + "0" + " >>" * 3000
    files = {
        "million.pdf": tagged_pdf(words(0, 700), {10: element("P", f"[{'0 ' * 1_000_000}]")}),
        "references.pdf": tagged_pdf(
            words(0, 700), {10: element("Div", f"[{'11 0 R ' * 300_000}]"), 11: element("P", "0")}
        ),
        "nested.pdf": tagged_pdf(words(0, 700), {10: nested}),
        "no_tree.pdf": tagged_pdf(words(0, 700), {}).replace(b"/StructTreeRoot 5", b"/StructTreeRuin 5"),
        "unmarked.pdf": tagged_pdf(words(0, 700), {10: element("P", "0")}, marked=False),
        "good.pdf": tagged_pdf(words(0, 700), {10: element("P", "0")}),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    report = annotate_pdfs([tmp_path / name for name in files], tmp_path / "tree")
    reasons = {path.name: reason for path, reason in report.skipped}
    reasons |= {path.name: reason for path, _, reason in report.left_out}
    assert report.num_pages == len(files) - len(reasons)
    assert {"nested.pdf", "no_tree.pdf", "unmarked.pdf"} <= reasons.keys() <= files.keys() - {"good.pdf"}
    assert "no structure tree" in reasons["no_tree.pdf"] and "no tags" in reasons["unmarked.pdf"]


def test_a_file_that_only_its_owner_may_change_is_read(tmp_path):
    """Encrypted with an empty password, as files are that forbid printing or copying; a real password is asked for."""
    plain = tagged_pdf(words(0, 700), {10: element("Document", "[11 0 R]"), 11: element("H1", "0")})
    for name, password in (("open", ""), ("locked", "secret")):
        writer = PdfWriter(clone_from=PdfReader(BytesIO(plain)))
        writer.encrypt(password, "the owner's own", algorithm="RC4-128")
        writer.write(tmp_path / f"{name}.pdf")
    report = annotate_pdfs([tmp_path / "open.pdf", tmp_path / "locked.pdf"], tmp_path / "tree")
    assert report.num_pages == 1
    assert [label for label, _ in read_records(tmp_path / "tree", "train")[0].regions] == ["title"]
    [(path, reason)] = report.skipped
    assert path.name == "locked.pdf" and "password" in reason.lower()


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_crop_box_and_rotation_are_those_of_the_page_as_displayed(rotate: int):
    boxes = f"/MediaBox [0 0 612 792] /CropBox [40 100 600 780] /Rotate {rotate}"
    frame = "/A << /O /Layout /BBox [72 500 172 550] >>"
    content = words(0, 700) + "/F << /MCID 1 >> BDC 72 400 100 50 re f EMC"
    elements = {
        10: element("Document", "[11 0 R 12 0 R 13 0 R]"),
        11: element("P", "0"),
        12: element("Figure", "1"),
        13: element("Figure", "[]", frame),
    }
    page = read(tagged_pdf(content, elements).replace(b"/MediaBox [0 0 612 792]", boxes.encode()))
    assert (page.width, page.height) == ((680, 560) if rotate % 180 else (560, 680))
    upright = {"drawn": (32, 330, 132, 380), "framed": (32, 230, 132, 280)}  # from the crop box's top left
    turned = {
        0: lambda x0, y0, x1, y1: (x0, y0, x1, y1),
        90: lambda x0, y0, x1, y1: (680 - y1, x0, 680 - y0, x1),
        180: lambda x0, y0, x1, y1: (560 - x1, 680 - y1, 560 - x0, 680 - y0),
        270: lambda x0, y0, x1, y1: (y0, 560 - x1, y1, 560 - x0),
    }[rotate]
    figures = [region.box for region in page.regions if region.label == "figure"]
    assert figures == [pytest.approx(turned(*box), abs=0.1) for box in upright.values()]
