"""The result as a Parquet file, one row per page, for data pipelines. Needs pyarrow, an extra of its own.

Rows are those of <target>.jsonl (json_text.py); a region is a struct, so `unnest` or `explode` gives a row for each.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, BinaryIO

from layoutdeit.layout import DocumentLayout

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP_PAGES = 64  # in memory at a time


def require_pyarrow() -> None:
    """Raise ImportError, with the line to type, where there is no pyarrow."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ImportError("format 'parquet' needs pyarrow: pip install -e '.[parquet]' in the project's folder")


def write_parquet(layout: DocumentLayout, file: BinaryIO) -> None:
    """Write the result, a few pages at a time; the same result gives the same bytes."""
    require_pyarrow()
    import pyarrow
    from pyarrow import parquet

    schema = _schema()
    source = layout.source
    document = {"document": source.name, "sha256": source.sha256, "num_pages": source.num_pages}
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, len(layout.pages), ROW_GROUP_PAGES):
            pages = layout.pages[start : start + ROW_GROUP_PAGES]
            rows = [{**document, "model": layout.model.name, **page.to_dict()} for page in pages]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    region = pa.struct(
        {
            "label": pa.string(),
            "score": pa.float64(),
            "box": pa.list_(pa.float64()),
            "text": pa.string(),
            "corrected": pa.bool_(),
            "print_size": pa.float64(),
            "cells": pa.list_(pa.list_(pa.string())),
            "level": pa.int32(),
            "caption_of": pa.int32(),
        }
    )
    return pa.schema(
        {
            "document": pa.string(),
            "sha256": pa.string(),
            "num_pages": pa.int32(),
            "model": pa.string(),
            "number": pa.int32(),
            "width": pa.float64(),
            "height": pa.float64(),
            "regions": pa.list_(region),
            "error": pa.struct({"code": pa.string(), "message": pa.string()}),
            "renderer": pa.string(),
            "seconds": pa.float64(),
        }
    )
