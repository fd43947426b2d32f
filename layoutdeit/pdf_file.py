"""A PDF as pdfium reads it, in the process that `pdf_process.py` runs: pages, pictures, words, plain copies.

Everything here takes what strangers made and may crash, hang or eat memory: only that process imports this file.
"""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import BinaryIO

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from layoutdeit import render
from layoutdeit.frame import PageFrame
from layoutdeit.limits import MAX_PAGES, resident_bytes, return_free_memory, time_limit
from layoutdeit.page_nodes import page_nodes
from layoutdeit.pdf_error import PdfError
from layoutdeit.render import Picture
from layoutdeit.text_layer import read_words

USER_UNIT_S = 10  # pypdf walks the whole page tree for them; few files have any
CHUNK_BYTES = 1 << 20
RELOAD_BYTES = 48 << 20  # pdfium keeps what it has read, a scan's pictures too: beyond that it starts anew
MADE = re.compile(rb"\A.*?endobj\s.*?endobj\s+3 0 obj\s+<</CreationDate\(D:(\d{14})", re.DOTALL)  # in a new document
COPY_ID = re.compile(rb"/ID\s*\[[^\]]*<([0-9A-F]{32})>\]\s*>>\s*startxref\s+\d+\s+%%EOF\s*\Z")
POPPLER_SHARE = 0.5  # of the time for a picture; the rest is left for pdfium

logger = logging.getLogger(__name__)


