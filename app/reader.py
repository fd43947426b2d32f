"""The reading: one model per server, shared by all visitors in turn, and one page of a document at a time."""

from __future__ import annotations

import streamlit as st

from app.document import OpenDocument
from app.model_choice import ModelChoice
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.layout import PageLayout

MAX_MODELS = 3  # kept in memory; a visitor who wants another waits a few seconds
LOWEST_SCORE = 0.05  # what a reading keeps; the threshold on the page goes no lower, so it never needs a second one


@st.cache_resource(show_spinner=False, max_entries=MAX_MODELS)
def shared_analyzer(model: str | None = None, engine: str = "torchvision", modified_ns: int = 0) -> LayoutAnalyzer:
    """The analyzer of all visitors; it lets one thread at a time use the model. Raises what loading raises.

    `modified_ns` tells a model trained anew from the older one that its file replaced.
    """
    return LayoutAnalyzer(model, engine=engine)


def load(choice: ModelChoice | None = None) -> LayoutAnalyzer | None:
    """The shared analyzer of a model, or None after saying on the page why there is none."""
    try:
        with st.empty(), st.spinner("Loading the model: once per server, a few seconds"):
            return shared_analyzer() if choice is None or choice.is_default else shared_analyzer(*choice.arguments)
    except (OSError, ValueError, ImportError) as error:
        st.error("The model could not be loaded.", icon=":material/error:")
        st.text(str(error))
        return None


def compare(analyzer: LayoutAnalyzer, document: OpenDocument, key: str, number: int) -> PageLayout:
    """A page as another model reads it, read once; its name keeps the pages of different models apart."""
    with document.turn:
        if (key, number) not in document.compared:
            (page,) = analyzer.analyze_pages(document.pdf, pages=[number], score=LOWEST_SCORE)
            document.compared[key, number] = page
        return document.compared[key, number]


def read_next(analyzer: LayoutAnalyzer, document: OpenDocument, first: int, model: str) -> bool:
    """Read one more page into the document, `first` first; False when all are read or it is paused.

    `model` is what `OpenDocument.use_model` was told of the analyzer: where another one has been chosen since, nothing
    is read. No Streamlit call is made on the way: a click cannot interrupt it, and the page that was paid for is kept.
    """
    if document.model == model and (document.is_complete or document.is_paused):
        return False
    with document.turn:
        # asked inside the turn: after a click, the run that it replaced may still be reading this very page
        number = document.next_unread(first) if document.model == model else None
        if number is not None:
            pages = document.pages_of(model)  # another model may be chosen before this one is done with the page
            for page in analyzer.analyze_pages(document.pdf, pages=[number], score=LOWEST_SCORE):
                pages[page.number] = page
    return True
