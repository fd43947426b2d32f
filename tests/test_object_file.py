"""A PDF with something added to it is read by pypdf, pdfium and poppler alike, whatever its cross references are."""

import hashlib
import re
import subprocess
import zlib
from io import BytesIO

import pytest
from handmade_pdf import Sheet, encrypted, make_pdf, written
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

from layoutdeit.object_file import ObjectFile
from layoutdeit.pdf import open_document

PDF = make_pdf(*(Sheet(written(f"Page {number}", 72, 700)) for number in range(3)))


def with_xref_stream(data: bytes) -> bytes:
    """The same objects, their places in a cross-reference stream: made by hand, since no package here writes one."""
    body = data[: data.rindex(b"xref\n0 ")]
    starts = {int(match[1]): match.start() for match in re.finditer(rb"^(\d+) 0 obj", body, re.MULTILINE)}
    size = max(starts) + 2
    starts[size - 1] = len(body)
    rows = b"".join(
        b"\1" + starts[n].to_bytes(4, "big") + b"\0" if n in starts else bytes(5) + b"\xff" for n in range(size)
    )
    table = zlib.compress(rows)
    entries = f"/Type /XRef /W [1 4 1] /Size {size} /Root 1 0 R /Filter /FlateDecode /Length {len(table)}"
    body += f"{size - 1} 0 obj\n<< {entries} >>\nstream\n".encode() + table + b"\nendstream\nendobj\n"
    return body + f"startxref\n{starts[size - 1]}\n%%EOF\n".encode()


def updated(data: bytes) -> bytes:
    """Its second page turned, and 300 objects more."""
    file = BytesIO()
    reader = PdfReader(BytesIO(data), strict=True)
    update = ObjectFile.update_of(reader, file)
    page = reader.pages[1]
    notes = [update.add(TextStringObject(f"note {number}")) for number in range(300)]
    entries = {NameObject("/Rotate"): NumberObject(90), NameObject("/Notes"): ArrayObject(notes)}
    update.put(page.indirect_reference, DictionaryObject({**page, **entries}))
    update.close()
    return file.getvalue()


@pytest.mark.parametrize("data", [PDF, with_xref_stream(PDF)], ids=["table", "stream"])
def test_every_reader_sees_what_was_added(pdftoppm, tmp_path, data):
    once = updated(data)
    assert once.startswith(data)  # not a byte of the document has changed
    for result in (once, updated(once)):
        pages = PdfReader(BytesIO(result), strict=True).pages
        assert [page.rotation for page in pages] == [0, 90, 0]
        assert [str(note.get_object()) for note in pages[1]["/Notes"]] == [f"note {number}" for number in range(300)]
        with open_document(result) as document:
            assert [document.page_size(index) for index in range(3)] == [(612, 792), (792, 612), (612, 792)]
            assert [word.text for word in document.words(1)] == ["Page", "1"]
        path = tmp_path / f"{hashlib.sha256(result).hexdigest()}.pdf"
        path.write_bytes(result)
        done = subprocess.run(["pdfinfo", "-l", "3", path], capture_output=True, text=True, check=True)
        assert re.findall(r"rot: +(\d+)", done.stdout) == ["0", "90", "0"] and not done.stderr


def test_new_document_is_one():
    file = BytesIO()
    new = ObjectFile(file)
    tree = new.reserve()
    kids = ArrayObject()
    for width in (300, 400):
        box = ArrayObject(map(NumberObject, (0, 0, width, 500)))
        entries = {"/Type": NameObject("/Page"), "/Parent": tree, "/MediaBox": box}
        kids.append(new.add(DictionaryObject({NameObject(key): value for key, value in entries.items()})))
    entries = {"/Type": NameObject("/Pages"), "/Kids": kids, "/Count": NumberObject(2)}
    new.put(tree, DictionaryObject({NameObject(key): value for key, value in entries.items()}))
    catalog = {NameObject("/Type"): NameObject("/Catalog"), NameObject("/Pages"): tree}
    new.close(root=new.add(DictionaryObject(catalog)))
    PdfReader(BytesIO(file.getvalue()), strict=True)
    with open_document(file.getvalue()) as document:
        assert [document.page_size(index) for index in range(document.num_pages)] == [(300, 500), (400, 500)]


def test_an_object_is_written_once():
    reader, file = PdfReader(BytesIO(PDF)), BytesIO()
    update = ObjectFile.update_of(reader, file)
    for reference in (reader.pages[0].indirect_reference, update.reserve()):
        update.put(reference, DictionaryObject())
        with pytest.raises(ValueError, match="twice"):
            update.put(reference, DictionaryObject())


def test_what_cannot_be_added_to_is_refused():
    with pytest.raises(ValueError, match="encrypted"):
        ObjectFile.update_of(PdfReader(BytesIO(encrypted(PDF, "x")), password="x"), BytesIO())
    with pytest.raises(ValueError, match="where the cross references are"):
        ObjectFile.update_of(PdfReader(BytesIO(PDF + b"\0" * 4000)), BytesIO())
