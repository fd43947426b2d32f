"""The panel that chooses which regions count: the lowest score, and the classes, whose switches are the legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from app.reader import LOWEST_SCORE
from layoutdeit.analyzer import DEFAULT_SCORE
from layoutdeit.labels import LABEL_NAMES, label_by_name
from layoutdeit.layout import PageLayout, Region
from layoutdeit.reading_order import reading_order

SWATCH = "\N{NO-BREAK SPACE}" * 3  # Markdown would trim ordinary spaces


@dataclass(frozen=True)
class Selection:
    """The regions that picture, table and files show: those of these labels with at least this score.

    own_scores: (label, lowest score) of the classes that have one of their own.
    """

    min_score: float
    labels: tuple[str, ...]
    own_scores: tuple[tuple[str, float], ...] = ()

    def keeps(self, region: Region) -> bool:
        """Whether a region is among the chosen ones."""
        return region.label in self.labels and self._is_sure(region)

    def min_score_of(self, label: str) -> float:
        """The lowest score of a class."""
        return dict(self.own_scores).get(label, self.min_score)

    def _is_sure(self, region: Region) -> bool:
        return region.score >= self.min_score_of(region.label)

    def of_page(self, page: PageLayout) -> PageLayout:
        """The page with the chosen regions only, put in order as if there had never been others."""
        kept = [region for region in page.regions if self._is_sure(region)]
        order = reading_order(np.array([region.box for region in kept]))
        return replace(page, regions=tuple(kept[index] for index in order if kept[index].label in self.labels))

    def of_pages(self, pages: Iterable[PageLayout]) -> tuple[PageLayout, ...]:
        """Every page with the chosen regions only."""
        return tuple(map(self.of_page, pages))


def show() -> Selection:
    """Draw the panel and return the choice."""
    labels = st.pills(
        "Show",
        LABEL_NAMES,
        selection_mode="multi",
        default=LABEL_NAMES,
        format_func=with_colour,
        key="labels",
        help="The colours of the boxes. Click a class to leave it out of the picture, the table and the files.",
    )
    min_score = st.slider(
        "Lowest score",
        min_value=LOWEST_SCORE,
        max_value=0.95,
        value=DEFAULT_SCORE,
        step=0.05,
        format="%.2f",
        key="min_score",
        help="Boxes the model is less sure of are left out. Nothing is read again: all of them are kept.",
    )
    own_scores = st.toggle("A lowest score for each class", key="own_scores")
    with st.container():
        own = [(name, _own_score(name, min_score)) for name in LABEL_NAMES] if own_scores else []
    return Selection(min_score, tuple(labels), tuple(own))


def _own_score(name: str, min_score: float) -> float:
    return st.slider(
        f"Lowest score of {name}", LOWEST_SCORE, 0.95, min_score, 0.05, format="%.2f", key=f"min_score_{name}"
    )


def with_colour(name: str) -> str:
    """A class name and a square in its colour, as Markdown."""
    return f':color[{SWATCH}]{{background="{label_by_name(name).hex_colour}"}} {name}'
