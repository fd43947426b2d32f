import os
import subprocess
import sys

import pytest

from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.page_store import PageStore, stored_layout
from layoutdeit.structure import structured

SOURCE, MODEL = SourceInfo("a.pdf", "0" * 64, 9), ModelInfo("m", "1" * 64, "none")


def page(number: int, text: str = "words", *, y: float = 400) -> PageLayout:
    regions = (
        Region("title", 0.9, (10, y, 200, y + 12), text, print_size=12),
        Region("table", 0.8, (10, 430, 90, 500)),
    )
    return PageLayout(number, 612, 792, regions, None, "pdfium", None)


def test_records_come_back_as_they_went(tmp_path):
    failed = PageLayout(3, 0, 0, error=PageError("render", "no"))
    with PageStore(tmp_path / "deep" / "x.jsonl") as store:
        for record in (page(7), failed):
            store.append(record)
        store.sync()
        assert store[7] == page(7) and store[3] == failed and 1 not in store
    with PageStore(tmp_path / "deep" / "x.jsonl") as store:
        assert store[7] == page(7) and store[3] == failed and 7 in store and 1 not in store


def test_later_record_of_a_page_counts(tmp_path):
    for text in ("before", "after"):
        with PageStore(tmp_path / "x") as store:
            store.append(page(1, text))
    with PageStore(tmp_path / "x") as store:
        assert store[1].regions[0].text == "after"


@pytest.mark.parametrize("torn", [b"{", b'{"number": 2', b"\xff\x00", b'{"number":2,"width":1}'])
def test_torn_end_is_cut_off_and_written_over(tmp_path, torn):
    path = tmp_path / "x"
    with PageStore(path) as store:
        store.append(page(1))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with PageStore(path) as store:
        assert 1 in store and 2 not in store
        store.append(page(2))
    assert path.read_bytes().startswith(whole + b'{"number":2,')
    with PageStore(path) as store:
        assert store[1] == page(1) and store[2] == page(2)


def test_line_that_is_no_record_is_passed_over(tmp_path):
    path = tmp_path / "x"
    with PageStore(path) as store:
        store.append(page(1))
    path.write_bytes(b"\0\0\0\n[1]\n" + path.read_bytes() + b'{"number": "x"}\n')
    with PageStore(path) as store:
        assert store[1] == page(1)


def test_store_without_a_path_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with PageStore() as store:
        store.append(page(1))
        assert store[1] == page(1) and os.listdir(tmp_path) == []


def test_record_survives_the_death_of_its_writer(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom layoutdeit.layout import PageLayout\n"
        "from layoutdeit.page_store import PageStore\n"
        "store = PageStore(Path(sys.argv[1]))\nstore.append(PageLayout(5, 1, 2))\nos.kill(os.getpid(), 9)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], timeout=60, check=False)
    assert result.returncode == -9
    with PageStore(tmp_path / "x") as store:
        assert store[5] == PageLayout(5, 1, 2)


def test_stored_document_is_what_it_would_be_in_memory():
    pages = [page(n, f"Smith et al. {n}", y=20) for n in (1, 2, 3)] + [page(4, "3.2 Data"), page(5, "Table 1. x")]
    expected = structured(DocumentLayout(SOURCE, MODEL, tuple(pages)))
    with PageStore() as store:
        for record in reversed(pages):
            store.append(record)
        layout = stored_layout(SOURCE, MODEL, store, [1, 2, 3, 4, 5])
        assert tuple(layout.pages) == expected.pages and layout.to_dict() == expected.to_dict()
        assert len(layout.pages) == 5 and layout.pages[-1] == expected.pages[-1]
        assert layout.pages[1:3] == expected.pages[1:3]
        assert [len(p.regions) for p in layout.pages] == [1, 1, 1, 2, 2]  # without running heads
        assert list(stored_layout(SOURCE, MODEL, store, []).pages) == []
