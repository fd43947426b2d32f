"""What a run makes of what earlier ones left, and of names that get in each other's way; real processes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from bulk_fixtures import PASSWORD, ledger_lines, pages_in, sheets, write_model
from handmade_pdf import Sheet, encrypted, make_pdf

from layoutdeit.batch import Failure, Results, find_inputs, parse_pages, plan_targets
from layoutdeit.bulk import BulkRun
from layoutdeit.bulk_command import RESERVED_NAMES
from layoutdeit.bulk_display import BulkDisplay
from layoutdeit.bulk_document import BulkTask
from layoutdeit.bulk_worker import ModelChoice

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small.safetensors")


def run_bulk(model: Path, sources: list[Path], out: Path, num_workers: int = 1, **asked) -> list[Failure]:
    """A run in this process, as the command line makes it."""
    inputs = find_inputs(sources, out_dir=out)
    targets = [out / target for target in plan_targets(inputs, Path(), reserved=RESERVED_NAMES)]
    task, display = BulkTask(**{"formats": ("json", "jsonl"), **asked}), BulkDisplay(len(inputs), is_quiet=True)
    choice = ModelChoice(str(model), score=0.1, device="cpu")
    return BulkRun(inputs, targets, Results(out), task, choice, num_workers=num_workers, display=display).run()


def written(folder: Path, name: str, *pages: Sheet) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(make_pdf(*(pages or sheets(3))))
    return folder / name


def test_document_called_ledger_leaves_the_ledger_alone(model, tmp_path):
    path, out = written(tmp_path / "in", "ledger.pdf"), tmp_path / "out"
    assert not run_bulk(model, [path], out)
    assert ledger_lines(out)[0]["status"] == "started" and (out / "ledger-2.jsonl").exists()
    count = len(ledger_lines(out))
    assert not run_bulk(model, [path], out)
    assert [line["status"] for line in ledger_lines(out)[count:]] == ["started", "ended"]


def test_equal_documents_of_equal_names_do_not_meet(model, tmp_path):
    paths, out = [written(tmp_path / folder, "x.pdf", *sheets(6)) for folder in "abcd"], tmp_path / "out"
    assert not run_bulk(model, paths, out, num_workers=2)
    pages = [json.loads((out / folder / "x.json").read_text())["pages"] for folder in "abcd"]
    assert len(pages[0]) == 6 and all(other == pages[0] for other in pages)
    assert len(pages_in(lines := ledger_lines(out))) == 24
    assert not run_bulk(model, paths, out)
    assert [line["status"] for line in ledger_lines(out)[len(lines) :]] == ["started", "ended"]


def test_failure_for_pages_that_are_not_there_is_not_held_against_others(model, tmp_path):
    path, out = written(tmp_path / "in", "a.pdf"), tmp_path / "out"
    (failure,) = run_bulk(model, [path], out, pages=parse_pages("50-"))
    assert failure.code == "empty"
    (failure,) = run_bulk(model, [path], out, pages=parse_pages("50-"))
    assert [line["status"] for line in ledger_lines(out)][-2:] == ["started", "ended"]  # the same again is known
    assert not run_bulk(model, [path], out)
    assert len(pages_in(ledger_lines(out))) == 3


def test_password_that_comes_later_is_tried(model, tmp_path):
    path, out = tmp_path / "safe.pdf", tmp_path / "out"
    path.write_bytes(encrypted(make_pdf(*sheets(2)), PASSWORD))
    (failure,) = run_bulk(model, [path], out)
    assert failure.code == "encrypted"
    assert not run_bulk(model, [path], out, password=PASSWORD)


def test_killed_between_a_pages_record_and_its_line(model, tmp_path):
    """The store has the page, which failed before and was tried again; the ledger does not know yet."""
    path, out = written(tmp_path / "in", "holey.pdf", *sheets(1), Sheet(is_broken=True)), tmp_path / "out"
    (failure,) = run_bulk(model, [path], out)
    assert "1 of 2 pages failed (2)" in failure.message
    (store,) = (out / ".pages").iterdir()
    first = json.loads(store.read_text().splitlines()[0])
    with store.open("a") as file:
        file.write(json.dumps({**first, "number": 2}) + "\n")
    (failure,) = run_bulk(model, [path], out)
    assert failure.code == "render"


def test_page_that_could_not_be_read_is_read_when_it_can_be(model, tmp_path):
    path, out = written(tmp_path / "in", "a.pdf"), tmp_path / "out"
    run_bulk(model, [path], out)
    (store,) = (out / ".pages").iterdir()
    page = {**json.loads(store.read_text().splitlines()[1]), "regions": []}
    number, error = page["number"], {"code": "io", "message": "the drive was gone"}
    with store.open("a") as file:
        file.write(json.dumps({**page, "error": error}) + "\n")
    line = next(line for line in ledger_lines(out) if line.get("page") == number)
    with (out / "ledger.jsonl").open("a") as file:
        file.write(json.dumps({**line, "status": "failed", "code": "io"}) + "\n")
    assert not run_bulk(model, [path], out)
    assert json.loads((out / "a.json").read_text())["pages"][number - 1]["regions"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes as names")
def test_name_that_is_no_unicode_ends_no_run(model, tmp_path):
    path, out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.pdf")), tmp_path / "out"
    path.write_bytes(make_pdf(*sheets(1), Sheet(is_broken=True)))
    (failure,) = run_bulk(model, [path], out)
    assert failure.code == "render"
    (failure,) = run_bulk(model, [path], tmp_path / "empty", pages=parse_pages("9"))
    assert failure.code == "empty" and failure.message.encode()
