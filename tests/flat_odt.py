"""OpenDocument text in one XML file, as LibreOffice opens and saves it: an article and a report."""

from __future__ import annotations

from office_documents import SENTENCE, picture

_SPACES = {
    **{p: f"urn:oasis:names:tc:opendocument:xmlns:{p}:1.0" for p in ("office", "style", "text", "table")},
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "fo": "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
    "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
    "xlink": "http://www.w3.org/1999/xlink",
}
# name, parent, outline level, paragraph properties, text properties
_PARAGRAPHS = (
    ("Text body", "Standard", 0, 'fo:margin-bottom="6pt"', ""),
    ("Heading", "Standard", 0, 'fo:margin-top="10pt" fo:margin-bottom="4pt" fo:keep-with-next="always"',
     'fo:font-weight="bold" fo:font-size="13pt"'),
    ("Heading 1", "Heading", 1, "", ""), ("Heading 2", "Heading", 2, "", ""),
    ("Title", "Heading", 0, "", 'fo:font-size="18pt"'), ("Subtitle", "Heading", 0, "", ""),
    ("Contents Heading", "Heading", 0, "", ""), ("Bibliography Heading", "Heading", 0, "", ""),
    ("Contents 1", "Standard", 0, "", ""), ("Bibliography 1", "Standard", 0, "", ""),
    ("Quotations", "Standard", 0, 'fo:margin-bottom="6pt"', ""), ("Preformatted Text", "Standard", 0, "", ""),
    ("Caption", "Standard", 0, 'fo:margin-top="4pt" fo:margin-bottom="8pt"', 'fo:font-size="9pt"'),
    ("Figure", "Caption", 0, "", ""), ("Table", "Caption", 0, "", ""),
    ("Footnote", "Standard", 0, "", 'fo:font-size="8pt"'),
    ("Header", "Standard", 0, "", ""), ("Footer", "Standard", 0, "", ""),
)  # fmt: skip


def paragraph(content: str, style: str = "Text body") -> str:
    """A paragraph of a style."""
    return f'<text:p text:style-name="{_key(style)}">{content}</text:p>'


def heading(content: str, level: int = 1) -> str:
    """A heading; the report numbers them."""
    return f'<text:h text:style-name="{_key(f"Heading {level}")}" text:outline-level="{level}">{content}</text:h>'


def bullets(*items: str, style: str = "bullets") -> str:
    """A list whose items are paragraphs and lists."""
    inside = "".join(f"<text:list-item>{item}</text:list-item>" for item in items)
    return f'<text:list text:style-name="{style}">{inside}</text:list>'


def table(name: str, rows: list[list[str]], num_head_rows: int = 0) -> str:
    """A table 400 points wide with a frame around each cell."""
    cell = '<table:table-cell table:style-name="cell" office:value-type="string">{}</table:table-cell>'
    lines = [f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in rows]
    head = (
        f"<table:table-header-rows>{''.join(lines[:num_head_rows])}</table:table-header-rows>" if num_head_rows else ""
    )
    columns = f'<table:table-column table:number-columns-repeated="{len(rows[0])}"/>'
    inside = columns + head + "".join(lines[num_head_rows:])
    return f'<table:table table:name="{name}" table:style-name="wide">{inside}</table:table>'


def image(width: float, height: float, style: str = "graphic", anchor: str = "as-char") -> str:
    """A picture of this size in points, standing in a line or beside a paragraph."""
    place = f'draw:style-name="{style}" text:anchor-type="{anchor}" svg:width="{width}pt" svg:height="{height}pt"'
    data = f"<draw:image><office:binary-data>{picture()}</office:binary-data></draw:image>"
    return f"<draw:frame {place}>{data}<svg:desc>A red field</svg:desc></draw:frame>"


def caption(name: str, number: int, content: str) -> str:
    """A numbered caption as the dialog writes it."""
    field = f'text:name="{name}" text:formula="ooow:{name}+1" style:num-format="1"'
    return f'{name} <text:sequence text:ref-name="{name}{number}" {field}>{number}</text:sequence>: {content}'


