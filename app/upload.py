"""The panel that opens a document: a file, the sample, a password where one is needed, a sentence where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import streamlit as st

from app import session, welcome
from layoutdeit.pdf import PdfError, open_document

SAMPLE_NAME = "sample.pdf"
TYPES = ("pdf", "jpg", "jpeg", "png", "tif", "tiff")
PROBLEM_KEY = "problem"
NUM_UPLOADS_KEY = "num_uploads"  # a new number makes a new, empty upload field


@dataclass(frozen=True)
class Refusal:
    """A file that did not open, and why. Its bytes are kept for as long as a password may still open it."""

    name: str
    data: bytes
    error: PdfError
    had_password: bool


def show() -> session.OpenDocument | None:
    """Draw the panel and return the visitor's document, if one is open."""
    st.title("layoutdeit", anchor=False)
    st.caption(
        "Finds the regions on the pages of a PDF or a scan. "
        "Documents are read by this server alone and forgotten when you leave."
    )
    upload_key = f"upload_{st.session_state.setdefault(NUM_UPLOADS_KEY, 0)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.file_uploader(
            "PDF document or scan",
            type=TYPES,
            key=upload_key,
            on_change=_take_upload,
            args=(upload_key,),
            label_visibility="collapsed",
        )
        st.button("Try the sample", icon=":material/description:", on_click=_take_sample)
    refusal: Refusal | None = st.session_state.get(PROBLEM_KEY)
    document = session.current()
    below = st.empty()
    if refusal is not None:
        with below.container():
            _show_refusal(refusal)
    elif document is None:
        with below.container():
            welcome.show()
    return document


def _take_upload(key: str) -> None:
    uploaded = st.session_state[key]
    if uploaded is None:  # removed by the visitor
        _forget()
    else:
        _open(uploaded.name, uploaded.getvalue())


def _take_sample() -> None:
    st.session_state[NUM_UPLOADS_KEY] += 1
    _open(SAMPLE_NAME, resources.files("layoutdeit").joinpath("assets", SAMPLE_NAME).read_bytes())


def _take_password() -> None:
    refusal: Refusal = st.session_state[PROBLEM_KEY]
    _open(refusal.name, refusal.data, password=st.session_state["password"])


def _open(name: str, data: bytes, password: str | None = None) -> None:
    _forget()
    try:
        session.put(session.OpenDocument(open_document(data, name=name, password=password)))
    except PdfError as error:
        kept = data if error.code == "encrypted" else b""
        st.session_state[PROBLEM_KEY] = Refusal(name, kept, error, password is not None)


def _forget() -> None:
    session.put(None)
    if PROBLEM_KEY in st.session_state:
        del st.session_state[PROBLEM_KEY]


def _show_refusal(refusal: Refusal) -> None:
    """Say why, in plain text: the sentence holds a file name, which must not become Markdown."""
    if refusal.error.code != "encrypted":
        st.error("This document could not be opened.", icon=":material/error:")
        st.text(str(refusal.error))
        return
    with st.form("unlock", clear_on_submit=True, width=520):
        first_question = f"{refusal.name} is encrypted: enter its password to open it."
        st.text(str(refusal.error) if refusal.had_password else first_question)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Password", type="password", key="password", autocomplete="off")
            st.form_submit_button("Open", type="primary", icon=":material/lock_open:", on_click=_take_password)
