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
from layoutdeit.page_nodes import page_nodes
from layoutdeit.pdf_error import PdfError

if TYPE_CHECKING:
    from pypdf import PdfReader
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

    from layoutdeit.object_file import ObjectFile
    from layoutdeit.page_store import PageStore
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


def write_annotations(document: PdfFile | ScanFile, pages: PageStore, file: BinaryIO) -> None:
    """Do what `annotate_pdf` promises, in the process where documents are parsed. `file` is empty.

    The document is copied as it is and what is new appended to it, page by page: its length costs no memory.
    """
    for copy in (None, "rewritten", "reassembled"):  # each worth less, and readable where the one before is not
        try:
            return _annotate(document, pages, file, copy)
        except OSError:  # a full disk is no fault of the document
            raise
        except Exception as error:  # pypdf raises whatever a damaged file provokes
            logger.warning("%s cannot be annotated %s: %s", document.name, copy or "as it is", error)
            reason = error
            file.seek(0)
            file.truncate()
    message = f"{document.name} is too damaged to be written with annotations: print it to a new PDF first."
    raise PdfError("corrupt", message) from reason


def _annotate(document: PdfFile | ScanFile, pages: PageStore, file: BinaryIO, copy: str | None) -> None:
    from pypdf import PdfReader
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject

    from layoutdeit.object_file import ObjectFile

    with document.open_plain(copy) as source:
        # strict: what pypdf would mend while it reads stays broken in the file, so it is pdfium's copy that is taken
        reader = PdfReader(source, strict=copy is None)
        update = ObjectFile.update_of(reader, file)
        resources = _shared_resources(update)
        layers: dict[str, IndirectObject] = {}
        num_pages = 0
        for reference, sheet in page_nodes(reader):
            num_pages += 1
            if num_pages not in pages or not (regions := pages[num_pages].regions):
                continue
            if reference is None:
                raise ValueError(f"page {num_pages} is no object of its own")
            try:
                frame = document.frame(num_pages - 1)
                added = [_annotation(update, reference, region, frame, resources, layers) for region in regions]
            except Exception as error:  # one page must not cost the others their boxes
                logger.warning("%s page %d: not annotated: %s", document.name, num_pages, error)
                continue
            there = sheet.get("/Annots", ArrayObject()).get_object()
            # a list of its own: pages may share one, and what it held may be no list
            annotations = ArrayObject([*(there if isinstance(there, ArrayObject) else ()), *added])
            update.put(reference, DictionaryObject({**sheet, NameObject("/Annots"): annotations}))
        if num_pages != document.num_pages:
            raise ValueError(f"pypdf finds {num_pages} pages, pdfium {document.num_pages}")
        for number in pages:
            if number > num_pages:
                logger.warning("%s page %d: not annotated: there is none", document.name, number)
        _add_layers(update, reader, layers)
        update.close()


def _annotation(
    update: ObjectFile,
    page: IndirectObject,
    region: Region,
    frame: PageFrame,
    resources: IndirectObject,
    layers: dict[str, IndirectObject],
) -> IndirectObject:
    from pypdf.generic import DictionaryObject, FloatObject, NameObject, NumberObject, TextStringObject

    if region.label not in layers:
        layers[region.label] = update.reserve()
    colour = label_by_name(region.label).colour
    tag = place_tag(region.box, (_text_width(region.tag) + 2 * TAG_MARGIN_PT, TAG_HEIGHT_PT), frame.size)
    whole = (*map(min, region.box[:2], tag[:2]), *map(max, region.box[2:], tag[2:]))
    outer, inner = frame.to_user_space(np.array([whole, region.box]))
    inset = (*(inner[:2] - outer[:2]), *(outer[2:] - inner[2:]))
    annotation = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/P"): page,
            NameObject("/OC"): layers[region.label],
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
                {NameObject("/N"): _appearance(update, region, whole, tag, frame.rotation, resources)}
            ),
        }
    )
    return update.add(annotation)


def _appearance(
    update: ObjectFile, region: Region, whole: Box, tag: Box, rotation: int, resources: IndirectObject
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
    return update.add(form)


def _shared_resources(update: ObjectFile) -> IndirectObject:
    """What all appearances use: Helvetica, which every reader has, and the two opacities."""
    from pypdf.generic import DictionaryObject, FloatObject, NameObject

    helvetica = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica", "/Encoding": "/WinAnsiEncoding"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in helvetica.items()})

    def opacity(value: float) -> DictionaryObject:
        return DictionaryObject({NameObject("/ca"): FloatObject(value)})

    states = {NameObject("/Fill"): opacity(FILL_OPACITY), NameObject("/Tag"): opacity(TAG_OPACITY)}
    resources = {
        NameObject("/Font"): DictionaryObject({NameObject("/Helv"): update.add(font)}),
        NameObject("/ExtGState"): DictionaryObject(states),
    }
    return update.add(DictionaryObject(resources))


def _add_layers(update: ObjectFile, reader: PdfReader, layers: dict[str, IndirectObject]) -> None:
    """An optional content group per class, which readers list as layers to show and hide; the document's own stay.

    PDF 32000-1, 8.11.4.
    """
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

    if not layers:
        return
    for label, reference in layers.items():
        name = TextStringObject(f"Layout: {label}")
        update.put(reference, DictionaryObject({NameObject("/Type"): NameObject("/OCG"), NameObject("/Name"): name}))
    groups = [layers[label] for label in sorted(layers)]
    root = reader.trailer["/Root"]
    properties = DictionaryObject(_dictionary_at(root, "/OCProperties"))
    settings = DictionaryObject(_dictionary_at(properties, "/D"))
    for place, key in ((properties, "/OCGs"), (settings, "/Order"), (settings, "/ON")):
        there = place.get(key, ArrayObject()).get_object()
        place[NameObject(key)] = ArrayObject([*there, *groups])
    properties[NameObject("/D")] = settings
    catalog = DictionaryObject({**root, NameObject("/OCProperties"): properties})
    update.put(reader.trailer.raw_get("/Root"), catalog)


def _dictionary_at(place: DictionaryObject, key: str) -> dict:
    """What is there, or nothing."""
    from pypdf.generic import DictionaryObject

    value = place.get(key, DictionaryObject()).get_object()
    return value if isinstance(value, DictionaryObject) else {}


def _text_width(text: str) -> float:
    return TAG_FONT_PT * sum(NARROW.get(character, WIDE) for character in text)


def _numbers(values: Iterable[float]) -> ArrayObject:
    from pypdf.generic import ArrayObject, FloatObject

    return ArrayObject(FloatObject(round(float(value), 4)) for value in values)