def article() -> str:
    """Title, columns, footnote, nested list, list in a cell, figures, a page break, a bar at the margin."""
    s = SENTENCE
    edges = (
        '<draw:line draw:style-name="stroke" text:anchor-type="page" text:anchor-page-number="1" svg:x1="20pt" '
        'svg:y1="100pt" svg:x2="20pt" svg:y2="500pt"/><draw:rect draw:style-name="fill" text:anchor-type="page" '
        'text:anchor-page-number="1" svg:x="570pt" svg:y="300pt" svg:width="14pt" svg:height="90pt"/>'
    )
    note = (
        '<text:note text:id="f1" text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>'
        f"{paragraph(s, 'Footnote')}</text:note-body></text:note>"
    )
    framed = paragraph(image(120, 60) + "<text:line-break/>" + caption("Figure", 2, "In a frame."), "Figure")
    frame = (
        '<draw:frame draw:style-name="box" text:anchor-type="paragraph" svg:width="200pt">'
        f'<draw:text-box fo:min-height="70pt">{framed}</draw:text-box></draw:frame>'
    )
    cells = [["Size", "Before", "Remarks"], ["small", "4.1", ""], ["large", "9.7", s]]
    rows = [[paragraph(cell, "Standard") for cell in row] for row in cells]
    rows[1][2] = bullets(paragraph("first"), paragraph("second"))
    nested = bullets(paragraph("dried in the sun"), paragraph("dried in the shade"))
    columns = [
        paragraph(s * 2 + "A note." + note + " " + s * 2),
        heading("Samples", 2),
        paragraph(s * 6),
        bullets(paragraph("Small ones, weighed at once"), paragraph("Large ones") + nested),
        paragraph(s * 4),
    ]
    body = [
        edges,
        paragraph("On the drying of mosses", "Title"),
        paragraph("A. Botanist, B. Gardener", "Subtitle"),
        paragraph(s * 2),
        heading("Methods"),
        f'<text:section text:style-name="columns" text:name="s1">{"".join(columns)}</text:section>',
        heading("Results"),
        paragraph(caption("Table", 1, "Weights of the samples."), "Table"),
        table("weights", rows),
        paragraph(s * 20),
        paragraph(image(120, 60)),
        paragraph(caption("Figure", 1, "Water lost in an hour."), "Figure"),
        bullets(paragraph("Weigh"), paragraph("Dry"), style="numbers"),
        paragraph(f'{s}<text:a xlink:type="simple" xlink:href="https://example.org/">A link</text:a> {s}'),
        paragraph(frame + s * 3),
        paragraph(f"A quotation. {s}", "Quotations"),
        paragraph("code(x) = 1", "Preformatted Text"),
    ]
    return _document("".join(body))


def report() -> str:
    """Contents, numbered headings, floating and clipped pictures, an icon, a table over two pages, references."""
    s = SENTENCE
    title = '<text:index-title text:name="{}"><text:p text:style-name="{}">{}</text:p></text:index-title>'
    contents = (
        '<text:table-of-content text:name="toc"><text:table-of-content-source text:outline-level="2"/><text:index-body>'
        + title.format("th", _key("Contents Heading"), "Contents")
        + paragraph("1 First chapter<text:tab/>1", "Contents 1")
        + paragraph("2 Second chapter<text:tab/>2", "Contents 1")
        + "</text:index-body></text:table-of-content>"
    )
    references = (
        '<text:bibliography text:name="bib"><text:bibliography-source/><text:index-body>'
        + title.format("bh", _key("Bibliography Heading"), "References")
        + paragraph(f"[1] A. Botanist: Mosses. {s}", "Bibliography 1")
        + paragraph("[2] B. Gardener: Ferns.", "Bibliography 1")
        + "</text:index-body></text:bibliography>"
    )
    rows = [[paragraph(cell, "Standard") for cell in (f"row {i}", f"{i}.1")] for i in range(16)]
    shape = (
        '<draw:custom-shape text:anchor-type="paragraph" draw:style-name="shape" svg:x="300pt" svg:y="0pt" '
        'svg:width="180pt" svg:height="40pt"><text:p>Words in a coloured shape.</text:p><draw:enhanced-geometry '
        'draw:type="rectangle" svg:viewBox="0 0 21600 21600" '
        'draw:enhanced-path="M 0 0 L 21600 0 21600 21600 0 21600 0 0 Z N"/></draw:custom-shape>'
    )
    body = [
        contents,
        heading("First chapter"),
        paragraph(s),
        heading("A numbered section", 2),
        paragraph(image(120, 90, "float", "paragraph") + s * 6),
        paragraph(s),
        paragraph(f"An icon {image(16, 8)} in a line."),
        paragraph(image(60, 60, "clipped")),
        paragraph(caption("Figure", 1, "Clipped."), "Figure"),
        paragraph(shape + "Beside the shape."),
        paragraph("") * 4,
        bullets(paragraph("An item of two paragraphs.") + paragraph(f"The second. {s}"), paragraph("Next item")),
        paragraph(caption("Table", 1, "A long one."), "Table"),
        table("long", rows, num_head_rows=1),
        paragraph(s),
        references,
    ]
    return _document("".join(body))


def _key(style: str) -> str:
    return style.replace(" ", "_20_")


