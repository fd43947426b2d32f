"""The panel with the pages around the one shown, small and with their regions: an overview, and a way to turn."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from app import session
from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.draw import draw_regions
from layoutdeit.pdf import PdfError

NUM_SHOWN = 12
MAX_KEPT = 60  # pictures of a document kept, some 60 kB each
HEIGHT_PX = 130
FILL_OPACITY = 0.45  # at this size the colours say more than the print


def show(document: OpenDocument, selection: Selection, page_number: int) -> None:
    """Draw the panel; pictures are made only while it is open."""
    if document.num_pages == 1:
        st.empty()
        return
    with st.expander("Pages", icon=":material/grid_view:", on_change="rerun") as panel:
        place = st.empty()
        if not panel.open:
            return
        first = max(1, min(page_number - NUM_SHOWN // 2, document.num_pages - NUM_SHOWN + 1))
        with place.container(horizontal=True, gap="small"):
            for number in range(first, min(first + NUM_SHOWN, document.num_pages + 1)):
                _show_page(document, selection, number, is_shown=number == page_number)


def _show_page(document: OpenDocument, selection: Selection, number: int, *, is_shown: bool) -> None:
    with st.container(width=110, horizontal_alignment="center", gap="xxsmall"):
        try:
            picture = _thumbnail(document, number)
        except PdfError:  # the page itself says why
            picture = Image.new("RGB", (HEIGHT_PX * 3 // 4, HEIGHT_PX), "#cccccc")
        page = document.page(number)
        if page is not None:
            picture = draw_regions(picture, selection.of_page(page), fill_opacity=FILL_OPACITY, tags=False)
        st.image(picture, alt=f"Page {number}, small")
        st.button(
            str(number),
            key=f"thumbnail {number}",
            type="primary" if is_shown else "tertiary",
            on_click=session.turn_page,
            args=(number,),
        )


def _thumbnail(document: OpenDocument, number: int) -> Image.Image:
    kept = document.thumbnails
    if number not in kept:
        height_pt = document.pdf.page_size(number - 1)[1]
        kept[number] = document.pdf.render(number - 1, dpi=72 * HEIGHT_PX / height_pt, renderer="pdfium").image
        if len(kept) > MAX_KEPT:
            del kept[next(iter(kept))]
    return kept[number]
