"""The panel with the one region that was chosen, on the picture or in the table: its text, and the print itself."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.document import OpenDocument
from app.selection import Selection, with_colour
from layoutdeit.draw import crop_regions
from layoutdeit.reading import join_lines


def show(document: OpenDocument, selection: Selection, page_number: int) -> None:
    """Draw the panel; nothing where no region of this page is chosen."""
    place = st.empty()
    page, region = document.page(page_number), document.focused_region(page_number)
    if page is None or region is None or not selection.keeps(region):
        return
    with place.container(border=True):
        sureness = "corrected by you" if region.corrected else f"score {region.score:.2f}"
        st.markdown(f"**{with_colour(region.label)}** · {sureness}")
        picture = document.picture
        if picture is not None and picture[0] == page_number:
            (crop,) = crop_regions(picture[1], replace(page, regions=(region,)))
            st.image(crop, alt=f"The chosen region, a {region.label}")
        if region.text:
            st.text(join_lines(region.text))  # not Markdown: it is a stranger's
        elif region.label in ("text", "title", "list"):
            st.caption("No text: the page has no text layer here.")
