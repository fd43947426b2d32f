"""Open a document and take its pages one at a time: size, picture, words. The first step of every analysis.

A PDF, or a scan in JPEG, PNG or TIFF, is parsed in a process of its own (pdf_process.py) that is stopped at the limits
of limits.py; this file asks it. All coordinates that leave this file are points (1/72 inch), origin top left of the
page as displayed (see frame.py).
"""

from __future__ import annotations

import logging
import os
import shutil
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from layoutdeit.frame import PageFrame
from layoutdeit.limits import MAX_OUTPUT_BYTES, MAX_PIXELS, Limits
from layoutdeit.pdf_error import PdfError
from layoutdeit.source_file import SourceFile
from layoutdeit.worker_pool import WORKERS, WorkerStopped

if TYPE_CHECKING:
    from PIL import Image

    from layoutdeit.layout import DocumentLayout
    from layoutdeit.reading import Word

DEFAULT_DPI = 100.0  # US letter becomes 850 x 1100 px: above the 448..800 px short side that the models look at
GRACE_S = 2  # for the process to say itself that a renderer took too long

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageImage:
    """A page picture (RGB), what made it ("poppler", "pdfium", "pillow"), and its dpi after the pixel cap."""

    image: Image.Image
    renderer: str
    dpi: float


def open_document(
    source: str | Path | bytes, *, name: str | None = None, password: str | None = None, limits: Limits | None = None
) -> Document:
    """Open a PDF or a scan from a path or its bytes; use it in a `with` block. Results and errors call it `name`.

    Raises PdfError (encrypted, corrupt, empty, too_large, timeout), or OSError where the path cannot be read.
    """
    return Document(source, name=name, password=password, limits=limits)


