"""The panel that says how far the reading is, lets it be stopped or narrowed, and at the end what it took."""

from __future__ import annotations

import streamlit as st

from app import session
from app.document import OpenDocument
from layoutdeit.batch import parse_pages, select_pages
from layoutdeit.layout import ModelInfo


def show(document: OpenDocument, model: ModelInfo) -> None:
    """Draw the progress of the reading, or its summary, and the choice of pages."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(document.source.name, width="content")
        if document.is_complete:
            st.caption(_summary(document, model), width="content")
        else:
            verb, num_pages = "Stopped after" if document.is_paused else "Read", len(document.to_read)
            st.progress(document.num_read / num_pages, text=f"{verb} {document.num_read} of {num_pages} pages")
            if document.is_paused:
                st.button("Continue", icon=":material/play_arrow:", on_click=_pause, args=(False,))
            else:
                st.button("Stop", icon=":material/stop:", on_click=_pause, args=(True,))
        if document.num_pages > 1:
            _choose_pages(document)
    problem = st.empty()
    if document.pages_problem:
        problem.text(document.pages_problem)


def _choose_pages(document: OpenDocument) -> None:
    key = f"pages {document.nonce}"
    st.session_state[key] = document.typed_pages  # Streamlit forgets a field while another document is shown
    st.text_input(
        "Pages to read",
        key=key,
        placeholder=f"all {document.num_pages} pages",
        help="Such as 1-3,7 or 5-. The files hold these pages only.",
        label_visibility="collapsed",
        on_change=_take_pages,
        args=(key, document.nonce),
        width=150,
    )


def _take_pages(key: str, nonce: str) -> None:
    document, typed = session.find(nonce), st.session_state[key]
    if document is None:
        return
    document.typed_pages, document.pages_problem = typed, None
    if not typed.strip():
        document.wanted = None
        return
    try:
        chosen = select_pages(parse_pages(typed), document.num_pages)
    except ValueError as error:
        document.pages_problem = str(error)
        return
    if not chosen:
        document.pages_problem = f"The document has pages 1 to {document.num_pages}."
        return
    document.wanted = tuple(chosen)
    if document is session.current():
        session.turn_page(chosen[0])


def _pause(is_paused: bool) -> None:
    for document in session.documents():
        document.is_paused = is_paused


def _summary(document: OpenDocument, model: ModelInfo) -> str:
    num_read = document.num_read
    seconds = sum(document.pages[number].seconds or 0.0 for number in document.to_read)
    took = f"1 page in {seconds:.2f} s"
    if num_read > 1:
        took = f"{num_read} pages in {seconds:.1f} s ({seconds / num_read:.2f} s a page)"
    return f"{took} · model `{model.name}` · engine `{model.engine}`"
