"""The panel with the regions of one page as a table: class, score, text, box in points."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from app import session
from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.labels import LABEL_NAMES, label_by_name
from layoutdeit.layout import PageLayout

BOX = "box (pt)"
MAX_SNIPPET = 120  # characters of a region's text in its row; the JSON has all of it


def show(document: OpenDocument, selection: Selection, page_number: int) -> None:
    """Draw the panel."""
    page = document.page(page_number)
    if page is None:
        st.markdown(f"**Regions of page {page_number}** · not read yet")
        st.empty()
        return
    num_found = len(page.regions)
    page = selection.of_page(page)
    st.markdown(f"**Regions of page {page_number}** · {_counts(page)}")
    if not page.regions:
        st.caption(f"{num_found} with a lower score or of a class left out" if num_found else "Nothing was found.")
        return
    ids = {id(region): name for name, region in document.named_regions(page_number).items()}
    names = [ids[id(region)] for region in page.regions]
    focused = document.focused_id(page_number)
    # Another key makes another table, which begins with the row of the region chosen on the picture.
    key = f"regions {document.nonce} {page_number} {document.num_table_follows}"
    st.dataframe(
        _table(page),
        key=key,
        on_select=lambda: _take_row(key, page_number, names),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [names.index(focused)] if focused in names else []}},
        hide_index=True,
        row_height=32,
        column_config={
            "": st.column_config.TextColumn(width=14),
            "class": st.column_config.TextColumn(width=60),
            "score": st.column_config.NumberColumn(format="%.2f", width=54),
            "corrected": st.column_config.CheckboxColumn("✎", width=30, help="Corrected by you"),
            "text": st.column_config.TextColumn(width=150),
            BOX: st.column_config.TextColumn(width=125, help="Left, top, right and bottom edge in points of the page"),
        },
        alt=f"The regions of page {page_number}: class, score, text and box",
    )


def _take_row(key: str, page_number: int, names: list[str]) -> None:
    """Let the picture follow the row that was chosen."""
    document = session.current()  # not an argument: Streamlit keeps those of widgets long gone
    if document is None:
        return
    rows = [row for row in st.session_state[key].selection.rows if row < len(names)]
    document.focus = (page_number, names[rows[0]]) if rows else None
    document.num_picture_follows += 1


def _counts(page: PageLayout) -> str:
    counts = {name: sum(region.label == name for region in page.regions) for name in LABEL_NAMES}
    return f"{len(page.regions)} shown" + "".join(f", {count} {name}" for name, count in counts.items() if count)


def _table(page: PageLayout) -> Styler:
    rows = pd.DataFrame(
        {
            "": "",
            "class": [region.label for region in page.regions],
            "score": [region.score for region in page.regions],
            "corrected": [region.corrected for region in page.regions],
            "text": [_snippet(region.text) for region in page.regions],
            BOX: [", ".join(f"{edge:.0f}" for edge in region.box) for region in page.regions],
        }
    )
    colours = [f"background-color: {label_by_name(region.label).hex_colour}" for region in page.regions]
    return rows.style.apply(lambda column: colours, subset=[""])


def _snippet(text: str | None) -> str:
    words = " ".join((text or "").split())
    return words if len(words) <= MAX_SNIPPET else words[: MAX_SNIPPET - 1] + "…"
