"""The panel that says how far the reading is, lets it be stopped, and at the end what it took."""

from __future__ import annotations

import streamlit as st

from app import session
from app.session import OpenDocument
from layoutdeit.layout import ModelInfo


def show(document: OpenDocument, model: ModelInfo) -> None:
    """Draw the progress of the reading, or its summary."""
    num_read, num_pages = len(document.pages), document.num_pages
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(document.source.name, width="content")
        if document.is_complete:
            st.caption(_summary(document, model))
            return
        verb = "Stopped after" if document.is_paused else "Read"
        st.progress(num_read / num_pages, text=f"{verb} {num_read} of {num_pages} pages")
        if document.is_paused:
            st.button("Continue", icon=":material/play_arrow:", on_click=_pause, args=(False,))
        else:
            st.button("Stop", icon=":material/stop:", on_click=_pause, args=(True,))


def _pause(is_paused: bool) -> None:
    document = session.current()  # not an argument: Streamlit keeps those of widgets long gone
    if document is not None:
        document.is_paused = is_paused


def _summary(document: OpenDocument, model: ModelInfo) -> str:
    seconds = sum(page.seconds or 0.0 for page in document.pages.values())
    took = f"1 page in {seconds:.2f} s"
    if document.num_pages > 1:
        took = f"{document.num_pages} pages in {seconds:.1f} s ({seconds / document.num_pages:.2f} s a page)"
    return f"{took} · model `{model.name}` · engine `{model.engine}`"
