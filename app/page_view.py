"""The panel with the picture of one page, its boxes, and the way to the other pages."""

from __future__ import annotations

from io import BytesIO

import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from app import page_canvas, session
from app.document import OpenDocument
from app.selection import Selection
from app.session import PAGE_KEY
from layoutdeit.draw import draw_regions
from layoutdeit.pdf import PdfError

PICTURE_DPI = 120  # 1,020 px across a letter page: sharp at the 700 px or so that the column is wide


def show(document: OpenDocument, selection: Selection) -> int:
    """Draw the panel and return the number of the page shown, from 1."""
    number = _choose_page(document.num_pages)
    is_correcting = st.toggle(
        "Correct the regions", key="correcting", help="Move, resize, relabel, delete or add boxes"
    )
    note = st.empty()
    try:
        picture = _page_picture(document, number)
    except PdfError as error:
        _warn(note, "This page cannot be drawn.", str(error))
        return number
    page = document.page(number)
    if page is None and number not in document.to_read:
        note.caption("Not among the pages to read.")
    elif page is None:
        note.caption(
            "Stopped before this page." if document.is_paused else ":shimmer[Looking for regions on this page]"
        )
    elif page.error is not None:
        _warn(note, "The regions of this page could not be found.", page.error.message)
    page_canvas.show(document, number, picture, selection, is_editable=is_correcting)
    return number


def page_png(document: OpenDocument, selection: Selection, number: int) -> bytes:
    """A page that has been read, with its chosen regions drawn on it, as PNG. Raises PdfError."""
    with BytesIO() as stream:
        picture = _page_picture(document, number)
        draw_regions(picture, selection.of_page(document.page(number))).save(stream, "PNG")
        return stream.getvalue()


def _warn(place: DeltaGenerator, headline: str, reason: str) -> None:
    """A warning with its reason in plain text: it holds a file name, which must not become Markdown."""
    with place.container():
        st.warning(headline, icon=":material/warning:")
        st.text(reason)


def _choose_page(num_pages: int) -> int:
    number = min(st.session_state.setdefault(PAGE_KEY, 1), num_pages)
    if num_pages == 1:
        st.empty()
        return 1
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            disabled=number == 1,
            on_click=session.turn_page,
            args=(number - 1,),
            shortcut="PageUp",
        )
        st.number_input("Page", 1, num_pages, key=PAGE_KEY, label_visibility="collapsed", width=80)
        st.text(f"of {num_pages}", width="content")
        st.button(
            "Next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=number == num_pages,
            on_click=session.turn_page,
            args=(number + 1,),
            shortcut="PageDown",
        )
    return number


def _page_picture(document: OpenDocument, number: int) -> Image.Image:
    picture = document.picture
    if picture is None or picture[0] != number:
        picture = document.picture = number, document.pdf.render(number - 1, dpi=PICTURE_DPI).image
    return picture[1]
