"""Results as JSON text, in pieces: a document of any length is written with one page of it in memory.

`to_json` is one object per document, in the schema of layout.py; `jsonl_pieces` one line per page, for data pipelines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from layoutdeit.layout import DocumentLayout


def to_json(layout: DocumentLayout) -> str:
    """The result in the JSON schema of layout.py."""
    return "".join(result_pieces(layout))


def result_pieces(layout: DocumentLayout) -> Iterator[str]:
    """The text of `to_json`, page by page."""
    empty = DocumentLayout(layout.source, layout.model).to_dict()
    return json_pieces({**empty, "pages": (page.to_dict() for page in layout.pages)})


def jsonl_pieces(layout: DocumentLayout) -> Iterator[str]:
    """One line per page: the document's name, sha256 and page count, the model's name, and the page (see layout.py)."""
    source = layout.source
    document = {"document": source.name, "sha256": source.sha256, "num_pages": source.num_pages}
    for page in layout.pages:
        record = {**document, "model": layout.model.name, **page.to_dict()}
        yield json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def json_pieces(fields: Mapping[str, Any]) -> Iterator[str]:
    """What json.dumps(fields, indent=1) gives, and a newline; a value that is an iterator is a list, item by item."""
    gap = "{"
    for key, value in fields.items():
        yield f"{gap}\n {json.dumps(key, ensure_ascii=False)}: "
        gap = ","
        if isinstance(value, Iterator):
            yield from _list_pieces(value)
        else:
            yield _indented(value, 1)
    yield "\n}\n" if fields else "{}\n"


def _list_pieces(items: Iterator[Any]) -> Iterator[str]:
    gap = "["
    for item in items:
        yield f"{gap}\n  {_indented(item, 2)}"
        gap = ","
    yield "[]" if gap == "[" else "\n ]"


def _indented(value: Any, depth: int) -> str:
    """JSON text whose further lines stand `depth` deeper; line ends within strings are escaped, so all are its own."""
    return json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n" + " " * depth)
