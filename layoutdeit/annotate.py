"""Write the regions into the PDF itself, as annotations that any reader shows, hides, lists and edits; a layer a class.

Each region is a Square annotation with an appearance stream of its own, so every reader draws the same box and tag.
Its /Rect holds box and tag together; /RD is the difference, so /Rect less /RD is the region. PDF 32000-1, 12.5.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from layoutdeit.draw import BORDER_PT, FILL_OPACITY, TAG_OPACITY, Box, place_tag
from layoutdeit.frame import PageFrame
from layoutdeit.labels import label_by_name
from layoutdeit.layout import DocumentLayout, Region
from layoutdeit.pdf_error import PdfError

if TYPE_CHECKING:
    from pypdf import PdfWriter
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

    from layoutdeit.pdf import Document
    from layoutdeit.pdf_file import PdfFile
    from layoutdeit.scan_file import ScanFile

TAG_FONT_PT = 6.0  # points; a reader zooms
TAG_HEIGHT_PT = 7.5
TAG_MARGIN_PT = 1.5
# Advance widths of Helvetica in units of its size, for what a tag is made of (Adobe's font metrics file).
NARROW = {" ": 0.278, ".": 0.278, "t": 0.278, "f": 0.278, "i": 0.222, "l": 0.222, "r": 0.333, "x": 0.5, "s": 0.5}
WIDE = 0.556
PRINT = 4  # annotation flag: shown in print as on the screen

logger = logging.getLogger(__name__)


def annotate_pdf(document: Document, layout: DocumentLayout, file: BinaryIO) -> None:
    """Write `document` with the regions of `layout` as annotations; its own content and annotations stay.

    The copy of an encrypted document is not encrypted, that of a scan is a PDF. A page that takes no annotations is
    kept without them (and logged). Raises PdfError corrupt where the document cannot be rewritten at all.
    """
    document.annotate(layout, file)


def write_annotations(document: PdfFile | ScanFile, layout: DocumentLayout, file: BinaryIO) -> None:
    """Do what `annotate_pdf` promises, in the process where documents are parsed."""
    for copy in (None, "rewritten", "reassembled"):  # each worth less, and readable where the one before is not
        try:
            return _annotate(document, layout, file, copy)
        except OSError:  # a full disk is no fault of the document
            raise
        except Exception as error:  # pypdf raises whatever a damaged file provokes
            logger.warning("%s cannot be annotated %s: %s", document.name, copy or "as it is", error)
            reason = error
            file.seek(0)
            file.truncate()
    message = f"{document.name} is too damaged to be written with annotations: print it to a new PDF first."
    raise PdfError("corrupt", message) from reason


def _annotate(document: PdfFile | ScanFile, layout: DocumentLayout, file: BinaryIO, copy: str | None) -> None:
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import ArrayObject, NameObject

    with document.open_plain(copy) as source:
        writer = PdfWriter(clone_from=PdfReader(source))
        if len(writer.pages) != document.num_pages:
            raise ValueError(f"pypdf finds {len(writer.pages)} pages, pdfium {document.num_pages}")
        if copy is not None or document.password is not None:
            writer._ID = None  # pdfium gives each copy another
        if copy == "reassembled":
            writer.metadata = None  # pdfium's own: when the copy was made
        resources = _shared_resources(writer)
        layers = _layers(writer, sorted({region.label for page in layout.pages for region in page.regions}))
        for page in layout.pages:
            try:
                if not page.regions:
                    continue
                frame = document.frame(page.number - 1)
                sheet = writer.pages[page.number - 1]
                # a list of its own: pages may share one, and what it held may be no list
                sheet[NameObject("/Annots")] = ArrayObject(sheet.annotations or ())
                for region in page.regions:
                    annotation = _annotation(writer, region, frame, resources)
                    annotation[NameObject("/OC")] = layers[region.label]
                    writer.add_annotation(sheet, annotation)
            except Exception as error:  # one page must not cost the others their boxes
                logger.warning("%s page %d: not annotated: %s", document.name, page.number, error)
        writer.write(file)


def _annotation(writer: PdfWriter, region: Region, frame: PageFrame, resources: IndirectObject) -> DictionaryObject:
    from pypdf.generic import DictionaryObject, FloatObject, NameObject, NumberObject, TextStringObject

    colour = label_by_name(region.label).colour
    tag = place_tag(region.box, (_text_width(region.tag) + 2 * TAG_MARGIN_PT, TAG_HEIGHT_PT), frame.size)
    whole = (*map(min, region.box[:2], tag[:2]), *map(max, region.box[2:], tag[2:]))
    outer, inner = frame.to_user_space(np.array([whole, region.box]))
    inset = (*(inner[:2] - outer[:2]), *(outer[2:] - inner[2:]))
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject("/Square"),
            NameObject("/Rect"): _numbers(outer),
            NameObject("/RD"): _numbers(inset),
            NameObject("/C"): _numbers([value / 255 for value in colour]),
            NameObject("/BS"): DictionaryObject({NameObject("/W"): FloatObject(BORDER_PT / frame.user_unit)}),
            NameObject("/CA"): NumberObject(1),
            NameObject("/F"): NumberObject(PRINT),
            NameObject("/T"): TextStringObject(region.label),
            NameObject("/Contents"): TextStringObject(region.tag),
            NameObject("/AP"): DictionaryObject(
                {NameObject("/N"): _appearance(writer, region, whole, tag, frame.rotation, resources)}
            ),
        }
    )


def _appearance(
    writer: PdfWriter, region: Region, whole: Box, tag: Box, rotation: int, resources: IndirectObject
) -> IndirectObject:
    """The annotation's picture: a form in points as displayed, turned against the page so that its tag is upright."""
    from pypdf.generic import DecodedStreamObject, NameObject

    label = label_by_name(region.label)
    fill, ink = (" ".join(f"{value / 255:.3f}" for value in rgb) for rgb in (label.colour, label.ink))

    def rectangle(box: Box, inset: float) -> str:  # y up from the bottom left of `whole`
        x, y = box[0] - whole[0] + inset, whole[3] - box[3] + inset
        return f"{x:.2f} {y:.2f} {max(0, box[2] - box[0] - 2 * inset):.2f} {max(0, box[3] - box[1] - 2 * inset):.2f} re"

    x, y = tag[0] - whole[0] + TAG_MARGIN_PT, whole[3] - tag[3] + (TAG_HEIGHT_PT - 0.72 * TAG_FONT_PT) / 2
    content = [
        f"q {fill} rg /Fill gs {rectangle(region.box, 0)} f Q",
        f"q {fill} RG {BORDER_PT} w {rectangle(region.box, BORDER_PT / 2)} S Q",
        f"q {fill} rg /Tag gs {rectangle(tag, 0)} f Q",
        f"q {ink} rg BT /Helv {TAG_FONT_PT} Tf {x:.2f} {y:.2f} Td ({region.tag}) Tj ET Q",
    ]
    form = DecodedStreamObject()
    form.set_data("\n".join(content).encode("ascii"))
    angle = math.radians(rotation)
    turn = [round(value) for value in (math.cos(angle), math.sin(angle), -math.sin(angle), math.cos(angle), 0, 0)]
    form[NameObject("/Type")] = NameObject("/XObject")
    form[NameObject("/Subtype")] = NameObject("/Form")
    form[NameObject("/BBox")] = _numbers([0, 0, whole[2] - whole[0], whole[3] - whole[1]])
    form[NameObject("/Matrix")] = _numbers(turn)
    form[NameObject("/Resources")] = resources
    return writer._add_object(form)


