"""The panel that makes a data set of the corrected pages, in the layout that `layoutdeit.train` reads."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from app.document import OpenDocument
from app.selection import Selection
from layoutdeit.export import export_coco
from layoutdeit.layout import DocumentLayout, ModelInfo, PageLayout

VAL_EVERY = 5  # one corrected page in five is kept back, once there are as many
COMMAND = "python -m layoutdeit.train configs/detector/finetune.yaml data.root=mine output_dir=runs/mine"


def show(document: OpenDocument, selection: Selection, model: ModelInfo) -> None:
    """Draw the panel."""
    with st.expander("Train on these", icon=":material/model_training:"):
        everything = st.checkbox("Also the pages read and not corrected", key="train_on_all", help="If they are right.")
        chosen = (page for page in document.read_pages() if everything or page.number in document.edits)
        pages = selection.of_pages(page for page in chosen if page.error is None)
        train, val = split(pages)
        st.caption(
            f"{len(train)} pages to train on, {len(val)} kept back to measure with. Unpack as folder `mine`, then:"
        )
        st.code(COMMAND + (" data.val_split=val" if val else ""), language="bash", wrap_lines=True)
        st.download_button(
            "COCO and pictures",
            lambda: to_zip(document, model, pages),
            "mine.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/folder_zip:",
            disabled=not train,
        )


def split(pages: tuple[PageLayout, ...]) -> tuple[tuple[PageLayout, ...], tuple[PageLayout, ...]]:
    """The pages to train on and those to measure with: every fifth page, so none of fewer than five."""
    train = (page for index, page in enumerate(pages, start=1) if index % VAL_EVERY)
    return tuple(train), pages[VAL_EVERY - 1 :: VAL_EVERY]


def to_zip(document: OpenDocument, model: ModelInfo, pages: tuple[PageLayout, ...]) -> bytes:
    """A ZIP file with train.json and train/, and the same for val where pages were kept back."""
    with BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, part in zip(("train", "val"), split(pages), strict=True):
                if part:
                    _add_split(archive, name, document, DocumentLayout(document.source, model, part))
        return file.getvalue()


def _add_split(archive: zipfile.ZipFile, name: str, document: OpenDocument, layout: DocumentLayout) -> None:
    with TemporaryDirectory() as folder:
        for path in sorted(export_coco(layout, document.pdf, Path(folder)).iterdir()):
            place = f"{name}.json" if path.suffix == ".json" else f"{name}/{path.name}"
            archive.write(path, place)