def _document(body: str) -> str:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _SPACES.items())
    kind = "application/vnd.oasis.opendocument.text"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<office:document {spaces} office:version="1.3" office:mimetype="{kind}">'
        '<office:font-face-decls><style:font-face style:name="serif" svg:font-family="\'Liberation Serif\'"/>'
        f"</office:font-face-decls><office:styles>{_styles()}</office:styles>"
        f"<office:automatic-styles>{_automatic_styles()}</office:automatic-styles>"
        '<office:master-styles><style:master-page style:name="Standard" style:page-layout-name="page">'
        f"<style:header>{paragraph('Journal of Moss, vol. 3', 'Header')}</style:header>"
        f"<style:footer>{paragraph('page <text:page-number>1</text:page-number>', 'Footer')}</style:footer>"
        f"</style:master-page></office:master-styles><office:body><office:text>{body}</office:text></office:body>"
        "</office:document>"
    )


def _styles() -> str:
    paragraphs = "".join(
        f'<style:style style:name="{_key(name)}" style:display-name="{name}" style:family="paragraph" '
        f'style:parent-style-name="{_key(parent)}"{f""" style:default-outline-level="{level}" """ if level else ""}>'
        f"<style:paragraph-properties {box}/><style:text-properties {text}/></style:style>"
        for name, parent, level, box, text in _PARAGRAPHS
    )
    outline = "".join(
        f'<text:outline-level-style text:level="{level}" style:num-format="1" style:num-suffix=" ">'
        "<style:list-level-properties/></text:outline-level-style>"
        for level in (1, 2)
    )
    return (
        '<style:default-style style:family="paragraph"><style:text-properties style:font-name="serif" '
        'fo:font-size="10pt" fo:language="en" fo:country="US"/></style:default-style>'
        f'<style:style style:name="Standard" style:family="paragraph"/>{paragraphs}'
        '<style:style style:name="Graphics" style:family="graphic"/><style:style style:name="Frame" '
        f'style:family="graphic"/><text:outline-style style:name="Outline">{outline}</text:outline-style>'
    )


def _automatic_styles() -> str:
    graphics = {
        ("graphic", "Graphics"): 'style:vertical-pos="top" style:vertical-rel="baseline"',
        ("float", "Graphics"): 'style:wrap="parallel" style:horizontal-pos="right" style:horizontal-rel="paragraph" '
        'style:vertical-pos="top" style:vertical-rel="paragraph"',
        (
            "clipped",
            "Graphics",
        ): 'style:vertical-pos="top" style:vertical-rel="baseline" fo:clip="rect(0in, 0.3in, 0in, 0.3in)"',
        ("box", "Frame"): 'style:wrap="none" style:vertical-pos="top" style:horizontal-pos="center" fo:border="none"',
        ("stroke", ""): 'svg:stroke-width="1pt" style:wrap="run-through"',
        ("fill", ""): 'draw:stroke="none" draw:fill="solid" draw:fill-color="#99ccff" style:wrap="run-through"',
        ("shape", ""): 'draw:stroke="none" draw:fill="solid" draw:fill-color="#99ccff" style:wrap="parallel" '
        'style:vertical-pos="from-top" style:vertical-rel="paragraph" style:horizontal-pos="from-left" '
        'style:horizontal-rel="paragraph"',
    }
    styles = [
        f'<style:style style:name="{name}" style:family="graphic" style:parent-style-name="{parent}">'
        f"<style:graphic-properties {properties}/></style:style>"
        for (name, parent), properties in graphics.items()
    ]
    bullet = '<text:list-level-style-{} text:level="{}" {}><style:list-level-properties text:list-level-position-and-'
    bullet += 'space-mode="label-alignment"><style:list-level-label-alignment text:label-followed-by="listtab" '
    bullet += 'fo:text-indent="-12pt" fo:margin-left="{}pt"/></style:list-level-properties></text:list-level-style-{}>'
    marks = [bullet.format("bullet", level, 'text:bullet-char="–"', 18 * level, "bullet") for level in (1, 2)]
    number = bullet.format("number", 1, 'style:num-format="1" style:num-suffix="."', 18, "number")
    page = '<style:page-layout-properties fo:page-width="600pt" fo:page-height="800pt" fo:margin="50pt"/>'
    edge = '<style:{0}-style><style:header-footer-properties fo:min-height="14pt" {1}/></style:{0}-style>'
    styles += [
        '<style:style style:name="wide" style:family="table"><style:table-properties style:width="400pt" '
        'table:align="left"/></style:style><style:style style:name="cell" style:family="table-cell">'
        '<style:table-cell-properties fo:border="0.5pt solid #000000" fo:padding="3pt"/></style:style>',
        '<style:style style:name="columns" style:family="section"><style:section-properties><style:columns '
        'fo:column-count="2" fo:column-gap="20pt"/></style:section-properties></style:style>',
        f'<text:list-style style:name="bullets">{"".join(marks)}</text:list-style>',
        f'<text:list-style style:name="numbers">{number}</text:list-style><style:page-layout style:name="page">{page}',
        edge.format("header", 'fo:margin-bottom="10pt" fo:border-bottom="0.5pt solid #000000"'),
        edge.format("footer", 'fo:margin-top="10pt"') + "</style:page-layout>",
    ]
    return "".join(styles)
