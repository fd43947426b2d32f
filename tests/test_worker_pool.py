"""Documents and processes: who gets which, and what a death costs."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from handmade_pdf import Sheet, make_pdf, written

from layoutdeit import pdf
from layoutdeit.pdf import open_document
from layoutdeit.worker_pool import Worker, WorkerPool, WorkerStopped

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def pool(monkeypatch):
    """A pool of two for this test alone."""
    pool = WorkerPool(max_workers=2)
    monkeypatch.setattr(pdf, "WORKERS", pool)
    yield pool
    pool.stop_all()


def page(word: str) -> bytes:
    return make_pdf(Sheet(written(word, 72, 700)))


def read(document) -> list[str]:
    return [word.text for word in document.words(0)]


def test_one_process_serves_one_document_after_another(pool):
    for word in ("one", "two", "three"):
        with open_document(page(word)) as document:
            assert read(document) == [word]
    assert len(pool.pids()) == 1


def test_more_documents_than_processes_share_them(pool):
    documents = [open_document(page(f"number{n}")) for n in range(5)]
    for _ in range(2):
        assert [read(document) for document in documents] == [[f"number{n}"] for n in range(5)]
    assert len(pool.pids()) == 2
    [document.close() for document in documents]


def test_eight_visitors_at_once_get_their_own_words(pool):
    wrong = []

    def visit(number: int) -> None:
        with open_document(page(f"visitor{number}")) as document:
            for _ in range(5):
                document.render(0, dpi=20)
                if read(document) != [f"visitor{number}"]:
                    wrong.append(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert not wrong and not any(thread.is_alive() for thread in threads)
    assert len(pool.pids()) <= 2


def test_document_survives_the_kill_of_its_process(pool):
    with open_document(page("alive")) as document:
        assert read(document) == ["alive"]
        for _ in range(3):
            (pid,) = pool.pids()
            os.kill(pid, signal.SIGKILL)
            assert read(document) == ["alive"]
            assert document.render(0).image.size == (850, 1100)


def test_kill_in_the_middle_of_an_answer_is_made_good(pool):
    """The process is stopped, so that the request is under way for certain when the kill comes."""
    with open_document(page("alive")) as document:
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGSTOP)
        killer = threading.Timer(0.3, os.kill, args=(pid, signal.SIGKILL))
        killer.start()
        assert read(document) == ["alive"]
        killer.join()
        assert pool.pids() != [pid]


def test_process_that_crashes_is_not_asked_again(pool):
    with open_document(page("alive")) as document:
        assert document.page_size(0) == (612, 792)
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGSTOP)
        crash = threading.Timer(0.3, lambda: (os.kill(pid, signal.SIGSEGV), os.kill(pid, signal.SIGCONT)))
        crash.start()
        with pytest.raises(pdf.PdfError, match="page 1 .* makes its reader fail") as caught:
            document.words(0)
        assert caught.value.code == "render"
        assert document.render(0).image.size == (850, 1100)  # another verb, in another process
        with pytest.raises(pdf.PdfError, match="page 1"):
            document.words(0)


def test_silence_ends_with_the_time_limit():
    worker = Worker()
    os.kill(worker.pid, signal.SIGSTOP)
    start = time.perf_counter()
    with pytest.raises(WorkerStopped) as caught:
        worker.ask({"verb": "frame", "index": 0}, seconds=0.3)
    assert caught.value.cause == "timeout" and caught.value.seconds >= 0.3
    assert time.perf_counter() - start < 10 and not worker.is_alive


def test_forgotten_document_lets_its_process_go(pool):
    document = open_document(page("forgotten"))
    del document
    with open_document(page("next")) as document:
        assert read(document) == ["next"] and len(pool.pids()) == 1


def has_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_processes_end_with_the_one_that_started_them(ending, tmp_path):
    """Also when it is killed, and with a child that holds the pipe open: a loader of data, say."""
    path = tmp_path / "a.pdf"
    path.write_bytes(page("orphan"))
    code = f"""
import os, sys, time
from layoutdeit.pdf import open_document
from layoutdeit.worker_pool import WORKERS
document = open_document({str(path)!r})
child = os.fork()
if not child:
    time.sleep(30)
    os._exit(0)
print(child, *WORKERS.pids(), flush=True)
sys.stdin.read()
os.kill(child, 9)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child, worker = map(int, parent.stdout.readline().split())
    if ending == "kill":
        parent.kill()
    else:
        parent.stdin.close()
    try:
        assert has_gone(worker)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        parent.stdout.close()
        parent.wait(30)
