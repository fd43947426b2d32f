import io
import json

import pytest
from handmade_pdf import Sheet, make_pdf

from layoutdeit.export import chosen_formats, export
from layoutdeit.json_text import jsonl_pieces
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.parquet_file import ROW_GROUP_PAGES, require_pyarrow, write_parquet
from layoutdeit.pdf import open_document

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

CELLS = (("a", "b"), ("1", "2"))
REGIONS = (
    Region("title", 0.91234, (1, 2.345, 3, 4), "Größe", level=1, print_size=12.5),
    Region("table", 0.5, (1, 2, 3, 4), None, cells=CELLS),
    Region("text", 0.5, (1, 2, 3, 4), "Table 1", caption_of=1),
)


def layout(num_pages: int) -> DocumentLayout:
    pages = [PageLayout(number, 612, 792, REGIONS, None, "pdfium") for number in range(1, num_pages)]
    pages.append(PageLayout(num_pages, 0, 0, error=PageError("render", "no")))
    return DocumentLayout(SourceInfo("a.pdf", "0" * 64, num_pages), ModelInfo("m", "1" * 64, "none"), tuple(pages))


@pytest.mark.parametrize("num_pages", [1, 3, ROW_GROUP_PAGES + 1])
def test_rows_are_the_lines_of_jsonl(num_pages):
    file = io.BytesIO()
    write_parquet(layout(num_pages), file)
    rows = parquet.read_table(io.BytesIO(file.getvalue())).to_pylist()
    lines = [json.loads(line) for line in jsonl_pieces(layout(num_pages))]
    assert rows == lines
    again = io.BytesIO()
    write_parquet(layout(num_pages), again)
    assert again.getvalue() == file.getvalue()


def test_long_documents_are_written_in_pieces():
    file = io.BytesIO()
    write_parquet(layout(2 * ROW_GROUP_PAGES + 1), file)
    assert parquet.ParquetFile(io.BytesIO(file.getvalue())).num_row_groups == 3


def test_format_parquet(tmp_path):
    with open_document(make_pdf(Sheet()), name="a.pdf") as document:
        (path,) = export(layout(1), document, tmp_path / "a.v1", ["parquet"])
    assert path == tmp_path / "a.v1.parquet" and parquet.read_table(path).num_rows == 1


def test_without_pyarrow_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[parquet\]'"):
        require_pyarrow()
    with pytest.raises(ImportError, match="pyarrow"):
        chosen_formats(["json", "parquet"])