class Document:
    """An open PDF or scan. Pages are numbered from 0 here; one page is rendered at a time and no picture is kept.

    Several threads may use one document, and they are served in turn; several documents are served at once.
    `password` is None where the file opened without one. What failed once fails at once when it is asked again.
    """

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        name: str | None = None,
        password: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Open `source`; see `open_document`."""
        self._limits = limits or Limits()
        self._source = SourceFile(source, name)
        self.name, self.sha256 = self._source.name, self._source.sha256
        self._frames: dict[int, PageFrame] = {}
        self._failed: dict[tuple[str, int | None], PdfError] = {}
        self._num_asked = 0  # sizes, pictures and words of pages
        self._seconds = 0.0
        self._process_key = object()
        self._opening = {
            "verb": "open",
            "path": str(self._source.path),
            "name": self.name,
            "password": password,
            "is_scan": self._source.is_scan,
            "memory_bytes": self._limits.memory_bytes,
        }
        self._finalizer = weakref.finalize(self, _release, self._process_key, self._source)
        try:
            opened, _ = self._ask("open")
        except BaseException:
            self.close()  # the traceback may keep this object
            raise
        self.num_pages: int = opened["num_pages"]
        self.password = password if opened["took_password"] else None

    def __enter__(self) -> Document:
        """Return the document itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the document."""
        self.close()

    def close(self) -> None:
        """Release the file and the process's memory; closing twice does nothing."""
        self._finalizer()

    def page_size(self, index: int) -> tuple[float, float]:
        """(width, height) in points as displayed: crop box, /Rotate and /UserUnit applied. Raises PdfError."""
        return self.frame(index).size

    def frame(self, index: int) -> PageFrame:
        """The frame of a page: how its user space lies on the displayed page. Raises PdfError, IndexError."""
        if index not in self._frames:
            header, _ = self._ask("frame", index)
            self._frames[index] = PageFrame(**header)
        return self._frames[index]

    def render(
        self, index: int, *, dpi: float = DEFAULT_DPI, max_pixels: int = MAX_PIXELS, renderer: str | None = None
    ) -> PageImage:
        """Render a page at `dpi`, or at as much less as keeps it within `max_pixels`.

        With poppler where it is installed, and with pdfium where it is not or where poppler fails; `renderer`
        "poppler" or "pdfium" asks for that one only. Raises PdfError with code render, timeout or too_large.
        """
        from PIL import Image

        self.frame(index)
        if renderer not in (None, "poppler", "pdfium"):
            raise ValueError(f"unknown renderer {renderer!r}: use 'poppler' or 'pdfium'")
        if not (dpi > 0 and max_pixels >= 1):
            raise ValueError(f"dpi and max_pixels must be positive, got {dpi} and {max_pixels}")
        poppler_dir = _poppler_dir()
        names = [renderer] if renderer else ["poppler", "pdfium"] if poppler_dir else ["pdfium"]
        header, pixels = self._ask(
            "render",
            index,
            max_payload=3 * max_pixels,
            dpi=dpi,
            max_pixels=max_pixels,
            renderers=names,
            poppler_dir=poppler_dir or "",
            seconds=self._limits.page_s,
        )
        image = Image.frombytes("RGB", (header["width"], header["height"]), pixels)
        return PageImage(image, header["renderer"], header["dpi"])

    def words(self, index: int) -> tuple[Word, ...]:
        """The words of the page's text layer, in the order of the file; () for a scan. Raises PdfError."""
        import numpy as np

        from layoutdeit.reading import Word

        frame = self.frame(index)
        header, values = self._ask("words", index, max_payload=MAX_OUTPUT_BYTES)
        if not header["texts"]:
            return ()
        rows = np.frombuffer(values).reshape(-1, 9)  # the glyphs' box, the line box, line height
        boxes, lines = (frame.to_display(rows[:, first : first + 4]).tolist() for first in (0, 4))
        heights = (rows[:, 8] * frame.user_unit).tolist()
        return tuple(
            Word(text, tuple(box), height, tuple(line))
            for text, box, line, height in zip(header["texts"], boxes, lines, heights, strict=True)
        )

    def annotate(self, layout: DocumentLayout, file: BinaryIO) -> None:
        """Write the document with the regions of `layout` as annotations (see annotate.py). Raises PdfError."""
        from layoutdeit.page_store import PageStore

        with PageStore() as pages:  # on disk: a message would hold all of them
            for page in layout.pages:
                pages.append(replace(page, regions=tuple(replace(r, text=None, cells=None) for r in page.regions)))
            self._ask("annotate", sink=file, pages=pages.path)

    def _ask(
        self, verb: str, index: int | None = None, *, max_payload: int = 0, sink: BinaryIO | None = None, **options: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Have the process do something with the document, or with a page of it; raise as PdfError what prevents it."""
        if not self._finalizer.alive:
            raise ValueError(f"{self.name} is closed")
        if index is not None and not 0 <= index < self.num_pages:
            raise IndexError(f"{self.name} has pages 0..{self.num_pages - 1}, got {index}")
        if (known := self._failed.get((verb, index))) is not None:
            raise PdfError(known.code, str(known))
        request = self._opening if verb == "open" else {"verb": verb, **options}
        seconds = self._limits.open_s if verb == "open" else self._limits.document_s
        if index is not None:
            request["index"] = index
            seconds = self._limits.page_s
            self._num_asked += 1
        place = self.name if index is None else f"page {index + 1} of {self.name}"
        if self._seconds > self._limits.budget_s(self._num_asked):
            raise PdfError("timeout", f"{place} was not read: the document took too long already. Split it.")
        try:
            answer = WORKERS.ask(
                self._process_key,
                self._opening,
                request,
                open_seconds=self._limits.open_s,
                seconds=seconds + GRACE_S,
                max_payload=max_payload if sink is None else MAX_OUTPUT_BYTES,
                sink=sink,
                check=self._source.check_identity,
            )
        except WorkerStopped as stopped:
            self._seconds += stopped.seconds
            error = _error_of(stopped.cause, place, index, seconds, self._limits)
            self._failed[verb, index] = error
            raise error from stopped
        self._seconds += answer.seconds
        return self._checked(answer.header, verb, place, index), answer.payload

    def _checked(self, header: dict[str, Any], verb: str, place: str, index: int | None) -> dict[str, Any]:
        """What was answered, without its warnings, which are logged; an error in it is raised."""
        for level, message in header.pop("warnings", ()):
            logger.log(level, "%s", message)
        if (error := header.get("error")) is not None:
            failure = PdfError(error["code"], error["message"])
        elif header.get("out_of_memory"):
            failure = _error_of("memory", place, index, 0, self._limits)
        elif (reason := header.get("failure")) is not None:
            failure = PdfError(_damage(index), f"{place} is damaged and cannot be read ({reason}).")
        else:
            return header
        if failure.code != "encrypted":
            self._failed[verb, index] = failure
        raise failure


def _error_of(cause: str, place: str, index: int | None, seconds: float, limits: Limits) -> PdfError:
    """What the end of the process, and why it ended, means for the document or the page."""
    advice = "print it to a new PDF, or leave it out" if index is None else "the other pages are read without it"
    if cause == "timeout":
        return PdfError("timeout", f"{place} took more than {seconds:g} s and was stopped: {advice}.")
    if cause == "memory":
        size = limits.memory_bytes / (1 << 30)
        return PdfError("too_large", f"{place} needs more than {size:.3g} GiB of memory and was stopped: {advice}.")
    return PdfError(_damage(index), f"{place} makes its reader fail and cannot be read: {advice}.")


def _damage(index: int | None) -> str:
    return "corrupt" if index is None else "render"


def _release(key: object, source: SourceFile) -> None:
    WORKERS.release(key)
    source.close()


def _poppler_dir() -> str | None:
    """The folder of the two poppler programs that pdf2image runs, if they are on PATH."""
    program = shutil.which("pdftoppm")
    return os.path.dirname(os.path.abspath(program)) if program and shutil.which("pdfinfo") else None
