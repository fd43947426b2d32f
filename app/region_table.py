"""The panel with the regions of one page as a table: class, score, text, box in points."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from app.selection import Selection
from app.session import OpenDocument
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
    st.dataframe(
        _table(page),
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
