"""The panel with the files to take away; each holds the regions chosen on the page and is made when it is asked for."""

from __future__ import annotations

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
        return structured(DocumentLayout(document.source, model, selection.of_pages(document.read_pages())))

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
    st.caption(_contents(document, selection))
    _preview(document, selection, page_number, model)
    training_set.show(document, selection, model)


def _preview(document: OpenDocument, selection: Selection, page_number: int, model: ModelInfo) -> None:
    """The page shown, as it stands in the Markdown file; source, so that a document's text is never rendered."""
    page = document.page(page_number)
    pages = () if page is None else selection.of_pages([page])
    with st.expander("This page as Markdown", icon=":material/markdown:"):
        layout = structured(DocumentLayout(document.source, model, pages))
        st.code(to_markdown(layout), language="markdown", wrap_lines=True)


def _contents(document: OpenDocument, selection: Selection) -> str:
    num_regions = sum(selection.keeps(region) for page in document.read_pages() for region in page.regions)
    num_pages = len(document.to_read)
    pages = "all pages" if num_pages == document.num_pages else f"the {num_pages} pages asked for"
    if not document.is_complete:
        pages = f"{document.num_read} of {num_pages} pages, read so far"
    return (
        f"The files hold what is chosen above: the classes shown, with a score of {selection.min_score:.2f} or more. "
        f"That is {num_regions} regions on {pages}."
    )