def _shared_resources(writer: PdfWriter) -> IndirectObject:
    """What all appearances use: Helvetica, which every reader has, and the two opacities."""
    from pypdf.generic import DictionaryObject, FloatObject, NameObject

    helvetica = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica", "/Encoding": "/WinAnsiEncoding"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in helvetica.items()})

    def opacity(value: float) -> DictionaryObject:
        return DictionaryObject({NameObject("/ca"): FloatObject(value)})

    states = {NameObject("/Fill"): opacity(FILL_OPACITY), NameObject("/Tag"): opacity(TAG_OPACITY)}
    resources = {
        NameObject("/Font"): DictionaryObject({NameObject("/Helv"): writer._add_object(font)}),
        NameObject("/ExtGState"): DictionaryObject(states),
    }
    return writer._add_object(DictionaryObject(resources))


def _layers(writer: PdfWriter, labels: Iterable[str]) -> dict[str, IndirectObject]:
    """An optional content group per class, which readers list as layers to show and hide; the document's own stay.

    PDF 32000-1, 8.11.4.
    """
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

    groups = {
        label: writer._add_object(
            DictionaryObject(
                {NameObject("/Type"): NameObject("/OCG"), NameObject("/Name"): TextStringObject(f"Layout: {label}")}
            )
        )
        for label in labels
    }
    if not groups:
        return groups
    own = writer.root_object.get("/OCProperties")
    properties = own.get_object() if own is not None else DictionaryObject()
    settings = properties["/D"].get_object() if "/D" in properties else DictionaryObject()
    for place, key in ((properties, "/OCGs"), (settings, "/Order"), (settings, "/ON")):
        there = place[key].get_object() if key in place else ()
        place[NameObject(key)] = ArrayObject([*there, *groups.values()])
    properties[NameObject("/D")] = settings
    writer.root_object[NameObject("/OCProperties")] = properties
    return groups


def _text_width(text: str) -> float:
    return TAG_FONT_PT * sum(NARROW.get(character, WIDE) for character in text)


def _numbers(values: Iterable[float]) -> ArrayObject:
    from pypdf.generic import ArrayObject, FloatObject

    return ArrayObject(FloatObject(round(float(value), 4)) for value in values)
