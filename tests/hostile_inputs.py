"""Files that lie, loop, swell or break off, each made here; test_hostile_inputs.py says what each gets."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

from handmade_pdf import Sheet, encrypted, make_pdf, written
from PIL import Image

LETTER = "/MediaBox [0 0 612 792]"


@dataclass(frozen=True)
class Hostile:
    """A file: what it is, the name it comes with, how it is made, a password given with it, a page's time limit."""

    what: str
    name: str
    make: Callable[[], bytes]
    password: str | None = None
    page_s: float = 20


def pdf_of(objects: dict[int, bytes | str], root: int = 1) -> bytes:
    """A PDF of these objects, whatever they hold."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + (body.encode("latin-1") if isinstance(body, str) else body) + b"\nendobj\n"
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n" % size
    out += b"".join(b"%010d 00000 n \n" % offsets[n] if n in offsets else b"0000000000 65535 f \n" for n in range(size))
    return bytes(out + b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, start))


def stream(data: bytes, entries: str = "") -> bytes:
    """A stream object, deflated."""
    packed = zlib.compress(data, 9)
    header = f"<< /Length {len(packed)} /Filter /FlateDecode {entries} >>\nstream\n"
    return header.encode() + packed + b"\nendstream"


def one_page(contents: bytes, resources: str = "", more: dict[int, bytes | str] | None = None) -> bytes:
    """A page of letter size with this content, its resources, and objects from 5 on."""
    return pdf_of(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: f"<< /Type /Page /Parent 2 0 R {LETTER} /Contents 4 0 R /Resources << {resources} >> >>",
            4: contents,
            **(more or {}),
        }
    )


def tree(kids: str, count: int, more: dict[int, bytes | str] | None = None) -> bytes:
    """A page tree with these kids."""
    root = f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"
    return pdf_of({1: "<< /Type /Catalog /Pages 2 0 R >>", 2: root, **(more or {})})


def sample() -> bytes:
    """The paper that ships with the app."""
    return resources.files("layoutdeit").joinpath("assets", "sample.pdf").read_bytes()


def image_bomb() -> bytes:
    """40,000 x 40,000 pixels of RGB, 4.8 GB, in a few kilobytes: deflated twice."""
    side = 40_000
    rows = zlib.compress(bytes(3 * side * 1000), 9)
    once = zlib.compress(rows * 40, 9)
    entries = f"/Type /XObject /Subtype /Image /Width {side} /Height {side} /ColorSpace /DeviceRGB /BitsPerComponent 8"
    head = f"<< {entries} /Length {len(once)} /Filter [/FlateDecode /FlateDecode] >>\nstream\n".encode()
    image = head + once + b"\nendstream"
    return one_page(stream(b"612 0 0 792 0 0 cm /I Do"), "/XObject << /I 5 0 R >>", {5: image})


def png_bomb(side: int = 30_000) -> bytes:
    """A PNG that says it has 900 million pixels, and has them, in 110 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side // 8) * 1000) for _ in range(side // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def form_in_itself() -> bytes:
    """A form that draws itself twice."""
    form = stream(
        b"/F Do /F Do", "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 5 0 R >> >>"
    )
    return one_page(stream(b"/F Do"), "/XObject << /F 5 0 R >>", {5: form})


def billion_laughs(depth: int = 40) -> bytes:
    """Forms that draw the next one ten times each: 10 to the power of `depth` drawings."""
    forms: dict[int, bytes | str] = {}
    for number in range(5, 5 + depth):
        entries = (
            f"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /F {number + 1} 0 R >> >>"
        )
        forms[number] = stream(b"/F Do " * 10, entries)
    forms[5 + depth] = stream(b"0 0 9 9 re f", "/Type /XObject /Subtype /Form /BBox [0 0 612 792]")
    return one_page(stream(b"/F Do"), "/XObject << /F 5 0 R >>", forms)


def tiff(*sizes: tuple[int, int]) -> bytes:
    """A TIFF with a blank page of each size."""
    pages = [Image.new("L", size, 255) for size in sizes]
    file = BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return file.getvalue()


def looping_tiff() -> bytes:
    """A TIFF whose one page says that it is also the next."""
    data = bytearray(tiff((40, 40)))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    return bytes(data)


def picture(kind: str) -> bytes:
    """A blank scan."""
    file = BytesIO()
    Image.new("RGB", (300, 400), "white").save(file, kind)
    return file.getvalue()


