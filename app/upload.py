"""The panel that opens documents: files, the sample, a password where one is needed, a sentence where one fails."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import streamlit as st

from app import session, welcome
from app.document import OpenDocument
from layoutdeit.pdf import PdfError, open_document

SAMPLE_NAME = "sample.pdf"
TYPES = ("pdf", "jpg", "jpeg", "png", "tif", "tiff")
MAX_DOCUMENTS = 50  # of one visitor: each is kept as a temporary file
REFUSALS_KEY = "refusals"
UPLOAD_KEY = "upload"


@dataclass(frozen=True)
class Refusal:
    """A file that did not open, and why. Its bytes are kept for as long as a password may still open it."""

    name: str
    data: bytes
    error: PdfError
    had_password: bool


def show() -> OpenDocument | None:
    """Draw the panel and return the document that the visitor looks at, if one is open."""
    st.title("layoutdeit", anchor=False)
    st.caption(
        "Finds the regions on the pages of PDFs and scans. "
        "Documents are read by this server alone and forgotten when you leave."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.file_uploader(
            "PDF documents or scans",
            type=TYPES,
            accept_multiple_files=True,
            key=UPLOAD_KEY,
            on_change=_take_uploads,
            label_visibility="collapsed",
        )
        st.button("Try the sample", icon=":material/description:", on_click=_take_sample)
    document = session.current()
    below = st.empty()
    if refusals := _refusals():
        with below.container():
            for upload_id, refusal in refusals.items():
                _show_refusal(upload_id, refusal)
    elif document is None:
        with below.container():
            welcome.show()
    _choose_document()
    return document


def _choose_document() -> None:
    """Which of several documents is looked at."""
    documents, place = session.documents(), st.empty()
    if len(documents) < 2:
        return
    names = dict(zip((document.nonce for document in documents), described(documents), strict=True))
    key = "looked_at"
    st.session_state[key] = session.current().nonce
    place.selectbox(
        "Document",
        list(names),
        key=key,
        format_func=names.__getitem__,
        on_change=_look_at,
        args=(key,),
    )


def described(documents: Sequence[OpenDocument]) -> list[str]:
    """What the documents are called: the browser sends back the name of the chosen one.

    So no name may be there twice, nor change while pages are read.
    """
    taken: dict[str, OpenDocument] = {}
    for document in documents:
        candidates = (document.source.name + (f" ({count})" if count > 1 else "") for count in itertools.count(1))
        taken[next(name for name in candidates if name not in taken)] = document
    return [f"{name} · {found.num_pages} pages" if found.num_pages > 1 else name for name, found in taken.items()]


def _look_at(key: str) -> None:
    document = session.find(st.session_state[key])
    if document is not None:
        session.look_at(document)


def _take_uploads() -> None:
    """Open the files that are new in the field and forget those that were removed from it; the sample stays."""
    uploaded = {file.file_id: file for file in st.session_state[UPLOAD_KEY]}
    kept = [document for document in session.documents() if document.upload_id in ("", *uploaded)]
    refusals = {name: refusal for name, refusal in _refusals().items() if name in uploaded}
    known = {document.upload_id for document in kept} | set(refusals)
    opened = []
    for upload_id, file in uploaded.items():
        if upload_id in known:
            continue
        if len(kept) + len(opened) >= MAX_DOCUMENTS:
            error = PdfError("too_large", f"{file.name} was left out: at most {MAX_DOCUMENTS} documents at a time")
            refusals[upload_id] = Refusal(file.name, b"", error, had_password=False)
            continue
        document = _open(upload_id, file.name, file.getvalue(), refusals)
        opened += [] if document is None else [document]
    st.session_state[REFUSALS_KEY] = refusals
    _put([*kept, *opened], opened[:1])


def _take_sample() -> None:
    """Look at the sample, which is opened once, beside what else is open."""
    documents = session.documents()
    sample = next((document for document in documents if not document.upload_id), None)
    if sample is None:
        data = resources.files("layoutdeit").joinpath("assets", SAMPLE_NAME).read_bytes()
        sample = OpenDocument(open_document(data, name=SAMPLE_NAME))
        documents = (*documents, sample)
    _put(documents, [sample])


def _take_password(upload_id: str) -> None:
    refusals = dict(_refusals())
    refusal = refusals.pop(upload_id)
    document = _open(upload_id, refusal.name, refusal.data, refusals, st.session_state[f"password {upload_id}"])
    st.session_state[REFUSALS_KEY] = refusals
    if document is not None:
        _put([*session.documents(), document], [document])


def _put(documents: Sequence[OpenDocument], first_choice: list[OpenDocument]) -> None:
    """Keep these documents; look at the first choice, or stay where the visitor is, or go to the first."""
    current = session.current()
    candidates = [*first_choice, *([current] if current in documents else []), *documents, None]
    session.put(documents, candidates[0])


def _open(
    upload_id: str, name: str, data: bytes, refusals: dict[str, Refusal], password: str | None = None
) -> OpenDocument | None:
    try:
        return OpenDocument(open_document(data, name=name, password=password), upload_id=upload_id)
    except PdfError as error:
        kept = data if error.code == "encrypted" else b""
        refusals[upload_id] = Refusal(name, kept, error, password is not None)
        return None


def _refusals() -> dict[str, Refusal]:
    return st.session_state.get(REFUSALS_KEY, {})


def _show_refusal(upload_id: str, refusal: Refusal) -> None:
    """Say why, in plain text: the sentence holds a file name, which must not become Markdown."""
    if refusal.error.code != "encrypted":
        st.error("This document could not be opened.", icon=":material/error:")
        st.text(str(refusal.error))
        return
    with st.form(f"unlock {upload_id}", clear_on_submit=True, width=520):
        first_question = f"{refusal.name} is encrypted: enter its password to open it."
        st.text(str(refusal.error) if refusal.had_password else first_question)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Password", type="password", key=f"password {upload_id}", autocomplete="off")
            st.form_submit_button(
                "Open", type="primary", icon=":material/lock_open:", on_click=_take_password, args=(upload_id,)
            )
