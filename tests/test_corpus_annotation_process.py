"""The process that reads strangers' PDFs: stopped in time, started again, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_inputs import pdf_of, stream
from page_records import read_records
from test_corpus_structure_tree import element, tagged_pdf, words

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.corpus.annotate import annotate_pdfs
from layoutdeit.corpus.annotation_process import AnnotationProcess
from layoutdeit.corpus.camera import Exposure
from layoutdeit.corpus.merge import merge_trees

ROOT = Path(__file__).resolve().parents[1]


def good_pdf() -> bytes:
    return tagged_pdf(words(0, 700), {10: element("P", "0")})


def endless_pdf() -> bytes:
    """Forms that draw the next one ten times, nine deep."""
    form = "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X {} 0 R >> >>"
    forms = {20 + i: stream(b"/X Do " * 10, form.format(21 + i)) for i in range(9)}
    leaf = stream(b"0 0 9 9 re f " * 100, "/Type /XObject /Subtype /Form /BBox [0 0 612 792]")
    return tagged_pdf("/X Do", {10: element("P", "0"), **forms, 29: leaf}, xobjects="/X 20 0 R")


def test_a_file_that_takes_too_long_costs_only_itself(tmp_path: Path):
    (tmp_path / "endless.pdf").write_bytes(endless_pdf())
    (tmp_path / "good.pdf").write_bytes(good_pdf())
    paths = [tmp_path / name for name in ("good.pdf", "endless.pdf", "good.pdf")]
    report = annotate_pdfs(paths, tmp_path / "tree", page_s=5)  # later it would run into the memory limit
    assert report.num_pages == 2 and not report.skipped
    [(path, number, reason)] = report.left_out
    assert (path.name, number) == ("endless.pdf", 1) and "took more than 5 s" in reason
    names = {record.file_name for record in read_records(tmp_path / "tree", "train")}
    assert {each.name for each in (tmp_path / "tree" / "train").iterdir()} == names and len(names) == 2


def test_opening_has_a_limit_of_its_own(tmp_path: Path):
    """Sixty thousand elements take longer than a second, and are read when there is time."""
    elements = {11 + i: element("P", "0") for i in range(60_000)}
    kids = " ".join(f"{number} 0 R" for number in elements)
    (tmp_path / "large.pdf").write_bytes(tagged_pdf(words(0, 700), {10: element("Document", f"[{kids}]"), **elements}))
    with AnnotationProcess(tmp_path, Exposure(72, 90), open_s=1) as process:
        [answer] = process.pages(tmp_path / "large.pdf", "a")
        assert answer.number == 0 and answer.reason == "opening it took more than 1 s"
    with AnnotationProcess(tmp_path, Exposure(72, 90)) as process:
        [answer] = process.pages(tmp_path / "large.pdf", "a")
        assert answer.record is not None


def test_a_process_that_dies_is_replaced(tmp_path: Path):
    (tmp_path / "good.pdf").write_bytes(good_pdf())
    with AnnotationProcess(tmp_path, Exposure(72, 90)) as process:
        first, second = (list(process.pages(tmp_path / "good.pdf", "a")) for _ in range(2))
        assert first == second and first[0].record is not None
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.wait()
        assert list(process.pages(tmp_path / "good.pdf", "a")) == first


def test_a_page_too_large_to_picture_is_left_out(tmp_path: Path):
    (tmp_path / "wall.pdf").write_bytes(good_pdf().replace(b"[0 0 612 792]", b"[0 0 9999 9999]"))
    report = annotate_pdfs([tmp_path / "wall.pdf"], tmp_path / "tree", dpi=720)
    [(_, number, reason)] = report.left_out
    assert number == 1 and "use a lower --dpi" in reason and report.num_pages == 0


def test_broken_pages_leave_the_others(tmp_path: Path):
    data = pdf_of({1: "<< /Type /Catalog /Pages 2 0 R /MarkInfo << /Marked true >> /StructTreeRoot 5 0 R >>",
                   2: "<< /Type /Pages /Kids [3 0 R 7 0 R] /Count 2 >>",
                   3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
                      "/Resources << /Font << /F1 6 0 R >> >> >>",
                   4: stream(words(0, 700).encode()), 5: "<< /Type /StructTreeRoot /K 10 0 R >>",
                   6: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", 7: "(no page)",
                   10: element("P", "0")})  # fmt: skip
    (tmp_path / "half.pdf").write_bytes(data)
    report = annotate_pdfs([tmp_path / "half.pdf"], tmp_path / "tree")
    assert report.num_pages == 1 and not report.skipped
    assert [number for _, number, _ in report.left_out] == [2]


def test_pictures_of_a_merged_tree_stay_when_a_pdf_is_annotated_anew(tmp_path: Path):
    (tmp_path / "good.pdf").write_bytes(good_pdf())
    annotate_pdfs([tmp_path / "good.pdf"], tmp_path / "mine")
    merge_trees([tmp_path / "mine"], tmp_path / "both")
    [merged] = (tmp_path / "both" / "train").rglob("*.jpg")
    before = merged.read_bytes()
    (tmp_path / "good.pdf").write_bytes(good_pdf().replace(b"[0 0 612 792]", b"[0 0 512 792]"))
    annotate_pdfs([tmp_path / "good.pdf"], tmp_path / "mine")
    [anew] = (tmp_path / "mine" / "train").glob("*.jpg")
    assert merged.read_bytes() == before != anew.read_bytes()


def test_a_name_that_is_no_text_becomes_a_picture_with_one_that_is(tmp_path: Path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pdf"))
    path.write_bytes(good_pdf())
    assert annotate_pdfs([path], tmp_path / "tree").num_pages == 1
    assert len(read_records(tmp_path / "tree", "train")) == 1
    assert len(read_annotations(tmp_path / "tree" / "train.json")) == 1


def test_the_same_name_in_another_folder_is_another_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "good.pdf").write_bytes(good_pdf())
    monkeypatch.chdir(tmp_path / "a")
    annotate_pdfs([Path("good.pdf")], tmp_path / "tree")
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(ValueError, match="holds pages already"):
        annotate_pdfs([Path("good.pdf")], tmp_path / "tree")


def test_pages_that_are_only_claimed_are_not_tried_forever(tmp_path: Path):
    (tmp_path / "liar.pdf").write_bytes(good_pdf().replace(b"/Count 1 ", b"/Count 100000 "))
    report = annotate_pdfs([tmp_path / "liar.pdf"], tmp_path / "tree")
    assert report.num_pages == 1 and len(report.left_out) == 101
    assert report.left_out[-1][2] == "100 pages in a row do not load: it and the rest are left out"


def test_scripts_need_no_guard(tmp_path: Path):
    """Called from the top of a script, as notebooks and short scripts do; also from one read from standard input."""
    (tmp_path / "good.pdf").write_bytes(good_pdf())
    code = "from pathlib import Path; from layoutdeit.corpus.annotate import annotate_pdfs; "
    code += f"print(annotate_pdfs([Path({str(tmp_path / 'good.pdf')!r})], Path({str(tmp_path / 'tree')!r})).num_pages)"
    run = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert run.stdout.strip() == "1", run.stderr
