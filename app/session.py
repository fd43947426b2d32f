"""What the server remembers of one visitor: the open documents, and which one is looked at.

It lives in `st.session_state` only, never in a cache or a global that another visitor's run could reach, and goes
when the visitor removes the document or leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.document import OpenDocument

DOCUMENTS_KEY = "documents"
DOCUMENT_KEY = "document"  # the one looked at
PAGE_KEY = "page_number"  # the widget that chooses the page; buttons write it too


def current() -> OpenDocument | None:
    """The document that the visitor looks at, if one is open."""
    return st.session_state.get(DOCUMENT_KEY)


def documents() -> Sequence[OpenDocument]:
    """The visitor's documents, in the order they were opened."""
    return st.session_state.get(DOCUMENTS_KEY, ())


def find(nonce: str) -> OpenDocument | None:
    """One of the visitor's documents by its nonce. Callbacks take this one: Streamlit keeps their arguments."""
    return next((document for document in documents() if document.nonce == nonce), None)


def put(kept: Sequence[OpenDocument], looked_at: OpenDocument | None) -> None:
    """Make these the visitor's documents and forget all others."""
    before = current()
    for key in (DOCUMENTS_KEY, DOCUMENT_KEY):
        if key in st.session_state:
            del st.session_state[key]  # a value written over stays in memory until the next run
    if kept:
        st.session_state[DOCUMENTS_KEY] = tuple(kept)
    if looked_at is not before or looked_at is None:
        turn_page(1)
    if looked_at is not None:
        st.session_state[DOCUMENT_KEY] = looked_at


def look_at(document: OpenDocument) -> None:
    """Turn to another of the visitor's documents, to its first wanted page."""
    put(documents(), document)
    turn_page(next(iter(document.to_read), 1))


def turn_page(number: int) -> None:
    """Turn to a page of the document looked at, from 1."""
    st.session_state[PAGE_KEY] = number


def component_value(key: str) -> Any:
    """What the browser side of a component sent last."""
    return st.session_state.get(key)
