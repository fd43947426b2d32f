"""PDF files written by hand, so that tests know every number in them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

Rect = tuple[float, float, float, float]


@dataclass(frozen=True)
class Sheet:
    """A page: what is drawn on it, and its boxes in user space (left, bottom, right, top), y up."""

    content: str = ""
    media: Rect = (0, 0, 612, 792)
    crop: Rect | None = None
    rotate: int = 0
    user_unit: float | None = None
    is_broken: bool = False  # an entry in the page tree that is no page


def filled(rect: Rect, grey: float = 0) -> str:
    """Content that fills a rectangle of user space."""
    return f"{grey} g {rect[0]} {rect[1]} {rect[2] - rect[0]} {rect[3] - rect[1]} re f\n"


def written(text: str, x: float, y: float, size: float = 12) -> str:
    """Content that sets one line of Helvetica, its baseline beginning at (x, y)."""
    return f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n"


def make_pdf(*sheets: Sheet) -> bytes:
    """A whole PDF 1.6 with one page per sheet; without sheets, one of no pages."""
    kids = [4 + 2 * index for index in range(len(sheets))]
    references = " ".join(f"{kid} 0 R" for kid in kids)
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{references}] /Count {len(kids)} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for kid, sheet in zip(kids, sheets, strict=True):
        objects[kid] = "null" if sheet.is_broken else _page(sheet, kid + 1)
        objects[kid + 1] = f"<< /Length {len(sheet.content)} >>\nstream\n{sheet.content}\nendstream"
    out = bytearray(b"%PDF-1.6\n")
    offsets = []
    for number in sorted(objects):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{objects[number]}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def encrypted(data: bytes, password: str) -> bytes:
    """The same PDF behind a user password."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    writer.encrypt(password, "the owner's own", algorithm="RC4-128")  # AES would need another package
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def _page(sheet: Sheet, content: int) -> str:
    entries = ["/Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >>", f"/Contents {content} 0 R"]
    entries.append(f"/MediaBox [{' '.join(map(str, sheet.media))}]")
    if sheet.crop is not None:
        entries.append(f"/CropBox [{' '.join(map(str, sheet.crop))}]")
    if sheet.rotate:
        entries.append(f"/Rotate {sheet.rotate}")
    if sheet.user_unit is not None:
        entries.append(f"/UserUnit {sheet.user_unit}")
    return f"<< {' '.join(entries)} >>"
