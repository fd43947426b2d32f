"""The result as one HTML page: headings, paragraphs, lists, tables with cells, pictures of figures with their captions.

Text comes from strangers' documents: all of it is escaped, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from html import escape

from layoutdeit.layout import DocumentLayout, PageLayout, Region
from layoutdeit.markdown import heading_level, list_items
from layoutdeit.reading import join_lines
from layoutdeit.table_cells import Cells

STYLE = (
    "body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 Georgia,serif;color:#1a1a1a;background:#fff}"
    "img{max-width:100%}figure{margin:1.5rem 0}figcaption{font-size:.9rem;color:#555}"
    "table{border-collapse:collapse;font-size:.9rem}td,th{border:1px solid #bbb;padding:.2rem .5rem;text-align:left}"
    "section{border-top:1px dotted #bbb;margin-top:2rem}.failed{color:#a00}"
)


def to_html(layout: DocumentLayout, images: Mapping[tuple[int, int], str] | None = None) -> str:
    """The document's regions in their order. `images` gives the address of pictures by page number and region index.

    A page that could not be read is named in its place. Each element says in data-box where it is, in points.
    """
    return "".join(html_pieces(layout, images))


def html_pieces(layout: DocumentLayout, images: Mapping[tuple[int, int], str] | None = None) -> Iterator[str]:
    """The text of `to_html` page by page, so that a long document need not be in memory."""
    yield (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{escape(layout.source.name)}</title>\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data: 'self' file:; "
        "style-src 'unsafe-inline'\">\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    for page in layout.pages:
        yield f"{_section(page, images or {})}\n"
    yield "</body>\n</html>\n"


def _section(page: PageLayout, images: Mapping[tuple[int, int], str]) -> str:
    if page.error is not None:
        body = f'<p class="failed">Page {page.number}: {escape(page.error.message)}</p>'
        return f'<section id="page-{page.number}">\n{body}\n</section>'
    captions: dict[int, list[int]] = {}
    for index, region in enumerate(page.regions):
        if region.caption_of is not None:
            captions.setdefault(region.caption_of, []).append(index)
    blocks = []
    for index, region in enumerate(page.regions):
        if region.caption_of is None:  # a caption stands in its figure
            texts = [page.regions[number].text for number in captions.get(index, ())]
            blocks.append(_element(region, images.get((page.number, index)), texts))
    body = "\n".join(filter(None, blocks))
    return f'<section id="page-{page.number}">\n{body}\n</section>'


def _element(region: Region, image: str | None, captions: list[str | None]) -> str:
    text = escape(join_lines(region.text or ""))
    place = f'dir="auto" data-box="{" ".join(f"{edge:.2f}" for edge in region.box)}"'
    if region.label in ("figure", "table"):
        inside = _table(region.cells) if region.cells else ""
        if not inside:
            inside = f'<img src="{escape(image, quote=True)}" alt="{region.label}">' if image else f"<p>{text}</p>"
        told = "".join(f"<figcaption>{escape(join_lines(caption or ''))}</figcaption>" for caption in captions)
        return f"<figure {place}>{inside}{told}</figure>"
    if not text:
        return ""
    if region.label == "title":
        level = region.level or heading_level(region.text or "")
        return f"<h{level} {place}>{text}</h{level}>"
    if region.label == "list":
        items = list_items(region.text or "")
        runs = [list(run) for _, run in itertools.groupby(items, key=lambda item: item[0] == "-")]
        if len(runs) == 1:
            return _list(runs[0], f" {place}")
        return f"<div {place}>{''.join(map(_list, runs))}</div>"
    return f"<p {place}>{text}</p>"


def _list(run: list[tuple[str, str]], attributes: str = "") -> str:
    """Items (marker, text), all with bullets or all with numbers."""
    if run[0][0] == "-":
        return f"<ul{attributes}>{''.join(f'<li>{escape(item)}</li>' for _, item in run)}</ul>"
    return f"<ol{attributes}>{''.join(_numbered(run))}</ol>"


def _numbered(items: list[tuple[str, str]]) -> Iterator[str]:
    """Items (marker, text) of a list with the numbers that they have on the page."""
    expected = 1
    for marker, item in items:
        number = int(marker.rstrip("."))
        value = f' value="{number}"' if number != expected else ""
        yield f"<li{value}>{escape(item)}</li>"
        expected = number + 1


def _table(cells: Cells) -> str:
    """The first row as heading."""
    head, *body = [
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for row, tag in zip(cells, ("th", *["td"] * (len(cells) - 1)), strict=True)
    ]
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
