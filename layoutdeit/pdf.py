"""Open a PDF and take its pages one at a time: size, picture, words. The first step of every analysis.

All coordinates that leave this file are points (1/72 inch), origin top left of the page as displayed (see frame.py).
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from layoutdeit import render
from layoutdeit.frame import PageFrame
from layoutdeit.reading import Word
from layoutdeit.render import DEFAULT_DPI, MAX_PIXELS, PDFIUM_LOCK
from layoutdeit.text_layer import read_words

MAX_BYTES = 1 << 30  # pdfium counts bytes in 32 signed bits; half of that leaves room for repair
HEADER_BYTES = 1024  # readers accept "%PDF-" anywhere in the first kilobyte

logger = logging.getLogger(__name__)


class PdfError(ValueError):
    """A PDF, or a page of one, that cannot be read: a stable `code` and a sentence that says what to do.

    `code` is one of encrypted (password missing or wrong), corrupt (not a PDF, or damaged), empty (no bytes or no
    pages), too_large (more than MAX_BYTES), render (no renderer could draw the page).
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class PageImage:
    """A page picture (RGB), the renderer that made it ("poppler" or "pdfium"), and its dpi after the pixel cap."""

    image: Image.Image
    renderer: str
    dpi: float


def open_document(source: str | Path | bytes, *, name: str | None = None, password: str | None = None) -> Document:
    """Open a PDF from a path or its bytes; use it in a `with` block. `name` is what results and errors call it.

    Raises PdfError (encrypted, corrupt, empty, too_large), or OSError where the path cannot be read.
    """
    return Document(source, name=name, password=password)


