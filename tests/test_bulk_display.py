import io
import os
import pty
import subprocess
import sys
import termios

from layoutdeit.bulk_display import BulkDisplay


def shown(display_options: dict, *, is_quiet: bool = False) -> tuple[str, str]:
    """What a run of two documents says: progress, results."""
    progress, results = io.StringIO(), io.StringIO()
    display = BulkDisplay(3, progress=progress, results=results, is_quiet=is_quiet, **display_options)
    display.document_opened(4, num_known=1, num_failed_before=1)
    for number in range(3):
        display.page_done(is_failed=number == 1)
    display.say("a.pdf -> out/a.json")
    display.document_done()
    display.document_failed("b.pdf failed: corrupt: no")
    display.close()
    return progress.getvalue(), results.getvalue()


def test_plain_lines_where_there_is_no_terminal():
    progress, results = shown({"every_s": 0.0})
    assert results == "a.pdf -> out/a.json\nb.pdf failed: corrupt: no\n" and "\r" not in progress
    lines = progress.splitlines()
    assert lines[1].startswith("1 of about ") and "pages, 0 failed, " in lines[1] and "pages/s, 00:00 left" in lines[1]
    assert lines[-2].startswith("3 of about 11 pages, 1 failed") and lines[-2].endswith("1 of 3 files")
    assert lines[-1].startswith("3 pages (1 more were done before) in 00:00")
    assert "1 pages and 1 files failed" in lines[-1] and lines[-1].endswith("--retry-failed does")


def test_work_goes_on_where_nobody_listens_any_more():
    code = "import sys; from layoutdeit.bulk_display import print_line\nfor n in range(3): print_line('x', sys.stdout)"
    command = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    command.stdout.close()
    assert command.stderr.read() == b"" and command.wait() == 0


def test_lines_come_seldom():
    assert len(shown({})[0].splitlines()) == 1


def test_quiet_is_quiet():
    assert shown({"every_s": 0.0}, is_quiet=True) == ("", "")


def test_pages_of_documents_not_opened_yet_are_guessed():
    display = BulkDisplay(4, is_quiet=True)
    assert display.num_pages_expected == 4
    display.document_opened(10, num_known=0)
    assert display.num_pages_expected == 40
    display.document_failed("no")
    assert display.num_pages_expected == 30
    display.document_opened(20, num_known=20)
    assert display.num_pages_expected == 25


def test_live_line_on_a_terminal():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with os.fdopen(theirs, "w") as terminal:
        display = BulkDisplay(1, progress=terminal, results=io.StringIO())
        display.document_opened(2, num_known=0)
        display.page_done(is_failed=True)
        display.page_done(is_failed=False)
        display.close()
        text = ""
        while "files failed" not in text:  # a terminal hands on what it has so far
            text += os.read(ours, 65536).decode()
    os.close(ours)
    assert "\r" in text and "2/2 [" in text and "1 failed, 0/1 files" in text and "2 pages in 00:00" in text
