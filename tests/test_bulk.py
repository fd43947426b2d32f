import json
import os
import random
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from bulk_fixtures import (
    PASSWORD,
    ledger_lines,
    pages_in,
    results,
    run,
    sheets,
    started,
    wait_for_lines,
    write_documents,
    write_model,
)
from handmade_pdf import make_pdf

from layoutdeit.batch import Results, find_inputs, plan_targets
from layoutdeit.bulk import BulkRun
from layoutdeit.bulk_display import BulkDisplay
from layoutdeit.bulk_document import BulkTask
from layoutdeit.bulk_worker import ModelChoice

FORMATS = ("--formats", "json,jsonl,csv,md,png,pdf", "--score", "0.1", "--password", PASSWORD)
NUM_PAGES = 9 + 1 + 4 + 2 + 2 + 2 + 2 + 1  # that can be read; one more is broken


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> Path:
    return write_documents(tmp_path_factory.mktemp("bulk") / "in")


@pytest.fixture(scope="module")
def reference(model, documents, tmp_path_factory) -> Path:
    """What one process makes of the documents."""
    out = tmp_path_factory.mktemp("reference") / "out"
    done = run(documents, "-o", out, "--workers", 1, "--model", model, *FORMATS)
    assert done.returncode == 1, done.stderr
    return out


def test_reference_has_what_it_should(reference):
    lines = ledger_lines(reference)
    assert len(pages_in(lines)) == len(set(pages_in(lines))) == NUM_PAGES
    assert pages_in(lines, "failed") == [("holey.pdf", 2)]
    failed = [(line["name"], line["code"]) for line in lines if line["status"] == "failed" and line["page"] is None]
    assert failed == [("letter.pdf", "corrupt")] and lines[-1]["status"] == "ended"
    assert all(
        line["seconds"] > 0 and line["host"] and len(line["document"]) == 64 for line in lines if line.get("page")
    )
    pages = json.loads((reference / "d0.json").read_text())["pages"]
    assert [page["number"] for page in pages] == list(range(1, 10)) and all(page["regions"] for page in pages)
    assert all(page["seconds"] is None for page in pages)
    assert (reference / "deep" / "d0.json").exists() and not (reference / "letter.json").exists()


@pytest.mark.parametrize("num_workers", [2, pytest.param(4, marks=pytest.mark.heavy)])
def test_number_of_processes_shows_nowhere(model, documents, reference, tmp_path, num_workers):
    done = run(documents, "-o", tmp_path / "out", "--workers", num_workers, "--model", model, *FORMATS)
    assert done.returncode == 1, done.stderr
    assert "2 of 9 inputs failed:" in done.stderr and "letter.pdf: corrupt:" in done.stderr
    assert "holey.pdf: render: 1 of 3 pages failed (2)" in done.stderr
    assert results(tmp_path / "out") == results(reference)
    assert sorted(pages_in(ledger_lines(tmp_path / "out"))) == sorted(pages_in(ledger_lines(reference)))


