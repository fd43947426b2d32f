"""The panel that is there before a document is: the five classes, and what the app will do."""

from __future__ import annotations

import streamlit as st

from app.selection import with_colour
from layoutdeit.labels import LABEL_NAMES

MEANING = {
    "text": "A paragraph, in one column. Also captions, footnotes and authors.",
    "title": "The title of the document, or a heading.",
    "list": "A whole list, with bullets or numbers.",
    "table": "The body of a table, without its caption.",
    "figure": "A whole figure with all its panels.",
}


def show() -> None:
    """Draw the panel."""
    st.markdown(
        "Drop a PDF or a scan (JPEG, PNG, TIFF) on the field above, or try the sample. "
        "Every page is searched for five kinds of region:"
    )
    for column, name in zip(st.columns(len(LABEL_NAMES)), LABEL_NAMES, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{with_colour(name)}**")
            st.caption(MEANING[name])
    st.caption(
        "The first pages can be looked at while the rest is read. Boxes can be corrected with the mouse or "
        "a finger. Results can be saved as JSON, Markdown, CSV, pictures, COCO, and as annotations in the PDF."
    )
