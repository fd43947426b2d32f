"""A scan as a document: JPEG, PNG or TIFF, one page per frame, in the process that `pdf_process.py` runs.

A page is as large as the file says, in dots per inch; where it says nothing credible, one pixel counts as one point.
EXIF orientation is applied. Pictures are never enlarged.
"""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, UnidentifiedImageError

from layoutdeit import render
from layoutdeit.frame import PageFrame
from layoutdeit.limits import MAX_PAGES, MAX_SCAN_PIXELS
from layoutdeit.pdf_error import PdfError
from layoutdeit.render import Picture
from layoutdeit.upright_picture import is_turned, upright

if TYPE_CHECKING:
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

    from layoutdeit.object_file import ObjectFile

FORMATS = ("JPEG", "PNG", "TIFF")
CREDIBLE_DPI = (30.0, 4800.0)  # a poster photographed; the finest scanners. Beyond, the number is a mistake
JPEG_QUALITY = 90  # of the pages in a PDF made of them

logger = logging.getLogger(__name__)


class ScanFile:
    """An open picture file with the verbs of `PdfFile`. Raises PdfError (corrupt, too_large)."""

    password = None

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read its header, and of a TIFF where its pages are."""
        Image.MAX_IMAGE_PIXELS = None  # each page is measured before it is decoded, see _checked_size
        self.name = name
        self._file = file
        try:
            self._image = Image.open(file, formats=FORMATS)
            # other kinds hold frames that are no pages: thumbnails, films
            self.num_pages = getattr(self._image, "n_frames", 1) if self._image.format == "TIFF" else 1
        except (UnidentifiedImageError, *BROKEN) as error:
            message = f"{name} is a damaged picture and cannot be opened: scan it again, or save it anew."
            raise PdfError("corrupt", message) from error
        if self.num_pages > MAX_PAGES:
            message = f"{name} has {self.num_pages:,} pages, more than {MAX_PAGES:,}: split it into smaller files."
            raise PdfError("too_large", message)

    def close(self) -> None:
        """Release the file and the page last decoded."""
        self._image.close()
        self._file.close()

    def frame(self, index: int) -> PageFrame:
        """The frame of a page: it lies on the displayed page as it is."""
        with self._page(index) as image:
            (width, height), (dpi_x, dpi_y) = image.size, _dpi(image)
            if is_turned(image):
                width, height, dpi_x, dpi_y = height, width, dpi_y, dpi_x
        return PageFrame(0, 0, round(width * 72 / dpi_x, 4), round(height * 72 / dpi_y, 4))

    def render(
        self, index: int, *, dpi: float, max_pixels: int, renderers: Sequence[str], poppler_dir: str, seconds: float
    ) -> Picture:
        """A page's picture at `dpi`, or at its own where that is less."""
        size_pt = self.frame(index).size
        size_px = render.picture_size(size_pt, dpi=dpi, max_pixels=max_pixels)
        with self._page(index) as image:
            own = image.size[::-1] if is_turned(image) else image.size
            size_px = tuple(min(asked, there) for asked, there in zip(size_px, own, strict=True))
            picture = upright(image, size_px)
        actual_dpi = 72 * min(size_px[0] / size_pt[0], size_px[1] / size_pt[1])
        return Picture(picture, "pillow", actual_dpi)

    def words(self, index: int) -> tuple[list[str], list[list[float]]]:
        """None: a picture has no text layer."""
        return [], []

    @contextmanager
    def open_plain(self, copy: str | None = None) -> Iterator[BinaryIO]:
        """A PDF made of the pages, each as large as its frame; an empty one for each that cannot be read."""
        from pypdf.generic import ArrayObject, NameObject, NumberObject

        from layoutdeit.object_file import ObjectFile

        with tempfile.TemporaryFile() as stream:
            pdf = ObjectFile(stream)
            tree, kids = pdf.reserve(), ArrayObject()
            for index in range(self.num_pages):
                try:
                    kids.append(pdf.add(self._sheet(index, pdf, tree)))
                except PdfError as error:
                    logger.warning("%s", error)
                    kids.append(pdf.add(_dictionary(Type=NameObject("/Page"), Parent=tree, MediaBox=_box(612, 792))))
            count = NumberObject(len(kids))
            pdf.put(tree, _dictionary(Type=NameObject("/Pages"), Kids=kids, Count=count))
            pdf.close(root=pdf.add(_dictionary(Type=NameObject("/Catalog"), Pages=tree)))
            stream.seek(0)
            yield stream

    def _sheet(self, index: int, pdf: ObjectFile, tree: IndirectObject) -> DictionaryObject:
        """A page of a PDF that is filled with this one, as a JPEG; the picture is written already."""
        from pypdf.generic import DecodedStreamObject, NameObject, NumberObject

        width, height = self.frame(index).size
        whole = {"dpi": max(CREDIBLE_DPI), "max_pixels": MAX_SCAN_PIXELS}
        image = self.render(index, **whole, renderers=(), poppler_dir="", seconds=0).image
        with io.BytesIO() as packed:
            image.save(packed, "JPEG", quality=JPEG_QUALITY)
            picture, content = DecodedStreamObject(), DecodedStreamObject()
            picture.set_data(packed.getvalue())
        kinds = {"Type": "/XObject", "Subtype": "/Image", "ColorSpace": "/DeviceRGB", "Filter": "/DCTDecode"}
        sizes = {"Width": image.width, "Height": image.height, "BitsPerComponent": 8}
        picture.update(_dictionary(**{key: NameObject(value) for key, value in kinds.items()}))
        picture.update(_dictionary(**{key: NumberObject(value) for key, value in sizes.items()}))
        content.set_data(f"q {width:g} 0 0 {height:g} 0 0 cm /Scan Do Q".encode("ascii"))
        return _dictionary(
            Type=NameObject("/Page"),
            Parent=tree,
            MediaBox=_box(width, height),
            Resources=_dictionary(XObject=_dictionary(Scan=pdf.add(picture))),
            Contents=pdf.add(content),
        )

    @contextmanager
    def _page(self, index: int) -> Iterator[Image.Image]:
        """The image at a page, measured and not yet decoded; what Pillow raises becomes a PdfError."""
        try:
            if self._image.format == "TIFF":  # opened anew, it would have to walk to the page
                image = self._image
                image.seek(index)
            else:  # opened anew: decoding at a smaller size changes the object
                image = Image.open(self._file, formats=FORMATS)
            width, height = image.size
            if width * height > MAX_SCAN_PIXELS:
                raise PdfError(
                    "too_large",
                    f"page {index + 1} of {self.name} has {width:,} x {height:,} pixels, more than "
                    f"{MAX_SCAN_PIXELS:,}: scan it at a lower resolution.",
                )
            if min(width, height) < 1:
                raise ValueError("no pixels")
            yield image
        except PdfError:
            raise
        except BROKEN as error:
            message = f"page {index + 1} of {self.name} is damaged and cannot be read: {error or type(error).__name__}."
            raise PdfError("render", message) from error


def _dictionary(**entries: PdfObject) -> DictionaryObject:
    from pypdf.generic import DictionaryObject, NameObject

    return DictionaryObject({NameObject(f"/{key}"): value for key, value in entries.items()})


def _box(width: float, height: float) -> ArrayObject:
    from pypdf.generic import ArrayObject, FloatObject

    return ArrayObject(map(FloatObject, (0, 0, width, height)))


# What Pillow raises on damaged files, as its own fuzz tests list it, and struct.error with it.
BROKEN = (OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, AttributeError, ArithmeticError)


def _dpi(image: Image.Image) -> tuple[float, float]:
    """Dots per inch across and down, 72 where the file says nothing credible."""
    try:
        dpi_x, dpi_y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return 72.0, 72.0
    low, high = CREDIBLE_DPI
    return (dpi_x, dpi_y) if low <= dpi_x <= high and low <= dpi_y <= high else (72.0, 72.0)