def test_killed_at_any_moment_it_ends_with_the_same_bytes(model, documents, reference, tmp_path):
    out = tmp_path / "out"
    arguments = (documents, "-o", out, "--workers", 2, "--model", model, *FORMATS)
    before: list[dict] = []
    for count in (2, 9, random.randint(10, 20)):
        process = started(*arguments)
        wait_for_lines(out, len(before) + count if len(before) + count < 25 else len(before) + 1, process)
        process.kill()
        process.communicate()
        before = ledger_lines(out)
    with (out / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"document": "torn')
    for name in ("d0.pdf", "d2.pdf"):
        (out / f".{os.urandom(16).hex()}.tmp").write_bytes(
            b"of a process that was killed while it wrote " + name.encode()
        )
    done = run(*arguments)
    assert done.returncode == 1, done.stderr
    assert results(out) == results(reference)
    lines = ledger_lines(out)
    assert lines[: len(before)] == before
    assert len(pages_in(lines)) == len(set(pages_in(lines))) == NUM_PAGES  # none lost, none done twice


@pytest.mark.heavy
def test_run_again_does_nothing_again_and_takes_new_files(model, documents, reference, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    subprocess.run(["cp", "-r", documents, source], check=True)
    arguments = (source, "-o", out, "--workers", 2, "--model", model, *FORMATS)
    run(*arguments)
    first, times = ledger_lines(out), {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    (source / "new.pdf").write_bytes(make_pdf(*sheets(1, seed=300)))
    again = run(*arguments)
    assert again.returncode == 1 and "letter.pdf: corrupt:" in again.stderr and "holey.pdf: render:" in again.stderr
    added = ledger_lines(out)[len(first) :]
    assert pages_in(added) == [("new.pdf", 1)] and not pages_in(added, "failed")
    assert [line["status"] for line in added] == ["started", "done", "written", "ended"]
    assert all(path.stat().st_mtime_ns == when for path, when in times.items())
    kept = {name: data for name, data in results(out).items() if not name.startswith("new")}
    assert kept == results(reference)

    (source / "letter.pdf").write_bytes(make_pdf(*sheets(2, seed=400)))  # another file under the same name is new
    (source / "d1.pdf").unlink()
    second = len(ledger_lines(out))
    retried = run(*arguments, "--retry-failed")
    added = ledger_lines(out)[second:]
    assert sorted(pages_in(added)) == [("letter.pdf", 1), ("letter.pdf", 2)]
    assert pages_in(added, "failed") == [("holey.pdf", 2)] and retried.returncode == 1
    assert (out / "letter.json").exists() and (out / "d1.json").read_bytes() == (reference / "d1.json").read_bytes()


@pytest.mark.heavy
def test_other_formats_are_written_from_what_is_there_and_other_scores_anew(model, documents, tmp_path):
    out, source = tmp_path / "out", documents / "d2.pdf"
    base = (source, "-o", out, "--workers", 1, "--model", model)
    run(*base, "--formats", "json", "--score", "0.1")
    count = len(ledger_lines(out))
    assert run(*base, "--formats", "json,csv", "--score", "0.1").returncode == 0
    assert (out / "d2.csv").exists() and not pages_in(ledger_lines(out)[count:])
    (out / "d2.csv").unlink()  # results that are gone are written again
    assert run(*base, "--formats", "json,csv", "--score", "0.1").returncode == 0 and (out / "d2.csv").exists()
    count = len(ledger_lines(out))
    low = (out / "d2.json").read_bytes()
    done = run(*base, "--formats", "json", "--score", "0.3")
    assert done.returncode == 0 and "settings differ" in done.stdout
    assert len(pages_in(ledger_lines(out)[count:])) == 4 and (out / "d2.json").read_bytes() != low
    assert len(list((out / ".pages").iterdir())) == 1


def model_processes(run_process: subprocess.Popen) -> list[psutil.Process]:
    children = psutil.Process(run_process.pid).children()
    return [child for child in children if any("bulk_process" in part for part in child.cmdline())]


@pytest.mark.heavy
def test_killed_process_is_replaced_and_nothing_lost(model, documents, reference, tmp_path):
    out = tmp_path / "out"
    process = started(documents, "-o", out, "--workers", 2, "--model", model, *FORMATS)
    wait_for_lines(out, 3, process)
    victims = model_processes(process)
    assert victims
    victims[0].kill()
    _, err = process.communicate(timeout=250)
    assert process.returncode == 1 and "2 of 9 inputs failed:" in err
    assert results(out) == results(reference)


@pytest.mark.heavy
def test_page_that_kills_its_process_twice_costs_only_itself(model, documents, tmp_path, monkeypatch):
    deaths = tmp_path / "deaths"
    start = (
        "import os, sys\nfrom layoutdeit import bulk_process\nanalyze = bulk_process.Session._analyze\n"
        "def deadly(self, **request):\n"
        "    if request['number'] == 3:\n"
        f"        open({str(deaths)!r}, 'a').write('x')\n"
        "        os.kill(os.getpid(), 11)\n"
        "    return analyze(self, **request)\n"
        "bulk_process.Session._analyze = deadly\nbulk_process.serve(int(sys.argv[1]))"
    )
    monkeypatch.setattr("layoutdeit.bulk_worker.START", start)
    inputs = find_inputs([documents / "d2.pdf"])
    out, display = tmp_path / "out", BulkDisplay(1, is_quiet=True)
    task, choice = BulkTask(("json",)), ModelChoice(str(model), score=0.1)
    run_of_one = BulkRun(inputs, plan_targets(inputs, out), Results(out), task, choice, num_workers=1, display=display)
    (failure,) = run_of_one.run()
    assert failure.code == "crash" and "1 of 4 pages failed (3)" in failure.message and "crash" in failure.message
    pages = json.loads((out / "d2.json").read_text())["pages"]
    assert [bool(page["regions"]) for page in pages] == [True, True, False, True]
    assert deaths.read_text() == "xx"


def test_no_process_outlives_a_killed_run(model, documents, tmp_path):
    process = started(documents, "-o", tmp_path / "out", "--workers", 2, "--model", model, *FORMATS)
    wait_for_lines(tmp_path / "out", 2, process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.kill()
    process.communicate()
    assert not psutil.wait_procs(family, timeout=20)[1]


def test_interruption_ends_it_at_once_and_whole(model, tmp_path):
    (tmp_path / "long.pdf").write_bytes(make_pdf(*sheets(600)))  # minutes: it cannot end before the signal comes
    process = started(tmp_path / "long.pdf", "-o", tmp_path / "out", "--workers", 2, "--model", model, *FORMATS)
    wait_for_lines(tmp_path / "out", 4, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
    assert not list((tmp_path / "out").rglob(".*.tmp"))


def test_second_run_in_the_same_folder_is_refused(model, documents, tmp_path):
    process = started(documents, "-o", tmp_path / "out", "--workers", 1, "--model", model, *FORMATS)
    wait_for_lines(tmp_path / "out", 1, process)
    second = run(documents, "-o", tmp_path / "out", "--workers", 1, "--model", model, *FORMATS)
    process.kill()
    process.communicate()
    assert second.returncode == 2 and "another run is at work" in second.stderr
