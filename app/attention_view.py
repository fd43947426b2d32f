"""The panel that shows what the backbone looks at: the page, bright where a token or the chosen region attends."""

from __future__ import annotations

import streamlit as st

from app.document import OpenDocument
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.attention import draw_attention
from layoutdeit.geometry import points_to_pixels

CHOSEN_REGION = "the chosen region"


def show(document: OpenDocument, page_number: int, analyzer: LayoutAnalyzer) -> None:
    """Draw the panel; the model is asked only while it is open."""
    with st.expander("What the backbone looks at", icon=":material/visibility:", on_change="rerun") as panel:
        place = st.empty()
        if not panel.open or document.picture is None or document.picture[0] != page_number:
            return
        with place.container():
            _show(document, page_number, analyzer)


def _show(document: OpenDocument, page_number: int, analyzer: LayoutAnalyzer) -> None:
    picture, region = document.picture[1], document.focused_region(page_number)
    sources = [*analyzer.token_names, *([CHOSEN_REGION] if region is not None else [])]
    with st.container(horizontal=True):
        source = st.selectbox(
            "From", sources, index=len(sources) - 1, help="Choose a region on the page to start from it."
        )
        num_blocks = analyzer.num_blocks
        block = st.slider("Block", 1, num_blocks, num_blocks, help="Later blocks see more of the page's meaning.")
    start = source
    if source == CHOSEN_REGION:
        page = document.pages[page_number]
        start = tuple(points_to_pixels([region.box], picture.size, (page.width, page.height))[0].tolist())
    weights = analyzer.attention_map(picture, start, block=block - 1)
    st.image(
        draw_attention(picture, weights), width="stretch", alt=f"Page {page_number}, bright where block {block} looks"
    )
    st.caption(f"Attention of block {block} of {num_blocks}, averaged over its heads, from {source}.")
