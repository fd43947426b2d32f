"""The page picture with its boxes: pointed at and chosen, and on demand moved, resized, relabelled, deleted and added.

A Streamlit component of our own; assets/ holds its browser side, and nothing comes from elsewhere.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from streamlit.components.v1 import declare_component

from app import corrections, session
from app.corrections import Edits
from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.labels import LABELS
from layoutdeit.pdf import PdfError

CANVAS_KEY = "page_canvas"
MAX_HINT = 300  # characters of a region's text that are shown where the mouse rests on it
_component = declare_component(CANVAS_KEY, path=str(Path(__file__).parent / "assets"))


def show(document: OpenDocument, number: int, picture: Image.Image, selection: Selection, *, is_editable: bool) -> None:
    """Draw a page, read or not; what is chosen or changed on it goes into the document."""
    page, edits = document.pages.get(number), document.edits.get(number, {})
    width, height = (page.width, page.height) if page is not None else picture.size
    found = {} if page is None else corrections.named_regions(page, {})
    now = document.named_regions(number)
    shown = () if page is None else selection.of_page(document.page(number)).regions
    places = {id(region): place for place, region in enumerate(shown, 1)}
    _component(
        token=_token(document, number),
        picture=_data_url(document, number, picture),
        width=width,
        height=height,
        regions=[
            {"id": name, "label": region.label, "score": region.score, "box": list(region.box)}
            for name, region in found.items()
        ],
        hints={name: region.text[:MAX_HINT] for name, region in now.items() if region.text},
        edits=corrections.to_browser(edits),
        order={name: places.get(id(region)) for name, region in now.items()},
        labels=[{"name": label.name, "colour": label.hex_colour} for label in LABELS],
        shown=list(selection.labels),
        min_scores={name: selection.min_score_of(name) for name in selection.labels},
        focus={"id": document.focused_id(number), "count": document.num_picture_follows},
        editable=is_editable and page is not None,
        key=CANVAS_KEY,
        on_change=_take_change,
    )


def _token(document: OpenDocument, number: int) -> str:
    return f"{document.nonce} {document.model} {number}"


def _take_change() -> None:
    """Keep what the browser sent, with the page it was sent for: the visitor may have turned to another since.

    What was sent for another document or another model's page is dropped.
    """
    document, value = session.current(), session.component_value(CANVAS_KEY)
    if document is None or not isinstance(value, dict):
        return
    pages = range(1, document.num_pages + 1)
    number = next((number for number in pages if value.get("token") == _token(document, number)), None)
    if number is None:
        return
    if number in document.pages:
        _take_edits(document, number, value)
    if value.get("turn") in (-1, 1):
        session.turn_page(min(max(number + value["turn"], 1), document.num_pages))


def _take_edits(document: OpenDocument, number: int, value: dict[str, Any]) -> None:
    edits = corrections.from_browser(value.get("edits"), document.pages[number])
    if edits:
        document.edits[number] = _with_text(document, number, edits)
    else:
        document.edits.pop(number, None)
    name = value.get("selected")
    document.focus = (number, name) if isinstance(name, str) else None
    document.num_table_follows += 1


def _with_text(document: OpenDocument, number: int, edits: Edits) -> Edits:
    """The edits with the text of their regions, without where the page's cannot be read.

    Only what has changed is read: a page may have hundreds of corrections, and each click sends them all.
    """
    before = document.edits.get(number, {})
    old, new = corrections.to_browser(before), corrections.to_browser(edits)
    kept = {name: before[name] for name in edits if name in old and old[name] == new[name]}
    changed = {name: region for name, region in edits.items() if name not in kept}
    if any(changed.values()):
        with suppress(PdfError):  # the page itself says why
            changed = corrections.with_text(changed, document.words(number))
    return edits | kept | changed


def _data_url(document: OpenDocument, number: int, picture: Image.Image) -> str:
    if document.data_url is None or document.data_url[0] is not picture:
        with BytesIO() as stream:
            picture.convert("RGB").save(stream, "JPEG", quality=85)
            document.data_url = picture, "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return document.data_url[1]
