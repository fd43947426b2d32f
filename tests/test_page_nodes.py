from io import BytesIO

import pytest
from handmade_pdf import Sheet, make_pdf
from hostile_inputs import LETTER, pdf_of
from pypdf import PdfReader

from layoutdeit.page_nodes import FORGET_PAGES, page_nodes


def reader_of(data: bytes) -> PdfReader:
    return PdfReader(BytesIO(data))


def widths(reader: PdfReader) -> list[int]:
    return [int(page["/MediaBox"][2]) for _, page in page_nodes(reader)]


def test_pages_come_in_order_and_are_not_kept():
    num_pages = 4 * FORGET_PAGES + 3
    reader = reader_of(make_pdf(*(Sheet(media=(0, 0, 100 + number, 500)) for number in range(num_pages))))
    most = 0
    for number, (reference, page) in enumerate(page_nodes(reader)):
        assert reference.get_object() is page and page["/MediaBox"][2] == 100 + number
        most = max(most, len(reader.resolved_objects))
    assert number + 1 == num_pages and most < FORGET_PAGES + 5


def test_branches_and_entries_that_are_none():
    leaf = "<< /Type /Page /MediaBox [0 0 {} 9] >>"
    kids = {3: "<< /Type /Pages /Kids [4 0 R 5 0 R 99 0 R] /Count 2 >>", 4: leaf.format(1), 5: leaf.format(2)}
    branch = "<< /Kids 7 0 R >>"  # its type is told by what it has, its list is an object
    objects = {**kids, 6: branch, 7: "[8 0 R]", 8: "<< /MediaBox [0 0 3 9] >>", 9: "<< /Type /Font >>"}
    top = f"<< /Type /Pages /Kids [3 0 R null 6 0 R 9 0 R {leaf.format(4)} 4 0 R] /Count 5 >>"
    reader = reader_of(pdf_of({1: "<< /Type /Catalog /Pages 2 0 R >>", 2: top, **objects}))
    assert widths(reader) == [1, 2, 3, 4, 1]
    assert [reference and reference.idnum for reference, _ in page_nodes(reader)] == [4, 5, 8, None, 4]


@pytest.mark.parametrize(
    "kids",
    [
        {3: f"<< /Type /Page {LETTER} >>", 4: "<< /Type /Pages /Kids [2 0 R] >>"},
        {3: "<< /Type /Pages /Kids [4 0 R] >>", 4: "<< /Type /Pages /Kids [3 0 R] >>"},
    ],
)
def test_rings_end(kids):
    top = {1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>"}
    with pytest.raises(ValueError, match="ring"):
        list(page_nodes(reader_of(pdf_of({**top, **kids}))))


def test_deep_trees_end():
    nodes = {number: f"<< /Type /Pages /Kids [{number + 1} 0 R] >>" for number in range(2, 2000)}
    with pytest.raises(ValueError, match="deep"):
        list(page_nodes(reader_of(pdf_of({1: "<< /Type /Catalog /Pages 2 0 R >>", **nodes}))))
