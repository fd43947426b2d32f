import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from handmade_pdf import Sheet, make_pdf, written

from layoutdeit.limits import Limits
from layoutdeit.pdf import open_document
from layoutdeit.pdf_error import PdfError
from layoutdeit.pdf_file import PdfFile
from layoutdeit.pdf_process import NICENESS
from layoutdeit.worker_pool import Worker, WorkerStopped

ROOT = Path(__file__).resolve().parents[1]
OPEN = {"verb": "open", "name": "a.pdf", "password": None, "is_scan": False, "memory_bytes": 1 << 30}


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.stop()


def test_it_gives_way_to_the_model(worker):
    worker.ask(OPEN, seconds=60)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)


def test_it_starts_without_torch_and_without_numpy():
    """It is what a document waits for."""
    code = "import sys, layoutdeit.pdf_process; print({'torch', 'numpy', 'pypdf'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "set()", result.stderr


def test_whoever_asks_parses_nothing():
    code = """
import sys
from layoutdeit.pdf import open_document
with open_document("layoutdeit/assets/sample.pdf") as document:
    document.render(0), document.words(0)
print({"pypdfium2", "pypdf", "pdf2image", "torch"} & {*sys.modules})
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "set()", result.stderr


def test_answers_are_plain_data(worker, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf(Sheet(written("Hello", 72, 700))))
    opened = worker.ask({**OPEN, "path": str(path)}, seconds=60).header
    assert opened["num_pages"] == 1 and opened["took_password"] is False
    frame = worker.ask({"verb": "frame", "index": 0}, seconds=60).header
    assert (frame["right"], frame["top"], frame["warnings"]) == (612, 792, [])
    words = worker.ask({"verb": "words", "index": 0}, seconds=60, max_payload=1000)
    assert words.header["texts"] == ["Hello"] and len(words.payload) == 9 * 8


def test_error_is_an_answer_and_the_process_lives(worker, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 and nothing")
    for _ in range(2):
        answer = worker.ask({**OPEN, "path": str(path)}, seconds=60)
        assert answer.header["error"]["code"] == "corrupt"
    assert "failure" in worker.ask({"verb": "frame", "index": 0}, seconds=60).header  # nothing is open
    assert worker.is_alive


def test_memory_is_limited(worker, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf(Sheet()))
    with pytest.raises(WorkerStopped) as caught:
        for _ in range(50):  # the watch looks ten times a second
            worker.ask({**OPEN, "path": str(path), "memory_bytes": 1 << 20}, seconds=60)
            worker.ask(
                {
                    "verb": "render",
                    "index": 0,
                    "dpi": 300,
                    "max_pixels": 16_000_000,
                    "renderers": ["pdfium"],
                    "poppler_dir": "",
                    "seconds": 60,
                },
                seconds=60,
                max_payload=1 << 30,
            )
    assert caught.value.cause == "memory"


def test_memory_limit_has_a_sentence():
    with pytest.raises(PdfError, match="GiB of memory") as caught:
        for _ in range(50):
            with open_document(make_pdf(Sheet()), limits=Limits(memory_bytes=1 << 20)) as document:
                document.render(0, dpi=300)
    assert caught.value.code == "too_large"


def test_copies_hold_what_the_document_holds(tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf(Sheet(written("Copy", 72, 700))))
    for copy in (None, "rewritten", "reassembled"):
        with (
            (tmp_path / "a.pdf").open("rb") as file,
            closing(PdfFile(file, "a.pdf", "a.pdf", None)) as document,
            document.open_plain(copy) as stream,
            open_document(stream.read()) as again,
        ):
            assert [word.text for word in again.words(0)] == ["Copy"]
