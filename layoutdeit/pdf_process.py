"""The process in which documents are parsed: it answers requests of `worker_pool.py` one at a time, and can be killed.

It opens one document at a time, limits its own memory, leaves no core dump, and ends with the process that started
it, even when that is killed. Requests come on standard input, answers go to standard output (see wire.py).
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from layoutdeit.limits import MAX_OUTPUT_BYTES, resident_bytes
from layoutdeit.pdf_error import PdfError
from layoutdeit.pdf_file import PdfFile
from layoutdeit.wire import EXIT_MEMORY, EXIT_RETIRED, file_identity, read_header, write_message

WATCH_S = 0.1
ADDRESS_SLACK_BYTES = 1 << 30  # of addresses beyond the memory limit: libraries, stacks, files mapped
MAX_DOCUMENTS = 200  # then another process takes over: what leaks, leaks away
MAX_IDLE_BYTES = 300 << 20  # a process that still holds so much with no document open is not kept
MAX_WARNINGS = 100
NICENESS = 5  # beside a model that has threads on all cores: a reader that held one up would hold up all of them

Answer = tuple[dict[str, Any], bytes | BinaryIO]


class _Session:
    """The document that is open, and what is done with it on request: one method per verb."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        self._document = None
        self._num_opened = 0

    def open(self, *, path: str, name: str, password: str | None, is_scan: bool, memory_bytes: int) -> Answer:
        self._close_document()
        self._watch.limit_memory(memory_bytes)
        self._num_opened += 1
        file = open(path, "rb")  # noqa: SIM115 - closed with the document
        try:
            if is_scan:
                from layoutdeit.scan_file import ScanFile

                self._document = ScanFile(file, name)
            else:
                self._document = PdfFile(file, path, name, password)
        except BaseException:
            file.close()
            raise
        answer = {"num_pages": self._document.num_pages, "identity": file_identity(file.fileno())}
        return {**answer, "took_password": self._document.password is not None}, b""

    def close(self) -> None:
        self._close_document()
        if self._num_opened >= MAX_DOCUMENTS or resident_bytes() > MAX_IDLE_BYTES:
            os._exit(EXIT_RETIRED)

    def frame(self, *, index: int) -> Answer:
        return asdict(self._document.frame(index)), b""

    def render(self, *, index: int, **options: Any) -> Answer:
        picture = self._document.render(index, **options)
        width, height = picture.image.size
        answer = {"width": width, "height": height, "renderer": picture.renderer, "dpi": picture.dpi}
        # a renderer that had to be stopped may have left a process behind, which goes when this one is killed
        return {**answer, "retire": picture.is_stuck}, picture.image.tobytes()

    def words(self, *, index: int) -> Answer:
        texts, rows = self._document.words(index)  # (W, 9)
        return {"texts": texts}, array("d", chain.from_iterable(rows)).tobytes()

    def annotate(self, *, pages: str) -> Answer:
        from layoutdeit.annotate import write_annotations
        from layoutdeit.page_store import PageStore

        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
        with PageStore(Path(pages)) as store:
            write_annotations(self._document, store, file)
        return {}, file

    def _close_document(self) -> None:
        document, self._document = self._document, None
        if document is not None:
            document.close()


class _Watch(threading.Thread):
    """Ends the process, and all it has started, when its parent is gone or its memory is more than allowed."""

    def __init__(self, parent: int) -> None:
        super().__init__(daemon=True)
        self._parent = parent
        self._memory_bytes = 1 << 62

    def limit_memory(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        _set_limit(resource.RLIMIT_AS, memory_bytes + ADDRESS_SLACK_BYTES)  # where the watch is too slow

    def run(self) -> None:
        while True:
            if os.getppid() != self._parent:
                os.killpg(0, signal.SIGKILL)
            if resident_bytes() > self._memory_bytes:
                os._exit(EXIT_MEMORY)
            time.sleep(WATCH_S)


class _Warnings(logging.Handler):
    """Keeps what our own code logs, to be sent along with the answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: list[list[Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._kept) < MAX_WARNINGS:
            self._kept.append([record.levelno, record.getMessage()[:1000]])

    def taken(self) -> list[list[Any]]:
        kept, self._kept = self._kept, []
        return kept


def serve(parent: int) -> None:
    """Answer requests until there are no more; `parent` is the id of the process that sends them."""
    requests, answers = _private_streams()
    os.nice(NICENESS)
    for kind, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MAX_OUTPUT_BYTES)):
        _set_limit(kind, limit)
    warnings = _Warnings()
    logging.getLogger("layoutdeit").addHandler(warnings)
    logging.getLogger().addHandler(logging.NullHandler())
    watch = _Watch(parent)
    watch.start()
    session = _Session(watch)
    while True:
        try:
            request, _ = read_header(requests)
        except EOFError:
            return
        verb = request.pop("verb")
        if verb == "close":  # the only one without an answer
            session.close()
            continue
        header, payload = _answer(getattr(session, verb), request)
        header["warnings"] = warnings.taken()
        with nullcontext() if isinstance(payload, bytes) else closing(payload):
            _send(answers, header, payload)


def _answer(method: Callable[..., Answer], request: dict[str, Any]) -> Answer:
    """What a verb returns, or the error it raises. Any error: whatever a file provokes must not end the process."""
    try:
        return method(**request)
    except PdfError as error:
        return {"error": {"code": error.code, "message": str(error)}, "retire": error.code == "timeout"}, b""
    except MemoryError:
        return {"out_of_memory": True}, b""
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:500]
        return {"failure": reason}, b""


def _send(answers: BinaryIO, header: dict[str, Any], payload: bytes | BinaryIO) -> None:
    try:
        write_message(answers, header, payload)
    except (ValueError, MemoryError):  # before anything was written
        write_message(answers, {"out_of_memory": True})


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for this module alone; what libraries print goes nowhere."""
    sys.stdout.flush()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return requests, answers


def _set_limit(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    with suppress(ValueError, OSError):  # macOS refuses some; the watch and the parent are there still
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