def missing_font() -> bytes:
    """Text in a font that is neither in the file nor on any machine."""
    font = "<< /Type /Font /Subtype /TrueType /BaseFont /NoSuchFontAnywhere /FontDescriptor 99 0 R >>"
    return one_page(stream(b"BT /F 24 Tf 72 700 Td (Substituted) Tj ET"), "/Font << /F 5 0 R >>", {5: font})


PAGE_IN_PAGES = {3: f"<< /Type /Page /Parent 2 0 R {LETTER} >>"}
HELLO = make_pdf(Sheet(written("Hello", 72, 700)))
HOSTILE = (
    Hostile("no bytes", "none.pdf", lambda: b""),
    Hostile("text", "letter.pdf", lambda: b"Dear Sir or Madam,\n" * 99),
    Hostile("only the header", "header.pdf", lambda: b"%PDF-1.7\n"),
    Hostile("cut in the middle", "half.pdf", lambda: sample()[: len(sample()) // 2]),
    Hostile("its last 2,000 bytes missing", "tail.pdf", lambda: sample()[:-2000]),
    Hostile("its first 2,000 bytes zeros, but the header", "front.pdf",
            lambda: b"%PDF-1.7\n" + bytes(1991) + sample()[2000:]),
    Hostile("random bytes after the header", "noise.pdf", lambda: b"%PDF-1.7\n" + zlib.compress(sample())),
    Hostile("no pages", "no-pages.pdf", make_pdf),
    Hostile("a page that is none, between two good ones", "broken-page.pdf",
            lambda: make_pdf(Sheet(), Sheet(is_broken=True), Sheet())),
    Hostile("says it has a million pages", "million.pdf", lambda: tree("3 0 R", 1_000_000, PAGE_IN_PAGES)),
    Hostile("a page tree that holds itself", "ring.pdf", lambda: tree("2 0 R 3 0 R", 2, PAGE_IN_PAGES)),
    Hostile("a page tree 5,000 levels deep", "deep.pdf", lambda: tree("3 0 R", 1, {
        **{n: f"<< /Type /Pages /Parent {n - 1} 0 R /Kids [{n + 1} 0 R] /Count 1 >>" for n in range(3, 5003)},
        5003: f"<< /Type /Page /Parent 5002 0 R {LETTER} >>"})),
    Hostile("200,000 arrays, each in the one before", "brackets.pdf",
            lambda: one_page(stream(b""), "/X " + "[" * 200_000 + "]" * 200_000)),
    Hostile("an object that is a reference to itself", "self.pdf", lambda: one_page(b"4 0 R")),
    Hostile("a page of 14,400 points", "poster.pdf", lambda: make_pdf(Sheet(media=(0, 0, 14_400, 14_400)))),
    Hostile("a page of no area", "flat.pdf", lambda: make_pdf(Sheet(media=(0, 0, 0, 0)))),
    Hostile("a form that draws itself", "mirror.pdf", form_in_itself, page_s=2),
    Hostile("forms in forms, 10 to the 40 drawings", "laughs.pdf", billion_laughs, page_s=2),
    Hostile("content of 800 MB in 800 KB", "swollen.pdf", lambda: one_page(stream(b"0 0 m " * (1 << 27))), page_s=2),
    Hostile("an image of 4.8 GB in kilobytes", "image-bomb.pdf", image_bomb),
    Hostile("a font that is nowhere", "font.pdf", missing_font),
    Hostile("a blank page", "blank.pdf", lambda: make_pdf(Sheet())),
    Hostile("a script as text", "script.pdf", lambda: make_pdf(Sheet(written("<b onclick=x>", 72, 700)))),
    Hostile("behind a password, none given", "safe.pdf", lambda: encrypted(HELLO, "secret")),
    Hostile("behind a password, another given", "safe.pdf", lambda: encrypted(HELLO, "secret"), "guess"),
    Hostile("a name with folders", "../../../etc/passwd.pdf", lambda: b"root:x:0:0"),
    Hostile("a PNG called PDF", "scan.pdf", lambda: picture("PNG")),
    Hostile("a PDF called JPEG", "paper.jpg", lambda: HELLO),
    Hostile("a JPEG cut in the middle", "half.jpg", lambda: picture("JPEG")[:400]),
    Hostile("a PNG of 900 million pixels", "bomb.png", png_bomb),
    Hostile("a TIFF of three pages", "fax.tif", lambda: tiff((200, 300), (300, 200), (10, 10))),
    Hostile("a TIFF whose page is its own next", "loop.tif", looping_tiff),
    Hostile("a GIF", "film.gif", lambda: picture("GIF")),
)  # fmt: skip
