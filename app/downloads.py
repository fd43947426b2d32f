"""The panel with the files to take away; each holds the regions chosen on the page and is made when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import PurePath

import streamlit as st

from app import training_set
from app.document import OpenDocument
from app.page_view import page_png
from app.selection import Selection
from layoutdeit.annotate import annotate_pdf
from layoutdeit.export import ANNOTATED_SUFFIX, embedded_pictures, to_csv
from layoutdeit.html import to_html
from layoutdeit.json_text import to_json
from layoutdeit.layout import DocumentLayout, ModelInfo
from layoutdeit.markdown import to_markdown
from layoutdeit.structure import structured


def show(document: OpenDocument, selection: Selection, page_number: int, model: ModelInfo) -> None:
    """Draw the panel."""

    def chosen() -> DocumentLayout:
        return in_files(document, selection, model)

    def annotated() -> bytes:
        with BytesIO() as file:
            annotate_pdf(document.pdf, chosen(), file)
            return file.getvalue()

    def html() -> str:
        layout = chosen()
        return to_html(layout, embedded_pictures(layout, document.pdf))

    files = {  # label: what makes it, the end of its name, its type, its icon
        "JSON": (lambda: to_json(chosen()), ".json", "application/json", "data_object"),
        "Annotated PDF": (annotated, ANNOTATED_SUFFIX, "application/pdf", "picture_as_pdf"),
        "Markdown": (lambda: to_markdown(chosen()), ".md", "text/markdown", "markdown"),
        "HTML": (html, ".html", "text/html", "html"),
        "CSV": (lambda: to_csv(chosen()), ".csv", "text/csv", "table"),
        "Page PNG": (
            lambda: page_png(document, selection, page_number),
            f"-page-{page_number:04d}.png",
            "image/png",
            "image",
        ),
    }
    stem = PurePath(document.source.name).stem
    st.markdown("**Download**")
    with st.container(horizontal=True, gap="small"):
        for label, (make, suffix, mime, icon) in files.items():
            st.download_button(
                label,
                make,
                stem + suffix,
                mime,
                key=f"download {label}",
                on_click="ignore",
                icon=f":material/{icon}:",
                disabled=page_number not in document.pages if label == "Page PNG" else not document.pages,
            )
    st.caption(_contents(document, selection, model))
    _preview(document, selection, page_number, model)
    training_set.show(document, selection, model)


def in_files(document: OpenDocument, selection: Selection, model: ModelInfo) -> DocumentLayout:
    """What the files hold: the chosen regions of the wanted pages read so far."""
    return structured(DocumentLayout(document.source, model, selection.of_pages(document.read_pages())))


def page_in_file(document: OpenDocument, selection: Selection, page_number: int, model: ModelInfo) -> str:
    """A page as it stands in the Markdown file: the other pages decide on its headings and running heads."""
    layout = in_files(document, selection, model)
    return to_markdown(replace(layout, pages=tuple(page for page in layout.pages if page.number == page_number)))


def _preview(document: OpenDocument, selection: Selection, page_number: int, model: ModelInfo) -> None:
    """The page shown, as Markdown, made only while the panel is open; source, so that no text is ever rendered."""
    with st.expander("This page as Markdown", icon=":material/markdown:", on_change="rerun") as panel:
        place = st.empty()
        if panel.open:
            text = page_in_file(document, selection, page_number, model)
            place.code(text, language="markdown", wrap_lines=True)


def _contents(document: OpenDocument, selection: Selection, model: ModelInfo) -> str:
    # not `in_files`: this is counted in every run, and the reading order is most of its work
    pages = [replace(page, regions=tuple(filter(selection.keeps, page.regions))) for page in document.read_pages()]
    num_chosen = sum(len(page.regions) for page in pages)
    num_regions = sum(len(page.regions) for page in structured(DocumentLayout(document.source, model, pages)).pages)
    num_left_out = num_chosen - num_regions
    left_out = f", without the running heads and page numbers ({num_left_out})" if num_left_out else ""
    num_pages = len(document.to_read)
    where = "all pages" if num_pages == document.num_pages else f"the {num_pages} pages asked for"
    if not document.is_complete:
        where = f"{document.num_read} of {num_pages} pages, read so far"
    return (
        f"The files hold what is chosen above: the classes shown, with a score of {selection.min_score:.2f} or more. "
        f"That is {num_regions} regions on {where}{left_out}."
    )
