"""What a bulk run says on its way: a live line on a terminal, plain lines anywhere else, a summary at the end."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from tqdm import tqdm

EVERY_S = 30.0  # between two plain lines of progress


def print_line(line: str, file: TextIO) -> None:
    """Print a line at once. Where nobody listens any more, as after `| head`, the work goes on without a word."""
    try:
        print(line, file=file, flush=True)
    except BrokenPipeError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), file.fileno())


class BulkDisplay:
    """Counts pages and documents, and shows them. Progress goes to `progress`, a line per document to `results`."""

    def __init__(
        self,
        num_documents: int,
        *,
        is_quiet: bool = False,
        progress: TextIO | None = None,
        results: TextIO | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        """Show nothing yet. `is_quiet`: show nothing at all."""
        self._progress, self._results = progress or sys.stderr, results or sys.stdout
        self._num_documents, self._is_quiet, self._every_s = num_documents, is_quiet, every_s
        self._num_opened = self._num_finished = self._pages_seen = self._pages_known = 0
        self._done = self._failed = self._failed_documents = self._failed_before = 0
        self._start = self._last = time.monotonic()
        is_live = self._progress.isatty() and not is_quiet
        self._bar = self._live_line() if is_live else None

    def document_opened(self, num_pages: int, *, num_known: int, num_failed_before: int = 0) -> None:
        """A document has so many pages; `num_known` were dealt with before this run, some of which failed."""
        self._failed_before += num_failed_before
        self._num_opened += 1
        self._pages_seen += num_pages
        self._pages_known += num_known
        self._show()

    def page_done(self, *, is_failed: bool) -> None:
        """A page was recorded."""
        self._done += 1
        self._failed += is_failed
        if self._bar is not None:
            self._bar.update()
        self._show()

    def document_done(self) -> None:
        """All results of a document are there."""
        self._num_finished += 1
        self._show()

    def document_failed(self, line: str, *, is_known: bool = False) -> None:
        """A document as a whole has failed, or had before this run."""
        self._failed_before += is_known
        self._failed_documents += 1
        self._num_finished += 1
        self.say(line)

    def say(self, line: str) -> None:
        """A line for people, above the live one."""
        if self._is_quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        print_line(line, self._results)
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Take the live line away and sum up."""
        if self._bar is not None:
            self._bar.close()
        if not self._is_quiet:
            print_line(self._summary(), self._progress)

    @property
    def num_pages_expected(self) -> int:
        """Pages of this run, as far as can be told: documents not opened yet count as those before them."""
        unopened = self._num_documents - self._num_opened - self._failed_documents
        mean = self._pages_seen / self._num_opened if self._num_opened else 1
        return round(self._pages_seen - self._pages_known + max(0, unopened) * mean)

    def _live_line(self) -> tqdm:
        line = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
        return tqdm(
            total=self._num_documents,
            unit=" pages",
            file=self._progress,
            dynamic_ncols=True,
            smoothing=0.05,
            bar_format=line,
        )

    def _show(self) -> None:
        if self._is_quiet:
            return
        now = time.monotonic()
        if self._bar is not None:
            self._bar.total = max(self.num_pages_expected, self._done)
            self._bar.set_postfix_str(f"{self._failed} failed, {self._num_finished}/{self._num_documents} files", False)
        elif now - self._last >= self._every_s:
            self._last = now
            print_line(self._line(now), self._progress)

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._start, 1e-9)
        left = max(0, self.num_pages_expected - self._done)
        time_left = f", {tqdm.format_interval(left / rate)} left" if self._done else ""
        return (
            f"{self._done} of about {self._done + left} pages, {self._failed} failed, {rate:.2f} pages/s{time_left}; "
            f"{self._num_finished} of {self._num_documents} files"
        )

    def _summary(self) -> str:
        seconds = time.monotonic() - self._start
        before = f" ({self._pages_known} more were done before)" if self._pages_known else ""
        rate = self._done / max(seconds, 1e-9)
        failed = f"{self._failed} pages and {self._failed_documents} files failed"
        if self._failed_before:
            failed += "; what had failed before was not tried again: --retry-failed does"
        return f"{self._done} pages{before} in {tqdm.format_interval(seconds)}, {rate:.2f} pages/s; {failed}"
