"""The result as Markdown: titles as headings, lists as lists, tables as cells where there are any, figures as pictures.

Text comes from strangers' documents: whatever Markdown or HTML would read as markup is escaped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from layoutdeit.layout import DocumentLayout, Region
from layoutdeit.reading import BULLETS, join_lines
from layoutdeit.table_cells import Cells

# A bullet, a number, or a marker that stays, as it may be referred to.
BULLET = re.compile(
    rf"\s*(?:{BULLETS}"
    r"|(\d{1,3})[.)]"
    r"|(\(\w{1,4}\)|\[\d{1,4}\]|[A-Za-z]\)|[ivx]{1,5}[.)]|\d{1,2}(?:\.\d{1,2})+\.?))\s+(?=\S)"
)
MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")  # wherever it stands
OPENING = re.compile(r"(?=[-+])|(?<=\d)(?=[.)](?:\s|$))")  # what makes a list of a line that begins so
OPENED = re.compile(r"[-+]|\d{1,9}[.)](?:\s|$)")
NUMBERING = re.compile(r"\s*(\d{1,2}(?:\.\d{1,2})*)\.?\s+\S")
MAX_HEADING_LEVEL = 6
BETWEEN_LISTS = "\n\n<!-- -->\n\n"  # or the second would go on with the numbers of the first


def to_markdown(layout: DocumentLayout, images: Mapping[tuple[int, int], str] | None = None) -> str:
    """The document's regions in their order. `images` names the pictures by page number and index of the region.

    A page that could not be read is named in its place.
    """
    return "".join(markdown_pieces(layout, images))


def markdown_pieces(layout: DocumentLayout, images: Mapping[tuple[int, int], str] | None = None) -> Iterator[str]:
    """The text of `to_markdown` region by region, so that a long document need not be in memory."""
    images = images or {}
    gap, is_list = "", False
    for page in layout.pages:
        blocks = [
            (_block(region, images.get((page.number, index))), region.label == "list")
            for index, region in enumerate(page.regions)
        ]
        if page.error is not None:
            blocks.insert(0, (f"*Page {page.number}: {escape(page.error.message)}*", False))
        for block, is_next_list in blocks:
            if block:
                yield (BETWEEN_LISTS if is_list and is_next_list else gap) + block
                gap, is_list = "\n\n", is_next_list
    yield "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = MARKUP.sub(r"\\\1", " ".join(text.split()))
    return OPENING.sub(r"\\", line, count=1) if OPENED.match(line) else line


def heading_level(text: str) -> int:
    """The level of a heading by its numbering: "3.2 Data" is one below "3 Method"; 2 without one.

    1 is left to the title of the document, which numbering does not tell.
    """
    match = NUMBERING.match(text)
    return min(MAX_HEADING_LEVEL, 2 + match[1].count(".")) if match else 2


def _block(region: Region, image: str | None) -> str:
    text = join_lines(region.text or "")
    if region.cells is not None:
        return _table(region.cells)
    if image is not None:
        return f"![{region.label}](<{quote(os.fsencode(image))}>)"
    if region.label == "title":
        return f"{'#' * (region.level or heading_level(text))} {escape(text)}" if text else ""
    if region.label == "list":
        return "".join(_list_lines(list_items(region.text or "")))
    return f"*{escape(text)}*" if region.caption_of is not None else escape(text)


def _table(cells: Cells) -> str:
    """Rows of a table as GitHub's Markdown has them; the first is the heading."""
    rows = ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in cells]
    return "\n".join([rows[0], "|" + " --- |" * len(cells[0]), *rows[1:]])


def _list_lines(items: list[tuple[str, str]]) -> Iterator[str]:
    """Items (marker, text), parted where a list of Markdown, which counts by itself, would go on otherwise."""
    last = ""
    for marker, item in items:
        if last:
            is_alike = (marker == "-") == (last == "-")
            follows = is_alike and (marker == "-" or int(marker[:-1]) == int(last[:-1]) + 1)
            yield "\n" if follows else BETWEEN_LISTS if is_alike else "\n\n"
        yield f"{marker} {escape(item)}"
        last = marker


def list_items(text: str) -> list[tuple[str, str]]:
    """A list's lines gathered into items (marker, text): a bullet or number starts one, any other line goes on.

    The marker is "-", or the number with a full stop; any other, such as "(a)" or "[12]", stays in the text.
    """
    items: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        match = BULLET.match(line)
        if match or not items:
            marker = f"{match[1]}." if match and match[1] else "-"
            stays = match is None or match[2]
            items.append((marker, [line.strip() if stays else line[match.end() :]]))
        else:
            items[-1][1].append(line)
    return [(marker, join_lines("\n".join(lines))) for marker, lines in items]
