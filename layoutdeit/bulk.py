"""Many documents on several processes, with a ledger: killed at any moment, the same command ends with the same bytes.

Each process analyses pages, a few neighbouring ones at a time, with a model of its own; a thread here tells it which,
puts each page's record in the document's store and then a line in the ledger. When a document's pages are all there,
one of the processes writes its results. Which process did what shows nowhere in them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from layoutdeit import __version__
from layoutdeit.batch import Failure, Input, Results, asked_pages, failed_file, failed_pages, shown
from layoutdeit.bulk_crew import Crew, Step
from layoutdeit.bulk_display import BulkDisplay
from layoutdeit.bulk_document import BulkDocument, BulkTask, chunks, documents_of, runs, stores_of_other_settings
from layoutdeit.bulk_ray import RayShare
from layoutdeit.bulk_worker import EXPORT_PAGE_S, EXPORT_S, BulkWorker, ModelChoice, ReadFailed
from layoutdeit.layout import PageError, PageLayout
from layoutdeit.ledger import FAILED, DocumentFailure, Ledger, Written
from layoutdeit.page_store import PageStore
from layoutdeit.pdf import PdfError
from layoutdeit.source_file import plain_name
from layoutdeit.whole_file import remove_unfinished

LEDGER_NAME = "ledger.jsonl"
STORES_NAME = ".pages"
SYNC_PAGES = 256  # a power cut costs no more of a document than that
TRIED_AGAIN = ("io", "missing")  # no fault of the document


class BulkRun:
    """One run over all inputs. `run` is called once."""

    def __init__(
        self,
        inputs: Sequence[Input],
        targets: Sequence[Path],
        results: Results,
        task: BulkTask,
        choice: ModelChoice,
        *,
        num_workers: int,
        display: BulkDisplay,
        ray: RayShare | None = None,
    ) -> None:
        """Take the ledger and start the first process: on the cluster where `ray` says what each takes there.

        Raises ModelFailed where the model cannot be loaded, ValueError where another run works in that folder.
        """
        self._results, self._task, self._display = results, task, display
        self._waiting = documents_of(inputs, targets)
        self._targets = targets
        self._reading: list[BulkDocument] = []
        self._ready: deque[BulkDocument] = deque()
        self._failures: list[tuple[int, Failure]] = []
        self._num_workers, self._num_recorded = num_workers, 0
        self._num_readers = 0 if ray is None else ray.readers
        try:
            self._ledger = Ledger(results.dir / LEDGER_NAME)
        except BlockingIOError as error:
            raise ValueError(f"another run is at work in {results.dir}: wait for it, or use another folder") from error
        try:
            new_worker = partial(BulkWorker, choice, ray=ray)
            self._crew = Crew(new_worker, num_workers, self._find_step, display.say)
        except BaseException:
            self._ledger.close()
            raise
        self._changed = self._crew.changed
        first = self._crew.first
        self._settings = {**asdict(first.info), "score": choice.score, "device": first.device, "version": __version__}
        text = json.dumps(self._settings, sort_keys=True)
        self._settings_key = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._old_stores = stores_of_other_settings(results.dir / STORES_NAME, self._settings_key)

    def run(self) -> list[Failure]:
        """Do it all; return the inputs that failed, in their order. Raises OSError where results cannot be kept."""
        if self._ledger.last_settings not in (None, self._settings):
            self._display.say("settings differ from those of the run before: pages are analysed anew")
        if self._ledger.was_cut_short:
            remove_unfinished(self._targets)
        self._ledger.add_start(self._settings)
        is_whole = False
        try:
            self._crew.run()
            self._ledger.add_end()
            self._ledger.sync()
            is_whole = not self._crew.was_replaced
        finally:
            for document in self._reading:
                with suppress(OSError):  # of a full disk, which is what stopped it
                    document.store.close()
            if not is_whole:
                remove_unfinished(self._targets)
            with suppress(OSError):
                self._ledger.close()
            self._display.close()
        return [failure for _, failure in sorted(self._failures, key=lambda entry: entry[0])]

    def _find_step(self) -> Step | None:
        """What to do next: finish what was begun before anything is opened, so few documents are open at a time."""
        if self._ready:
            return partial(self._export, self._ready.popleft())
        document = next((document for document in self._reading if document.todo), None)
        if document is not None:
            return partial(self._analyze, document, document.todo.popleft())
        return partial(self._open, self._waiting.popleft()) if self._waiting else None

    def _open(self, document: BulkDocument, worker: BulkWorker) -> None:
        item = document.item
        try:
            item.fetch()
            with item.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            document.identify("", self._settings_key, self._results.dir / STORES_NAME)
            failure = failed_file(item, error)
            return self._fail(document, DocumentFailure(failure.code, failure.message))
        document.identify(sha256, self._settings_key, self._results.dir / STORES_NAME)
        with self._changed:
            outcome = self._ledger.outcome(document.key)
        asked = document.asked(self._task, self._results.dir)
        if isinstance(outcome, DocumentFailure) and not self._is_tried_again(outcome, asked):
            return self._fail(document, outcome, is_known=True)
        try:
            losses = document.losses["open", 0]
            opened = worker.ask("open", **document.place, password=self._task.password, losses=losses)
            document.numbers = asked_pages(plain_name(item.path.name), opened["num_pages"], self._task.pages)
        except ReadFailed as error:
            return self._fail(document, DocumentFailure(error.code, str(error)))
        except PdfError as error:
            return self._fail(document, DocumentFailure(error.code, str(error), asked))
        document.store = PageStore(document.store_path)
        is_written = document.is_written(outcome, self._task, self._results)
        with self._changed:
            self._reading.append(document)
            self._plan(document)
            if not document.num_left and is_written:
                self._finish(document)
            elif not document.num_left:
                self._ready.append(document)
            self._changed.notify_all()

    def _is_tried_again(self, failure: DocumentFailure, asked: str) -> bool:
        """Whether a document that failed in an earlier run may not do so in this one."""
        has_password = failure.code == "encrypted" and self._task.password is not None
        is_else = failure.asked not in (None, asked)
        return self._task.retry_failed or failure.code in TRIED_AGAIN or has_password or is_else

    def _plan(self, document: BulkDocument) -> None:
        """Which pages are still to be analysed, cut into chunks of neighbours."""
        todo = [number for number in document.numbers if not self._is_dealt_with(document, number)]
        document.todo.extend(chunks(todo, self._num_workers, num_readers=self._num_readers))
        document.num_left = len(todo)
        statuses = [self._ledger.page_status(document.key, number) for number in {*document.numbers}.difference(todo)]
        self._display.document_opened(
            len(document.numbers), num_known=len(statuses), num_failed_before=statuses.count(FAILED)
        )

    def _is_dealt_with(self, document: BulkDocument, number: int) -> bool:
        """Whether a page was analysed in an earlier run, or has failed and would again."""
        status = self._ledger.page_status(document.key, number)
        if number not in document.store or status is None:
            return False
        if status != FAILED:
            return True
        error = document.store[number].error
        return error is not None and error.code not in TRIED_AGAIN and not self._task.retry_failed

    def _analyze(self, document: BulkDocument, numbers: list[int], worker: BulkWorker) -> None:
        """Those of the pages that were not recorded before another process was lost with them."""
        while numbers:
            number = numbers[0]
            start = time.perf_counter()
            requests = [{**document.place, "password": self._task.password, "number": number} for number in numbers]
            try:
                worker.expect(requests)
                losses = document.losses["analyze", number]
                page = PageLayout.from_dict(worker.ask("analyze", **requests[0], losses=losses)["page"])
            except ReadFailed as error:
                message = f"page {number} of {plain_name(document.item.path.name)} has no result: {error}"
                page = PageLayout(number, 0, 0, error=PageError(error.code, message))
            with self._changed:
                self._record(document, page, time.perf_counter() - start)
            del numbers[0], document.losses["analyze", number]

    def _record(self, document: BulkDocument, page: PageLayout, seconds: float) -> None:
        """First the record, then the line that says it is there."""
        document.store.append(replace(page, seconds=None))
        self._ledger.add_page(document.key, page.number, page.error and page.error.code, seconds)
        self._num_recorded += 1
        if self._num_recorded % SYNC_PAGES == 0:
            for other in self._reading:
                other.store.sync()
            self._ledger.sync()
        self._display.page_done(is_failed=page.error is not None)
        document.num_left -= 1
        if not document.num_left:
            self._ready.append(document)
            self._changed.notify_all()

    def _export(self, document: BulkDocument, worker: BulkWorker) -> None:
        document.store.sync()  # before the line that says so
        start = time.perf_counter()
        asked = document.asked(self._task, self._results.dir)
        try:
            answer = worker.ask(
                "export",
                **document.place,
                password=self._task.password,
                seconds=EXPORT_S + EXPORT_PAGE_S * len(document.numbers),
                store=str(document.store_path.resolve()),
                numbers=list(runs(document.numbers)),
                target=str(document.target.absolute()),
                formats=list(self._task.formats),
                losses=document.losses["export", 0],
            )
        except ReadFailed as error:
            return self._fail(document, DocumentFailure(error.code, str(error), asked))
        files = tuple(str(Path(path).relative_to(self._results.dir.absolute())) for path in answer["written"])
        try:
            self._results.keep(files)
            self._results.publish(document.target)
        except OSError as error:
            failure = failed_file(document.item, error)
            return self._fail(document, DocumentFailure(failure.code, failure.message))
        with self._changed:
            self._ledger.add_written(document.key, Written(asked, files), time.perf_counter() - start)
            self._ledger.sync()
            places = ", ".join(map(self._results.shown, files))
            self._display.say(f"{shown(document.item.relative)} -> {places}")
            if answer["hint"]:
                self._display.say(f"{shown(document.item.relative)}: {answer['hint']}")
            self._finish(document)
        for path in self._old_stores.pop(document.store_path.stem.partition("-")[0], ()):
            path.unlink(missing_ok=True)  # its results have just been replaced

    def _finish(self, document: BulkDocument) -> None:
        failed = [n for n in document.numbers if self._ledger.page_status(document.key, n) == FAILED]
        errors = {number: document.store[number].error for number in failed}
        if errors:
            self._failures.append((document.index, failed_pages(document.item, errors, len(document.numbers))))
        self._reading.remove(document)
        document.store.close()
        document.item.release()
        self._display.document_done()

    def _fail(self, document: BulkDocument, failure: DocumentFailure, *, is_known: bool = False) -> None:
        with self._changed:
            if not is_known:
                self._ledger.add_failure(document.key, failure)
            self._failures.append((document.index, Failure(document.item.source, failure.code, failure.message)))
            with suppress(ValueError):
                self._reading.remove(document)
            if document.store is not None:
                document.store.close()
            document.item.release()
            name = shown(document.item.relative)
            line = f"{name} failed{' before' * is_known}: {failure.code}: {failure.message}"
            self._display.document_failed(line, is_known=is_known)
