"""What bad files get: a code and a sentence, or their pages; never a crash, a hang, a file or a process left behind.

docs/hostile_inputs.md is written by LAYOUTDEIT_WRITE_DOCS=1 pytest tests/test_hostile_inputs.py
"""

import os
import random
import time
from pathlib import Path

import pytest
from handmade_pdf import Sheet, make_pdf, written
from hostile_inputs import HOSTILE, LETTER, Hostile, pdf_of, sample

from layoutdeit import pdf
from layoutdeit.limits import Limits
from layoutdeit.pdf import open_document
from layoutdeit.pdf_error import PdfError
from layoutdeit.worker_pool import WorkerPool

DOCS = Path(__file__).resolve().parents[1] / "docs" / "hostile_inputs.md"
MAX_PAGES_READ = 3


@pytest.fixture
def no_traces(monkeypatch, tmp_path):
    """Nothing is left in the folder of temporary files or in the working one, and no process outlives its pool."""
    temporary, working = tmp_path / "temporary", tmp_path / "working"
    temporary.mkdir(), working.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(working)
    pool = WorkerPool()
    monkeypatch.setattr(pdf, "WORKERS", pool)
    yield
    pids = pool.pids()
    pool.stop_all()
    assert not [*temporary.iterdir(), *working.iterdir()]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def outcome(
    data: bytes | Path, name: str | None = None, password: str | None = None, page_s: float = 20
) -> tuple[str, str]:
    """(code, sentence) of the document or its first bad page, or ("read", how many pages were)."""
    try:
        with open_document(data, name=name, password=password, limits=Limits(page_s=page_s)) as document:
            errors = []
            num_pages = min(document.num_pages, MAX_PAGES_READ)
            for index in range(num_pages):
                try:
                    document.render(index)
                    document.words(index)
                except PdfError as error:
                    errors.append(error)
            if errors:
                others = f" Pages read: {num_pages - len(errors)}." if len(errors) < num_pages else ""
                return errors[0].code, f"{errors[0]}{others}"
            return "read", f"{num_pages} page{'s' * (num_pages != 1)}"
    except PdfError as error:
        return error.code, str(error)


def rows_of_docs() -> dict[str, str]:
    """What the table says, by what the file is."""
    rows = [line.strip("| \n").split(" | ") for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    return {row[0]: " | ".join(row[2:]) for row in rows[1:]} if DOCS.exists() else {}


WRITTEN: dict[str, str] = {}


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.what)
def test_what_it_gets_is_in_the_docs(no_traces, hostile: Hostile):
    start = time.perf_counter()
    code, sentence = outcome(hostile.make(), hostile.name, hostile.password, hostile.page_s)
    assert time.perf_counter() - start < 60
    assert sentence.endswith((".", "page", "pages"))
    row = f"{code} | {cell(sentence)}"
    if os.environ.get("LAYOUTDEIT_WRITE_DOCS"):
        WRITTEN[hostile.what] = f"| {cell(hostile.what)} | `{cell(hostile.name)}` | {row} |"
        if len(WRITTEN) == len(HOSTILE):
            head, *_ = DOCS.read_text().partition("| file |")
            table = "\n".join(["| file | name | code | sentence |", "|---|---|---|---|", *WRITTEN.values()])
            DOCS.write_text(f"{head}{table}\n")
    else:
        assert rows_of_docs()[cell(hostile.what)] == row


def test_no_row_of_the_docs_is_of_a_file_that_is_not_tried():
    assert list(rows_of_docs()) == [cell(hostile.what) for hostile in HOSTILE]


def test_names_of_any_kind_on_disk(no_traces, tmp_path):
    folder = tmp_path / "a folder – 概要"
    folder.mkdir()
    names = [
        "-rf.pdf",
        "a b;c'd\".pdf",
        "$(touch x).pdf",
        "\U0001f600.pdf",
        "x" * 250 + ".pdf",
        "new\nline.pdf",
        "%s%n.pdf",
    ]
    for name in [*names, os.fsdecode(b"\xff.pdf")]:
        (folder / name).write_bytes(make_pdf(Sheet(written("Hello", 72, 700))))
        assert outcome(folder / name) == ("read", "1 page")


@pytest.mark.heavy
def test_mutations_of_the_samples_hang_and_crash_nothing(no_traces, data_dir):
    """500 files, 1 to 200 bytes of each changed, moved or cut; seeded."""
    dice = random.Random(20261124)
    originals = [sample(), *(path.read_bytes() for path in sorted((data_dir / "pdfs").glob("*.pdf")))]
    start = time.perf_counter()
    seen: dict[str, int] = {}
    for number in range(500):
        data = bytearray(originals[number % len(originals)])
        for _ in range(dice.choice([1, 5, 50, 200])):
            place = dice.randrange(len(data))
            kind = dice.randrange(4)
            if kind < 2:
                data[place] ^= 1 << dice.randrange(8)
            elif kind == 2:
                data[place : place + dice.randrange(40)] = dice.randbytes(dice.randrange(40))
            elif dice.random() < 0.02:
                del data[place:]
                data = data or bytearray(b"%PDF-1.7")
        code, _ = outcome(bytes(data), password="openpassword")
        seen[code] = seen.get(code, 0) + 1
    assert sum(seen.values()) == 500 and seen.keys() <= {"read", "corrupt", "render", "empty", "encrypted"}, seen
    assert time.perf_counter() - start < 300, seen
    print(seen, f"{time.perf_counter() - start:.0f} s")


@pytest.mark.heavy
def test_a_million_pages_that_are_there(no_traces):
    objects = {n: f"<< /Type /Page /Parent 2 0 R {LETTER} >>" for n in range(3, 1_000_003)}
    kids = " ".join(f"{n} 0 R" for n in objects)
    root = f"<< /Type /Pages /Kids [{kids}] /Count {len(objects)} >>"
    code, sentence = outcome(pdf_of({1: "<< /Type /Catalog /Pages 2 0 R >>", 2: root, **objects}), "million.pdf")
    assert (code, "1,000,000 pages" in sentence) == ("too_large", True), sentence


@pytest.mark.heavy
def test_two_hundred_megabytes(no_traces):
    ballast = b"<< /Length 200000000 >>\nstream\n" + random.Random(1).randbytes(200_000_000) + b"\nendstream"
    page = f"<< /Type /Page /Parent 2 0 R {LETTER} >>"
    objects = {1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", 3: page}
    assert outcome(pdf_of({**objects, 4: ballast})) == ("read", "1 page")
