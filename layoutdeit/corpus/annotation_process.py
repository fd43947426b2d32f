"""Pages of strangers' tagged PDFs, read and pictured in a process of their own that can be stopped.

The process answers in JSON: a page, a page left out, the end. What a damaged file does to it, its time and its memory
cost that file alone.
"""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pypdfium2 as pdfium

from layoutdeit.corpus.camera import Exposure, jpeg_bytes, picture_boxes
from layoutdeit.corpus.page_tree import PictureRecord
from layoutdeit.corpus.structure_tree import TagError
from layoutdeit.corpus.tagged_pdf import TaggedPdf

PAGE_S = 60.0  # for each page; an ordinary one takes a twentieth of a second
OPEN_S = 300.0  # to open a file and read its structure tree; 1,000 pages take about ten seconds
MEMORY_BYTES = 4 << 30  # of addresses
MAX_PIXELS = 50_000_000  # of a picture
OPENED = "opened"
START = "import sys; from layoutdeit.corpus.annotation_process import serve; serve(int(sys.argv[1]))"
MAX_REASON = 200  # characters
MAX_FAILURES = 100


@dataclass(frozen=True)
class PageAnswer:
    """A page's record, or why there is none; `number` from 1, 0 where it is about the whole file."""

    number: int
    record: PictureRecord | None
    reason: str = ""


class AnnotationProcess:
    """The process, started when it is first asked and again after it had to be stopped. Use it in a with block."""

    def __init__(
        self, picture_dir: Path, exposure: Exposure, *, open_s: float = OPEN_S, page_s: float = PAGE_S
    ) -> None:
        self._picture_dir, self._exposure, self._open_s, self._page_s = picture_dir, exposure, open_s, page_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> AnnotationProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def pages(self, path: Path, name: str) -> Iterator[PageAnswer]:
        """Each page of a PDF as it is done. name: what its pictures' names begin with."""
        connection = self._started()
        exposure = [self._exposure.dpi, self._exposure.jpeg_quality]
        connection.send_bytes(json.dumps([str(path), name, str(self._picture_dir), *exposure]).encode())
        done, limit_s, was_opened = 0, self._open_s, False
        while True:
            try:
                if not connection.poll(limit_s):
                    yield self._given_up(name, done, was_opened, f"took more than {limit_s:g} s")
                    return
                answer = json.loads(connection.recv_bytes())
            except (EOFError, OSError):
                reason = "made the reading process crash, or took too much memory"
                yield self._given_up(name, done, was_opened, reason)
                return
            if answer is None:
                return
            if answer == OPENED:
                limit_s, was_opened = self._page_s, True
                continue
            number, width, height, regions, reason = answer
            done = max(done, number)
            regions = tuple((label, tuple(box)) for label, box in regions)
            record = None if reason else PictureRecord(picture_name(name, number), width, height, regions)
            yield PageAnswer(number, record, reason)

    def _given_up(self, name: str, done: int, was_opened: bool, reason: str) -> PageAnswer:
        """Stop the process in the page after `done`, or before the first."""
        self._stop()
        (self._picture_dir / picture_name(name, done + 1)).unlink(missing_ok=True)
        if not was_opened:
            return PageAnswer(0, None, f"opening it {reason}")
        return PageAnswer(done + 1, None, f"it {reason}; the pages from here on are left out")

    def _started(self) -> Connection:
        if self._connection is None or self._process is None or self._process.poll() is not None:
            self._stop()
            self._connection, theirs = multiprocessing.Pipe()
            paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", START, str(theirs.fileno())],  # -P: the current folder may hold anything
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # an interrupt is for us alone, who stop it
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
            theirs.close()
        return self._connection

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()  # it holds nothing; pages are whole or removed
            self._process.wait()
        self._process = self._connection = None


def picture_name(name: str, number: int) -> str:
    """File name of page `number` (from 1) of the PDF whose pictures' names begin with `name`."""
    return f"{name}_{number - 1:05d}.jpg"


def serve(descriptor: int) -> None:
    """Answer requests until the other side closes the connection, given as its file descriptor."""
    connection = Connection(descriptor)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # a line for each thing amiss in a damaged file
    with suppress(EOFError, OSError):
        while True:
            path, name, picture_dir, dpi, jpeg_quality = json.loads(connection.recv_bytes())
            for answer in _answers(Path(path), name, Path(picture_dir), Exposure(dpi, jpeg_quality)):
                connection.send_bytes(json.dumps(answer).encode())
            connection.send_bytes(b"null")


def _answers(path: Path, name: str, picture_dir: Path, exposure: Exposure) -> Iterator[tuple | str]:
    """OPENED, then (number, width, height, regions, reason) for each page; or one of number 0 for the file."""
    try:
        pdf = TaggedPdf(path)
    except FileNotFoundError:
        yield 0, 0, 0, [], "it is a folder: name the files in it" if path.is_dir() else "there is no such file"
        return
    except (pdfium.PdfiumError, TagError, OSError, MemoryError) as error:
        yield 0, 0, 0, [], _sentence(error)
        return
    yield OPENED
    num_failures = 0
    with pdf:
        for index in range(len(pdf)):
            if num_failures == MAX_FAILURES:  # a file may claim a million pages that are not there
                yield index + 1, 0, 0, [], f"{MAX_FAILURES} pages in a row do not load: it and the rest are left out"
                return
            try:
                width, height, regions = _write_page(pdf, index, picture_dir / picture_name(name, index + 1), exposure)
            except Exception as error:  # whatever a damaged page provokes costs that page
                num_failures += isinstance(error, pdfium.PdfiumError)
                yield index + 1, 0, 0, [], _sentence(error)
            else:
                num_failures = 0
                yield index + 1, width, height, regions, ""


def _sentence(error: Exception) -> str:
    """What an error says, on one line; libraries quote whole objects."""
    text = "it takes too much memory" if isinstance(error, MemoryError) else str(error) or type(error).__name__
    return textwrap.shorten(text, MAX_REASON, placeholder=" ...")


def _write_page(pdf: TaggedPdf, index: int, path: Path, exposure: Exposure) -> tuple[int, int, list]:
    """Picture a page. Raises ValueError for one that is no example."""
    page = pdf.read_page(index)
    if page.problem:
        raise ValueError(page.problem)
    num_pixels = math.ceil(page.width * exposure.scale) * math.ceil(page.height * exposure.scale)
    if num_pixels > MAX_PIXELS:
        raise ValueError(f"its picture would have {num_pixels:,} pixels, more than {MAX_PIXELS:,}: use a lower --dpi")
    picture = pdf.document[index].render(scale=exposure.scale).to_pil().convert("RGB")
    boxes = picture_boxes([region.box for region in page.regions], exposure, picture.size)
    path.unlink(missing_ok=True)  # a merged tree may have the picture that was there, by a link
    try:
        path.write_bytes(jpeg_bytes(picture, exposure))
    except OSError:
        path.unlink(missing_ok=True)  # half of it, on a full disk
        raise
    regions = [[region.label, box.tolist()] for region, box in zip(page.regions, boxes, strict=True)]
    return picture.width, picture.height, regions