class PdfFile:
    """An open PDF. Pages are numbered from 0. `password` is None where the file opened without one.

    Raises PdfError (encrypted, corrupt, empty, too_large). `file` is the open file, `path` another way to it.
    """

    def __init__(self, file: BinaryIO, path: str, name: str, password: str | None) -> None:
        """Open it with pdfium."""
        self.name = name
        self._file, self._path = file, path_of(file) or path
        self._plain: BinaryIO | None = None  # a decrypted copy without a name, for poppler
        self._frames: dict[int, PageFrame] = {}
        self._odd_crops: set[int] = set()  # pages whose crop box leaves the media box: poppler cuts them differently
        self._units: dict[int, float] | None = None
        self._pdf, self.password = self._open(password)
        self._bytes_when_loaded = resident_bytes()
        self.num_pages = len(self._pdf)
        if not 1 <= self.num_pages <= MAX_PAGES:
            self.close()
            if self.num_pages < 1:
                raise PdfError("empty", f"{name} has no pages: there is nothing to analyse.")
            message = f"{name} has {self.num_pages:,} pages, more than {MAX_PAGES:,}: split it into smaller files."
            raise PdfError("too_large", message)

    def close(self) -> None:
        """Release the file and pdfium's memory."""
        self._pdf.close()
        self._file.close()
        if self._plain is not None:
            self._plain.close()

    def frame(self, index: int) -> PageFrame:
        """The frame of a page: how its user space lies on the displayed page."""
        if index not in self._frames:
            unit = self._user_units().get(index, 1.0)
            with self._page(index) as page:
                box = page.get_bbox()
                rounded = (round(edge, 4) for edge in box)  # pdfium has 32-bit floats: 595.2 is 595.20001
                frame = PageFrame(*rounded, page.get_rotation(), unit)
                if not all(side > 0 and math.isfinite(side) for side in frame.size):
                    raise PdfError("render", f"page {index + 1} of {self.name} has no area and cannot be drawn.")
                if page.get_cropbox(fallback_ok=False) not in (None, box):
                    self._odd_crops.add(index)
            self._frames[index] = frame
        return self._frames[index]

    def render(
        self, index: int, *, dpi: float, max_pixels: int, renderers: Sequence[str], poppler_dir: str, seconds: float
    ) -> Picture:
        """A page's picture by the first of the renderers that gives one; `seconds` are for all of them together."""
        size_pt = self.frame(index).size
        size_px = render.picture_size(size_pt, dpi=dpi, max_pixels=max_pixels)
        actual_dpi = 72 * min(size_px[0] / size_pt[0], size_px[1] / size_pt[1])
        reasons = []
        is_stuck = False
        for name in renderers:
            if name == "poppler" and index in self._odd_crops and len(renderers) > 1:
                continue
            try:
                if name == "poppler":
                    image = self._render_with_poppler(index, size_px, poppler_dir, seconds)
                else:
                    with self._page(index) as page:
                        image = render.render_with_pdfium(page, size_px)
                return Picture(image, name, actual_dpi, is_stuck)
            except render.RenderError as error:
                is_stuck |= isinstance(error, render.RenderTimeout)
                reasons.append(str(error))
                logger.warning("%s page %d: %s", self.name, index + 1, error)
        code = "timeout" if is_stuck else "render"
        raise PdfError(code, f"page {index + 1} of {self.name} cannot be drawn: {'; '.join(reasons)}.")

    def words(self, index: int) -> tuple[list[str], list[list[float]]]:
        """The words of a page and where they are in user space, in the file's order (see text_layer.py)."""
        with self._page(index) as page:
            return read_words(page)

    @contextmanager
    def open_plain(self, copy: str | None = None) -> Iterator[BinaryIO]:
        """The file as an unencrypted stream: its own bytes where they are that, otherwise a copy that pdfium makes.

        `copy` asks for one anyway, for a reader that cannot take the file: "rewritten" has sound cross references,
        "reassembled" has only the pages, with an empty one in the place of each that cannot be read.
        """
        if copy is None and self.password is None:
            self._file.seek(0)
            yield self._file
            return
        with tempfile.TemporaryFile() as stream:
            if copy == "reassembled":
                self._reassemble(stream)
            else:
                self._pdf.save(stream, flags=pdfium_c.FPDF_REMOVE_SECURITY)
            _leave_out_chance(stream)
            stream.seek(0)
            yield stream

    def _reassemble(self, stream: BinaryIO) -> None:
        with closing(pdfium.PdfDocument.new()) as pages:
            for index in range(self.num_pages):
                try:
                    self._pdf[index].close()  # importing a page that does not load may crash
                    pages.import_pages(self._pdf, [index])
                except pdfium.PdfiumError:
                    pages.new_page(612, 792)
            pages.save(stream)

    def _open(self, password: str | None) -> tuple[pdfium.PdfDocument, str | None]:
        """Open with pdfium, without the password where that does; return it and the password it took."""
        path = os.fsencode(self._path) + b"\0"
        for attempt in (None, password) if password else (None,):
            secret = None if attempt is None else attempt.encode("utf-8", "surrogateescape") + b"\0"
            raw = pdfium_c.FPDF_LoadDocument(path, secret)
            # asked at once, and only after a failure: pdfium never takes back an error of an earlier document
            code = None if raw else pdfium_c.FPDF_GetLastError()
            if raw:
                pdf = pdfium.PdfDocument(raw)
                pdf.init_forms()  # so that filled-in fields are drawn
                return pdf, attempt
            if code != pdfium_c.FPDF_ERR_PASSWORD:
                break
        if code == pdfium_c.FPDF_ERR_PASSWORD and password:
            raise PdfError("encrypted", f"{self.name} is encrypted and the password was not accepted: check it.")
        if code == pdfium_c.FPDF_ERR_PASSWORD:
            raise PdfError(
                "encrypted", f"{self.name} is encrypted and needs a password: enter it, or give it with --password."
            )
        if code == pdfium_c.FPDF_ERR_SECURITY:
            raise PdfError(
                "encrypted",
                f"{self.name} is protected in a way that only its own software can open: save an unprotected copy.",
            )
        raise PdfError(
            "corrupt", f"{self.name} is damaged and cannot be opened: get a fresh copy or print it to a new PDF."
        )

    @contextmanager
    def _page(self, index: int) -> Iterator[pdfium.PdfPage]:
        """A loaded page, closed on the way out; what pdfium raises becomes a PdfError."""
        try:
            with closing(self._pdf[index]) as page:
                yield page
        except pdfium.PdfiumError as error:
            message = f"page {index + 1} of {self.name} is damaged and cannot be read."
            raise PdfError("render", message) from error
        if resident_bytes() > self._bytes_when_loaded + RELOAD_BYTES:
            full = self._pdf
            self._pdf, _ = self._open(self.password)
            full.close()
            return_free_memory()
            self._bytes_when_loaded = resident_bytes()

    def _render_with_poppler(self, index: int, size_px: tuple[int, int], poppler_dir: str, seconds: float):
        seconds *= POPPLER_SHARE
        return render.render_with_poppler(self._plain_path(), index, size_px, poppler_dir=poppler_dir, seconds=seconds)

    def _plain_path(self) -> str:
        """Where poppler finds the file, decrypted: a password would stand on its command line for all to read."""
        if self.password is None:
            return self._path
        if self._plain is None:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the document
            if path_of(copy) is None:
                raise render.RenderError("poppler is not given encrypted files on this system")
            self._pdf.save(copy, flags=pdfium_c.FPDF_REMOVE_SECURITY)
            copy.flush()
            self._plain = copy
        return path_of(self._plain)

    def _user_units(self) -> dict[int, float]:
        """The pages with a /UserUnit other than 1, which pdfium ignores: pypdf reads it where the file may have one."""
        if self._units is None:
            self._units = {}
            if self._may_mention(b"/UserUnit", b"/ObjStm"):  # in an object stream names hide
                try:
                    with time_limit(USER_UNIT_S):
                        self._units = self._read_user_units()
                except Exception as error:  # pypdf raises whatever a damaged file provokes; pages are then in points
                    logger.warning("%s: no /UserUnit read: %s", self.name, error)
        return self._units

    def _may_mention(self, *tokens: bytes) -> bool:
        overlap = max(map(len, tokens)) - 1
        self._file.seek(0)
        tail = b""
        while chunk := self._file.read(CHUNK_BYTES):  # not mapped: all of the file would count as this process's memory
            chunk = tail + chunk
            if any(token in chunk for token in tokens):
                return True
            tail = chunk[-overlap:]
        return False

    def _read_user_units(self) -> dict[int, float]:
        from pypdf import PdfReader

        with self.open_plain() as stream:
            pages = enumerate(page_nodes(PdfReader(stream)))
            units = ((index, float(page["/UserUnit"])) for index, (_, page) in pages if "/UserUnit" in page)
            return {index: unit for index, unit in units if unit > 0 and unit != 1 and math.isfinite(unit)}


def _leave_out_chance(stream: BinaryIO) -> None:
    """Overwrite what differs between two copies that pdfium makes of one document: an id, the time it was made."""
    stream.seek(0)
    start = stream.read(CHUNK_BYTES)
    if made := MADE.search(start):
        stream.seek(made.start(1))
        stream.write(b"19700101000000")
    stream.seek(tail_start := max(0, stream.seek(0, os.SEEK_END) - 1024))
    tail = stream.read()
    if ids := COPY_ID.search(tail):
        stream.seek(tail_start)
        stream.write(tail.replace(ids[1], b"0" * len(ids[1])))
    stream.flush()


def path_of(file: BinaryIO) -> str | None:
    """A path by which this process and its children open the same file anew, name or none; None where there is none."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}" if os.path.isdir("/proc/self/fd") else None
