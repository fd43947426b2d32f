"""The page: open a document, look at its regions, take them away. `streamlit run app/main.py`

Streamlit runs this file from the top on every click. It draws the panels, then reads at most one more page of the
document and starts over, so the first pages can be looked at, filtered and saved while the rest is read.

What a run does not draw again stays on the screen until the run ends, which is after the reading of a page. So every
panel draws the same number of elements in every run, with `st.empty()` where there is nothing to show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

# Streamlit puts app/ on sys.path. With its parent there too the panels are `app.upload` and so on, and no file name
# here can hide a module of another package.
ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.insert(1, ROOT)

import streamlit as st  # noqa: E402

from app import (  # noqa: E402
    attention_view,
    comparison,
    downloads,
    icon,
    model_choice,
    page_view,
    progress,
    reader,
    region_detail,
    region_table,
    selection,
    session,
    thumbnails,
    upload,
)
from app.document import OpenDocument  # noqa: E402


def main() -> None:
    """Draw the page, then read the next page of the document."""
    st.set_page_config(page_title="layoutdeit", page_icon=icon.page_icon(), layout="wide")
    document = upload.show()
    if document is None:
        return
    chosen, rival = model_choice.show()
    analyzer = reader.load(chosen)
    if analyzer is None:
        return
    document.use_model(chosen.key)
    progress.show(document, analyzer.info)
    picture_side, result_side = st.columns([3, 2], gap="medium")
    with result_side:
        choice = selection.show()
    with picture_side:
        page_number = page_view.show(document, choice)
        thumbnails.show(document, choice, page_number)
        attention_view.show(document, page_number, analyzer)
        comparison.show(document, choice, page_number, rival)
    with result_side:
        region_table.show(document, choice, page_number)
        region_detail.show(document, choice, page_number)
        downloads.show(document, choice, page_number, analyzer.info)
    # The one looked at first, then those that wait.
    if reader.read_next(analyzer, document, page_number, chosen.key) or any(
        reader.read_next(analyzer, waiting, 1, chosen.key) for waiting in _waiting(document, chosen.key)
    ):
        st.rerun()


def _waiting(looked_at: OpenDocument, model: str) -> Iterator[OpenDocument]:
    for document in session.documents():
        if document is not looked_at:
            document.use_model(model)
            yield document


main()
