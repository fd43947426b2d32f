"""A page as a picture: by poppler, in a process of its own, where it is installed, otherwise by pdfium in this one.

Both are asked for the same number of pixels, so both give the same frame: the page as displayed (crop box and
/Rotate applied), its left edge at x = 0 and its right edge at x = width, each axis with its own scale.
"""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from layoutdeit.limits import MAX_PIXELS, OutOfTime, time_limit


class RenderError(RuntimeError):
    """A renderer gave no picture of the page, or one of the wrong size."""


class RenderTimeout(RenderError):
    """The renderer was stopped after its time; a process of it may still be there."""


@dataclass(frozen=True)
class Picture:
    """A page's picture (RGB), the renderer that made it, its dpi after the pixel cap.

    `is_stuck` says that another renderer was tried before and had to be stopped.
    """

    image: Image.Image
    renderer: str
    dpi: float
    is_stuck: bool = False


def picture_size(size_pt: tuple[float, float], *, dpi: float, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(width, height) in pixels of a page at `dpi`, smaller where the page would exceed `max_pixels`, never 0."""
    if not (dpi > 0 and max_pixels >= 1):
        raise ValueError(f"dpi and max_pixels must be positive, got {dpi} and {max_pixels}")
    width, height = (min(max(1.0, side * dpi / 72), 1e300) for side in size_pt)
    if round(width) * round(height) <= max_pixels:
        return round(width), round(height)
    shrink = math.sqrt(max_pixels / width) / math.sqrt(height)  # not of the product, which may exceed all numbers
    width_px, height_px = (max(1, int(side * shrink * (1 + 1e-12))) for side in (width, height))
    height_px = min(height_px, max_pixels)
    return min(width_px, max_pixels // height_px), height_px


def render_with_poppler(
    path: str | Path, index: int, size_px: tuple[int, int], *, poppler_dir: str | Path, seconds: float
) -> Image.Image:
    """Render page `index` of an unencrypted file with the programs in `poppler_dir`; main thread only.

    Their memory is limited as that of this process is, which they inherit. Raises RenderError, RenderTimeout.
    """
    from pdf2image import convert_from_path
    from pdf2image import exceptions as poppler

    try:
        with time_limit(seconds):  # pdf2image runs three programs and stops only one of them in time
            pictures = convert_from_path(
                path,
                first_page=index + 1,
                last_page=index + 1,
                size=max(size_px),  # of the longer side; both sides at once do not survive /Rotate 90
                use_cropbox=True,
                poppler_path=str(poppler_dir),
                timeout=seconds,
            )
    except (OutOfTime, subprocess.TimeoutExpired, poppler.PDFPopplerTimeoutError) as error:
        raise RenderTimeout(f"poppler took more than {seconds:g} s") from error
    except (poppler.PDFInfoNotInstalledError, poppler.PDFPageCountError, poppler.PDFSyntaxError) as error:
        raise RenderError(f"poppler cannot read the file: {_first_line(error)}") from error
    except Image.DecompressionBombError as error:
        raise RenderError(f"poppler gave a picture too large: {error}") from error
    except (OSError, ValueError) as error:  # PIL on a picture cut short, or a process that would not start
        raise RenderError(f"poppler gave no picture: {error}") from error
    if len(pictures) != 1 or any(abs(got - asked) > 1 for got, asked in zip(pictures[0].size, size_px, strict=True)):
        raise RenderError(f"poppler gave pictures of {[picture.size for picture in pictures]}, expected {size_px}")
    if pictures[0].size == size_px and pictures[0].mode == "RGB":
        return pictures[0]
    picture = Image.new("RGB", size_px, "white")  # poppler rounds the shorter side up, picture_size to the nearest
    picture.paste(pictures[0])
    return picture


def render_with_pdfium(page: pdfium.PdfPage, size_px: tuple[int, int]) -> Image.Image:
    """Render a loaded page in this process. Raises RenderError."""
    width, height = size_px
    bitmap = pdfium.PdfBitmap.new_native(width, height, pdfium_c.FPDFBitmap_BGR, rev_byteorder=True)
    try:
        pdfium_c.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        flags = pdfium_c.FPDF_ANNOT | pdfium_c.FPDF_REVERSE_BYTE_ORDER
        pdfium_c.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, flags)
        if page.formenv:
            pdfium_c.FPDF_FFLDraw(page.formenv, bitmap, page, 0, 0, width, height, 0, flags)
        return bitmap.to_pil().convert("RGB")  # always a copy: the bitmap's memory goes with it
    except pdfium.PdfiumError as error:
        raise RenderError(f"pdfium gave no picture: {error}") from error
    finally:
        bitmap.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