class Document:
    """An open PDF. Pages are numbered from 0 here; one page is rendered at a time and no picture is kept.

    Several threads may use one document. `password` is None where the file opened without one.
    """

    def __init__(self, source: str | Path | bytes, *, name: str | None = None, password: str | None = None) -> None:
        """Open `source`; see `open_document`."""
        self._bytes = source if isinstance(source, bytes) else None
        # resolved: the folder may change under us, and a name that begins with "-" must not look like an option
        self._path = None if isinstance(source, bytes) else Path(source).expanduser().resolve()
        self._temporary = None
        self._frames: dict[int, PageFrame] = {}
        self._odd_crops: set[int] = set()  # pages whose crop box leaves the media box: poppler cuts them differently
        self._units: dict[int, float] | None = None
        self.name = name or (self._path.name if self._path else "document.pdf")
        self.sha256 = self._check_bytes()
        self._pdf, self.password = self._open(password)
        self.num_pages = len(self._pdf)
        if self.num_pages < 1:
            self.close()
            raise PdfError("empty", f"{self.name} has no pages: there is nothing to analyse.")

    def __enter__(self) -> Document:
        """Return the document itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the document."""
        self.close()

    def close(self) -> None:
        """Release the file and pdfium's memory; closing twice does nothing."""
        with PDFIUM_LOCK:
            self._pdf.close()
        if self._temporary is not None:
            self._temporary.close()
            self._temporary = None

    def page_size(self, index: int) -> tuple[float, float]:
        """(width, height) in points as displayed: crop box, /Rotate and /UserUnit applied. Raises PdfError."""
        return self.frame(index).size

    def frame(self, index: int) -> PageFrame:
        """The frame of a page: how its user space lies on the displayed page. Raises PdfError, IndexError."""
        if index not in self._frames:
            unit = self._user_units().get(index, 1.0)
            with self._page(index) as page:
                box = page.get_bbox()
                rounded = (round(edge, 4) for edge in box)  # pdfium has 32-bit floats: 595.2 is 595.20001
                self._frames[index] = PageFrame(*rounded, page.get_rotation(), unit)
                if page.get_cropbox(fallback_ok=False) not in (None, box):
                    self._odd_crops.add(index)
        return self._frames[index]

    def render(
        self, index: int, *, dpi: float = DEFAULT_DPI, max_pixels: int = MAX_PIXELS, renderer: str | None = None
    ) -> PageImage:
        """Render a page at `dpi`, or at as much less as keeps it within `max_pixels`.

        With poppler where it is installed, and with pdfium where it is not or where poppler fails; `renderer`
        "poppler" or "pdfium" asks for that one only. Raises PdfError with code render.
        """
        size_pt = self.page_size(index)
        size_px = render.picture_size(size_pt, dpi=dpi, max_pixels=max_pixels)
        actual_dpi = 72 * min(size_px[0] / size_pt[0], size_px[1] / size_pt[1])
        use_poppler = index not in self._odd_crops and render.has_poppler()
        names = (renderer,) if renderer else ("poppler", "pdfium") if use_poppler else ("pdfium",)
        reasons = []
        for name in names:
            try:
                return PageImage(self._render_with(name, index, size_px), name, actual_dpi)
            except render.RenderTimeout as error:  # pdfium would likely hang as well, where nothing can stop it
                reasons.append(str(error))
                break
            except render.RenderError as error:
                reasons.append(str(error))
                logger.warning("%s page %d: %s", self.name, index + 1, error)
        raise PdfError("render", f"page {index + 1} of {self.name} cannot be drawn: {'; '.join(reasons)}.")

    def words(self, index: int) -> tuple[Word, ...]:
        """The words of the page's text layer, in the order of the file; () for a scan. Raises PdfError."""
        frame = self.frame(index)
        with self._page(index) as page:
            texts, boxes = read_words(page)
        if not texts:
            return ()
        boxes = frame.to_display(np.array(boxes))
        return tuple(Word(text, tuple(box)) for text, box in zip(texts, boxes.tolist(), strict=True))

    @contextmanager
    def open_plain(self, copy: str | None = None) -> Iterator[BinaryIO]:
        """The file as an unencrypted stream: its own bytes where they are that, otherwise a copy that pdfium makes.

        `copy` asks for one anyway, for a reader that cannot take the file: "rewritten" has sound cross references,
        "reassembled" has only the pages, with an empty one in the place of each that cannot be read.
        """
        if copy is None and self.password is None:
            with self._open_bytes() as stream:
                yield stream
            return
        with BytesIO() as stream:
            with PDFIUM_LOCK:
                if copy == "reassembled":
                    self._reassemble(stream)
                else:
                    self._pdf.save(stream, flags=pdfium_c.FPDF_REMOVE_SECURITY)
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

    def _open_bytes(self) -> BinaryIO:
        return self._path.open("rb") if self._bytes is None else BytesIO(self._bytes)

    def _check_bytes(self) -> str:
        """Return the sha256 of the file, or raise PdfError for what is no PDF on its face."""
        size = len(self._bytes) if self._bytes is not None else self._path.stat().st_size
        if size == 0:
            raise PdfError("empty", f"{self.name} is empty (0 bytes): it may not have been copied completely.")
        if size > MAX_BYTES:
            raise PdfError(
                "too_large", f"{self.name} has {size:,} bytes, more than {MAX_BYTES:,}: split it into smaller files."
            )
        with self._open_bytes() as stream:
            if b"%PDF-" not in stream.read(HEADER_BYTES):
                raise PdfError("corrupt", f"{self.name} is not a PDF file: convert it to PDF first.")
            stream.seek(0)
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _open(self, password: str | None) -> tuple[pdfium.PdfDocument, str | None]:
        """Open with pdfium, without the password where that does; return it and the password it took."""
        for attempt in (None, password) if password else (None,):
            with PDFIUM_LOCK:
                raw = self._load(attempt)
                # asked at once, and only after a failure: pdfium never takes back an error of an earlier document
                code = None if raw else pdfium_c.FPDF_GetLastError()
                if raw:
                    pdf = pdfium.PdfDocument(raw)
                    pdf.init_forms()  # so that filled-in fields are drawn
                    return pdf, attempt
            if code != pdfium_c.FPDF_ERR_PASSWORD:
                break
        needs_password = code == pdfium_c.FPDF_ERR_PASSWORD
        if needs_password and password:
            raise PdfError("encrypted", f"{self.name} is encrypted and the password was not accepted: check it.")
        if needs_password:
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

    def _load(self, password: str | None) -> pdfium_c.FPDF_DOCUMENT:
        """A raw document, null where pdfium refuses; `_bytes` must live as long as it."""
        secret = None if password is None else password.encode() + b"\0"
        if self._bytes is not None:
            return pdfium_c.FPDF_LoadMemDocument64(self._bytes, len(self._bytes), secret)
        return pdfium_c.FPDF_LoadDocument(os.fsencode(self._path) + b"\0", secret)

    @contextmanager
    def _page(self, index: int) -> Iterator[pdfium.PdfPage]:
        """A loaded page, under pdfium's lock, closed on the way out; what pdfium raises becomes a PdfError."""
        if not 0 <= index < self.num_pages:
            raise IndexError(f"{self.name} has pages 0..{self.num_pages - 1}, got {index}")
        with PDFIUM_LOCK:
            try:
                with closing(self._pdf[index]) as page:
                    yield page
            except pdfium.PdfiumError as error:
                message = f"page {index + 1} of {self.name} is damaged and cannot be read."
                raise PdfError("render", message) from error

    def _render_with(self, renderer: str, index: int, size_px: tuple[int, int]) -> Image.Image:
        if renderer == "poppler":
            return render.render_with_poppler(self._file_path(), index, size_px, password=self.password)
        if renderer == "pdfium":
            with self._page(index) as page:
                return render.render_with_pdfium(page, size_px)
        raise ValueError(f"unknown renderer {renderer!r}: use 'poppler' or 'pdfium'")

    def _file_path(self) -> Path:
        """A path at which another process finds the file; bytes are written once, and gone with `close` or with us."""
        if self._path is not None:
            return self._path
        has_proc = Path("/proc/self/fd").is_dir()  # then the file needs no name, and not even a kill leaves it behind
        with PDFIUM_LOCK:  # two threads must not write it twice
            if self._temporary is None:
                self._temporary = (tempfile.TemporaryFile if has_proc else tempfile.NamedTemporaryFile)()
                self._temporary.write(self._bytes)
                self._temporary.flush()
        return Path(f"/proc/{os.getpid()}/fd/{self._temporary.fileno()}" if has_proc else self._temporary.name)

    def _user_units(self) -> dict[int, float]:
        """The pages with a /UserUnit other than 1, which pdfium ignores: pypdf reads it where the file may have one."""
        if self._units is None:
            self._units = {}
            if self._may_mention(b"/UserUnit") or self._may_mention(b"/ObjStm"):  # in an object stream names hide
                try:
                    self._units = self._read_user_units()
                except Exception as error:  # pypdf raises whatever a damaged file provokes; pages are then in points
                    logger.warning("%s: no /UserUnit read: %s", self.name, error)
        return self._units

    def _may_mention(self, token: bytes) -> bool:
        if self._bytes is not None:
            return token in self._bytes
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(token) >= 0

    def _read_user_units(self) -> dict[int, float]:
        from pypdf import PdfReader

        with self.open_plain() as stream:
            units = {index: float(page.user_unit) for index, page in enumerate(PdfReader(stream).pages)}
        return {index: unit for index, unit in units.items() if unit > 0 and unit != 1}
