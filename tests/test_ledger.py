import json
import subprocess
import sys

import pytest

from layoutdeit.ledger import DocumentFailure, DocumentKey, Ledger, Written

KEY = DocumentKey("a" * 64, "deep/über.pdf", "settings1")
OTHER = DocumentKey("a" * 64, "deep/über.pdf", "settings2")
WRITTEN = Written("json; all", ("deep/über.json",))


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_added_is_known_at_once_and_later(tmp_path):
    path = tmp_path / "out" / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.add_start({"score": 0.5})
        ledger.add_page(KEY, 1, None, 0.123456)
        ledger.add_page(KEY, 70, "render", None)
        statuses = [ledger.page_status(KEY, number) for number in (1, 2, 70)]
        assert statuses == ["done", None, "failed"] and ledger.outcome(KEY) is None
    with Ledger(path) as ledger:
        assert [ledger.page_status(KEY, number) for number in (1, 2, 70)] == statuses
        assert ledger.page_status(OTHER, 1) is None and ledger.outcome(OTHER) is None
        assert ledger.was_cut_short and ledger.last_settings == {"score": 0.5}
        ledger.add_page(KEY, 70, None, 1.0)
        ledger.add_written(KEY, WRITTEN, 1.0)
        ledger.add_failure(OTHER, DocumentFailure("corrupt", "it is damaged."))
        ledger.add_end()
        ledger.sync()
    with Ledger(path) as ledger:
        assert ledger.page_status(KEY, 70) == "done" and ledger.outcome(KEY) == WRITTEN
        assert ledger.outcome(OTHER) == DocumentFailure("corrupt", "it is damaged.") and not ledger.was_cut_short
    first = lines(path)[1]
    assert (
        first["host"]
        and first["time"]
        and {name: first[name] for name in ("document", "name", "page", "status", "code", "seconds")}
        == {"document": "a" * 64, "name": "deep/über.pdf", "page": 1, "status": "done", "code": None, "seconds": 0.123}
    )


def test_page_done_later_means_that_results_are_to_be_written_anew(tmp_path):
    with Ledger(tmp_path / "x") as ledger:
        ledger.add_written(KEY, WRITTEN, 1.0)
        ledger.add_page(KEY, 2, None, None)
        assert ledger.outcome(KEY) is None


@pytest.mark.parametrize("torn", ['{"status": "do', '{"status": "ended"}', "\0\0\0"])
def test_torn_last_line_is_cut_off(tmp_path, torn):
    path = tmp_path / "x"
    with Ledger(path) as ledger:
        ledger.add_start({})
        ledger.add_page(KEY, 1, None, None)
    whole = path.read_text()
    path.write_text(whole + torn)
    with Ledger(path) as ledger:
        assert ledger.page_status(KEY, 1) == "done" and ledger.was_cut_short
        ledger.add_end()
    assert path.read_text().startswith(whole) and len(lines(path)) == 3


def test_line_that_is_no_record_is_passed_over(tmp_path):
    path = tmp_path / "x"
    path.write_text('\0\0\n[]\n{"status": "done"}\n7\n')
    with Ledger(path) as ledger:
        ledger.add_page(KEY, 1, None, None)
    with Ledger(path) as ledger:
        assert ledger.page_status(KEY, 1) == "done"


def test_one_run_at_a_time(tmp_path):
    code = "import sys; from pathlib import Path; from layoutdeit.ledger import Ledger; Ledger(Path(sys.argv[1]))"
    run = [sys.executable, "-c", code, str(tmp_path / "x")]
    with Ledger(tmp_path / "x"):
        second = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode != 0 and "BlockingIOError" in second.stderr
    assert subprocess.run(run, timeout=60, check=False).returncode == 0


def test_names_that_are_no_unicode(tmp_path):
    key = DocumentKey("b" * 64, "\udcff.pdf", "s")
    with Ledger(tmp_path / "x") as ledger:
        ledger.add_page(key, 1, None, None)
    with Ledger(tmp_path / "x") as ledger:
        assert ledger.page_status(key, 1) == "done"


def test_a_million_pages_take_little_memory(tmp_path):
    """A bit for each page, not an object."""
    with Ledger(tmp_path / "x") as ledger:
        ledger.add_page(KEY, 1_000_000, None, None)
        assert ledger._entries[KEY].done.bit_length() == 1_000_001
