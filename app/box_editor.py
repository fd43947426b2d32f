"""The page picture on which boxes are moved, resized, relabelled, deleted and added; assets/ holds its browser side."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from PIL import Image
from streamlit.components.v1 import declare_component

from app import corrections, session
from app.selection import Selection
from app.session import OpenDocument
from layoutdeit.labels import LABELS

EDITOR_KEY = "box_editor"
_component = declare_component(EDITOR_KEY, path=str(Path(__file__).parent / "assets"))


def show(document: OpenDocument, number: int, picture: Image.Image, selection: Selection) -> None:
    """Draw the editor of a page that has been read."""
    page, edits = document.pages[number], document.edits.get(number, {})
    ids = corrections.region_ids(page)
    ordered = selection.of_page(document.page(number)).regions
    order = {(region.label, region.box): place for place, region in enumerate(ordered, 1)}
    found = dict(zip(ids, page.regions, strict=True))
    now = {**found, **{name: region for name, region in edits.items() if region is not None}}
    _component(
        token=_token(document, number),
        picture=_data_url(document, number, picture),
        width=page.width,
        height=page.height,
        regions=[
            {"id": name, "label": region.label, "score": region.score, "box": list(region.box)}
            for name, region in found.items()
        ],
        edits=corrections.to_browser(edits),
        order={name: order.get((region.label, region.box)) for name, region in now.items()},
        labels=[{"name": label.name, "colour": label.hex_colour} for label in LABELS],
        shown=list(selection.labels),
        min_score=selection.min_score,
        key=EDITOR_KEY,
        on_change=_take_edits,
    )


def _token(document: OpenDocument, number: int) -> str:
    return f"{document.nonce} {number}"


def _take_edits() -> None:
    """Keep what the browser sent, with the page it was sent for: the visitor may have turned to another since."""
    document, value = session.current(), session.component_value(EDITOR_KEY)
    if document is None or not isinstance(value, dict):
        return
    for number, page in document.pages.items():
        if value.get("token") == _token(document, number):
            document.edits[number] = corrections.from_browser(value.get("edits"), page)
            if not document.edits[number]:
                del document.edits[number]


def _data_url(document: OpenDocument, number: int, picture: Image.Image) -> str:
    if document.data_url is None or document.data_url[0] != number:
        with BytesIO() as stream:
            picture.convert("RGB").save(stream, "JPEG", quality=85)
            document.data_url = number, "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return document.data_url[1]
