"""A document's length costs no memory: peaks of real processes over a short document and a long one."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from bulk_fixtures import ROOT, command, environment, ledger_lines, pages_in, sheets, write_model
from handmade_pdf import make_pdf
from PIL import Image
from pypdf import PdfReader

from layoutdeit.annotate import annotate_pdf
from layoutdeit.labels import LABELS
from layoutdeit.layout import ModelInfo, PageLayout, Region, SourceInfo
from layoutdeit.page_store import PageStore, stored_layout
from layoutdeit.pdf import Document, open_document
from layoutdeit.worker_pool import WORKERS

pytestmark = pytest.mark.heavy
KINDS = ("bulk_process", "pdf_process", "layoutdeit.analyze")


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process has had so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def peaks(*arguments: object) -> dict[str, int]:
    """The peak of each kind of process of a run, looked at until it ends; a peak never falls, so none is missed.

    "largest" is that of the largest process to its very end: torch's libraries read 130 MB of themselves once more
    while they are unloaded, which a look comes in time for or does not.
    """
    process = subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    found: dict[str, int] = {}
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                line = " ".join(member.cmdline())
                kind = next((kind for kind in KINDS if kind in line), None)
                if kind is not None:
                    found[kind] = max(found.get(kind, 0), peak_bytes(member.pid))
            except (psutil.Error, OSError, StopIteration):
                continue  # it has just ended
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    assert process.returncode == 0
    return found | {"largest": 1024 * ended[2].ru_maxrss}


@pytest.mark.timeout(1800)
def test_a_thousand_pages_take_the_memory_of_fifty(tmp_path):
    model = write_model(tmp_path / "small.safetensors")
    seen = {}
    for num_pages in (50, 1000):
        path, out = tmp_path / f"{num_pages}.pdf", tmp_path / f"out{num_pages}"
        path.write_bytes(make_pdf(*sheets(num_pages)))
        formats = "json,jsonl,csv,md,html,coco"
        seen[num_pages] = peaks(
            path, "-o", out, "--workers", 2, "--model", model, "--score", "0.1", "--formats", formats
        )
        assert len(pages_in(ledger_lines(out))) == num_pages
    print({num_pages: {kind: f"{size / 2**20:.0f} MiB" for kind, size in of.items()} for num_pages, of in seen.items()})
    assert set(seen[50]) == set(seen[1000]) == {*KINDS, "largest"}
    for kind in KINDS:
        assert seen[1000][kind] <= 1.1 * seen[50][kind], kind


@pytest.mark.timeout(900)
def test_without_workers_too(tmp_path):
    model = write_model(tmp_path / "small.safetensors")
    seen = {}
    for num_pages in (50, 1000):
        path = tmp_path / f"{num_pages}.pdf"
        path.write_bytes(make_pdf(*sheets(num_pages)))
        options = ("--model", model, "--score", "0.1", "--formats", "json,md")
        seen[num_pages] = peaks(path, "-o", tmp_path / "out", *options)
    assert seen[1000]["largest"] <= 1.1 * seen[50]["largest"], seen


def annotate(document: Document, path: Path) -> None:
    """Write a dozen regions on each page."""
    boxes = [(70, 60 + 50 * number, 500, 100 + 50 * number) for number in range(12)]
    regions = tuple(Region(label.name, 0.9, box) for label, box in zip(LABELS * 3, boxes, strict=False))
    source = SourceInfo(document.name, document.sha256, document.num_pages)
    with PageStore() as store, path.open("w+b") as file:
        for index in range(document.num_pages):
            store.append(PageLayout(index + 1, *document.page_size(index), regions))
        numbers = range(1, document.num_pages + 1)
        annotate_pdf(document, stored_layout(source, ModelInfo("none", "", "none"), store, numbers), file)


def test_annotated_pdf_is_not_made_as_a_whole(tmp_path):
    """pypdf held all of it: 324 MiB for a thousand pages of text, 902 for a thousand scans."""
    seen = {}
    for num_pages in (50, 1000):
        path = tmp_path / f"{num_pages}.pdf"
        path.write_bytes(make_pdf(*sheets(num_pages)))
        with open_document(path) as document:
            annotate(document, tmp_path / "annotated.pdf")
            (pid,) = WORKERS.pids()
            seen[num_pages] = peak_bytes(pid)
        WORKERS.stop_all()
        assert len(PdfReader(tmp_path / "annotated.pdf").pages[-1].annotations) >= 10
    assert seen[1000] - seen[50] < 12 << 20, seen  # where each object is: a few KB a page


@pytest.mark.timeout(900)
def test_scans_read_do_not_add_up(tmp_path):
    """pdfium keeps the pictures of all pages it has drawn: 300 of these are 200 MB."""
    seen = {}
    noise = Image.effect_noise((1240, 1754), 60).convert("L")
    for num_pages in (100, 300):
        turned = (noise.rotate(number % 7) for number in range(1, num_pages))
        path = tmp_path / f"{num_pages}.pdf"
        noise.save(path, "PDF", save_all=True, append_images=turned, quality=40)
        with open_document(path) as document:
            for index in range(document.num_pages):
                document.render(index, renderer="pdfium")
            (pid,) = WORKERS.pids()
            seen[num_pages] = peak_bytes(pid)
        WORKERS.stop_all()
    assert path.stat().st_size > 150 << 20 and seen[300] <= 1.1 * seen[100] and seen[300] < 120 << 20, seen
