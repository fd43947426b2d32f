"""The panel that shows the page as another model reads it: before and after training, side by side."""

from __future__ import annotations

from io import BytesIO

import streamlit as st

from app import reader
from app.document import OpenDocument
from app.model_choice import ModelChoice
from app.selection import Selection
from layoutdeit.draw import draw_regions


def show(document: OpenDocument, selection: Selection, page_number: int, rival: ModelChoice | None) -> None:
    """Draw the panel; nothing without another model, or where the page could not be drawn."""
    place = st.empty()
    picture = document.picture
    if rival is None or picture is None or picture[0] != page_number:
        return
    analyzer = reader.load(rival)
    if analyzer is None:
        return
    page = reader.compare(analyzer, document, rival.key, page_number)
    with place.container():
        if page.error is not None:
            st.warning("The other model could not read this page.", icon=":material/warning:")
            st.text(page.error.message)
            return
        chosen = selection.of_page(page)
        with BytesIO() as stream:
            draw_regions(picture[1], chosen).save(stream, "PNG")
            alt = f"Page {page_number} as {analyzer.info.name} reads it, {len(chosen.regions)} regions"
            st.image(stream.getvalue(), width="stretch", alt=alt)
        st.caption(f"The same page by `{analyzer.info.name}`, {len(chosen.regions)} regions")
