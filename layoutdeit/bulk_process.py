"""A process of a bulk run: with a model of its own and one thread it analyses pages as told, and writes results.

The other side is bulk_worker.py; what is said is in wire.py. A page goes through the model alone, so what is found
depends on nothing but the page. It ends with the process that started it, even when that is killed. On a cluster
pages may have been read by other processes (PageReader), which have no model.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layoutdeit.batch import shown
from layoutdeit.layout import ModelInfo, SourceInfo
from layoutdeit.page_store import PageStore, stored_layout
from layoutdeit.pages_ahead import ReadPage, read_page
from layoutdeit.pdf import Document, PdfError, open_document
from layoutdeit.source_file import plain_name
from layoutdeit.wire import read_header, write_message

if TYPE_CHECKING:
    from layoutdeit import LayoutAnalyzer

WATCH_S = 0.1


def own_device(device: str, index: int, num_gpus: int) -> str:
    """The device of the process numbered `index` from 0: where "cuda" is asked for, the GPUs take turns."""
    return f"cuda:{index % num_gpus}" if device == "cuda" and num_gpus else device


class LastDocument:
    """The document that was asked for last, kept open: the next page is mostly of the same."""

    def __init__(self) -> None:
        self._document: Document | None = None
        self._opened: tuple[str, str] | None = None  # path and sha256

    def at(self, path: str, password: str | None, sha256: str) -> Document:
        """The document at a path, opened where it was not. Raises PdfError, also for another sha256; OSError."""
        if self._opened != (path, sha256):
            self._opened = None
            if self._document is not None:
                self._document.close()
            self._document = open_document(path, password=password)
            if self._document.sha256 != sha256:
                raise PdfError("corrupt", f"{self._document.name} was replaced while it was read: run again.")
            self._opened = (path, sha256)
        return self._document


class PageReader:
    """What a process without a model does: it reads pages that another will analyse."""

    def __init__(self) -> None:
        self._documents = LastDocument()

    def read(self, *, path: str, password: str | None, sha256: str, number: int) -> tuple[bool, ReadPage | None]:
        """Whether the page (number from 1) could be read, and the page. Whoever analyses it meets the error again."""
        try:
            return True, read_page(self._documents.at(path, password, sha256), number)
        except (PdfError, OSError):
            return False, None


class Session:
    """The model, and the document that is open: one method per verb, and `answer`, which calls them."""

    def __init__(self) -> None:
        self._analyzer: LayoutAnalyzer | None = None
        self._documents = LastDocument()

    def answer(self, request: dict[str, Any], read: ReadPage | None = None) -> dict[str, Any]:
        """What the request's verb returns, or the error it raises. Any error: one document must not end the run.

        `read` is the page to analyse where another process has read it.
        """
        request = dict(request) if read is None else {**request, "read": read}
        verb = request.pop("verb")
        try:
            return getattr(self, f"_{verb}")(**request)
        except PdfError as error:
            return {"error": {"code": error.code, "message": str(error)}}
        except OSError as error:
            name = error.filename2 or error.filename
            place = f"{shown(name)}: " if isinstance(name, str) else ""
            return {"error": {"code": "io", "message": f"{place}{error.strerror or error}."}}
        except Exception as error:
            if verb == "load":
                return {"failure": str(error)}
            logging.getLogger(__name__).error("%s", verb, exc_info=True)
            return {"failure": f"{type(error).__name__}: {error}"[:2000]}

    def _load(
        self, *, model: str | None, engine: str, device: str | None, score: float, precision: str, index: int
    ) -> dict[str, Any]:
        import torch

        from layoutdeit import LayoutAnalyzer

        torch.set_num_threads(1)  # as many processes as there are cores; and sums come out the same on any machine
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        own = own_device(device, index, torch.cuda.device_count())
        self._analyzer = LayoutAnalyzer(model, engine=engine, device=own, precision=precision, score=score)
        return {**asdict(self._analyzer.info), "device": device}

    def _open(self, *, path: str, password: str | None, sha256: str) -> dict[str, Any]:
        return {"num_pages": self._documents.at(path, password, sha256).num_pages}

    def _analyze(
        self, *, path: str, password: str | None, sha256: str, number: int, read: ReadPage | None = None
    ) -> dict[str, Any]:
        if read is None:
            read = read_page(self._documents.at(path, password, sha256), number)
        return {"page": self._analyzer.analyze_read(read, plain_name(Path(path).name)).to_dict()}

    def _export(
        self,
        *,
        path: str,
        password: str | None,
        sha256: str,
        store: str,
        numbers: list[list[int]],
        target: str,
        formats: list[str],
    ) -> dict[str, Any]:
        from layoutdeit.export import export, hint_of_scans

        document = self._documents.at(path, password, sha256)
        chosen = [number for first, end in numbers for number in range(first, end)]
        source = SourceInfo(document.name, document.sha256, document.num_pages)
        info: ModelInfo = self._analyzer.info
        with PageStore(Path(store)) as pages:
            layout = stored_layout(source, info, pages, chosen)
            written = export(layout, document, target, formats)
            return {"written": list(map(str, written)), "hint": hint_of_scans(layout, formats)}


def serve(parent: int) -> None:
    """Answer requests until there are no more; `parent` is the id of the process that sends them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)  # what libraries print must not come between the answers
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    session = Session()
    while True:
        try:
            request, _ = read_header(requests)
        except EOFError:
            return
        write_message(answers, session.answer(request))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os.killpg(0, signal.SIGKILL)
