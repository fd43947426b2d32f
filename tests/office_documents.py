"""Documents as people write them, in HTML and flat ODT, and the programs that print them as tagged PDFs."""

from __future__ import annotations

import base64
import io
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

SENTENCE = "Each cushion was weighed, dried in the shade, and weighed again after one, two and three hours. "
_TAGGED = 'pdf:writer_pdf_Export:{"UseTaggedPDF":{"type":"boolean","value":"true"}}'


def picture() -> str:
    """A red field with a white stroke, 60 x 30 pixels, as PNG in base64."""
    image = Image.new("RGB", (60, 30), (200, 40, 40))
    ImageDraw.Draw(image).line((0, 0, 60, 30), fill="white")
    with io.BytesIO() as file:
        image.save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode("ascii")


def print_with_chromium(chromium: str, html: str, folder: Path, name: str) -> Path:
    """Print a page as its command line does, without the lines at the paper's edge."""
    (folder / f"{name}.html").write_text(html, encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    command += ["--no-pdf-header-footer", f"--print-to-pdf={folder / name}.pdf", (folder / f"{name}.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / f"{name}.pdf"


def print_with_libreoffice(soffice: str, document: Path, folder: Path) -> Path:
    """Convert a document (.fodt, .docx) to a tagged PDF."""
    return _converted(soffice, document, folder, _TAGGED, ".pdf")


def as_docx(soffice: str, document: Path, folder: Path) -> Path:
    """The same document in Word's format."""
    return _converted(soffice, document, folder, "docx", ".docx")


def _converted(soffice: str, document: Path, folder: Path, target: str, suffix: str) -> Path:
    profile = f"-env:UserInstallation={(folder / 'office').as_uri()}"  # its own: another one may be running
    command = [soffice, profile, "--headless", "--convert-to", target, "--outdir", str(folder), str(document)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    path = folder / f"{document.stem}{suffix}"
    assert path.is_file(), f"{soffice} wrote no {path.name}"
    return path


# ---- HTML


def article_html() -> str:
    """An article of two pages: columns, nested list, list in a cell, figures of pixels and of strokes, a note."""
    chart = (
        '<svg viewBox="0 0 200 100" width="200" height="100" role="img" aria-label="chart">'
        '<rect x="5" y="5" width="190" height="90" fill="none" stroke="black"/>'
        '<polyline points="5,95 60,40 120,60 195,10" fill="none" stroke="red"/>'
        '<text x="60" y="20" font-size="9">Moss curve</text></svg>'
    )
    return f"""<!doctype html><html lang="en"><title>Mosses</title><style>
@page {{size: 600pt 800pt; margin: 50pt}} body {{margin: 0; font: 10pt/12pt "Liberation Serif", serif}}
.two {{column-count: 2; column-gap: 20pt}} h1, h2, p, ul, figure, table {{margin: 0 0 8pt}} ul ul {{margin: 0}}
table {{border-collapse: collapse; width: 400pt}} td {{border: 1pt solid black; padding: 3pt; vertical-align: top}}
caption {{text-align: left}} .edge {{position: absolute; left: -30pt; top: 80pt; width: 8pt; height: 300pt;
background: #9cf}} .faint {{opacity: .6}} hr {{margin: 0 0 8pt}}</style>
<div class="edge"></div><h1>On the drying of mosses</h1><p>A. Botanist<sup>1</sup>, B. Gardener</p>
<div>Words in no paragraph. {SENTENCE}</div><h2>1 Methods</h2>
<div class="two"><p>{SENTENCE * 4} <a href="https://example.org/">A link</a> and <code>code</code>. {SENTENCE}</p>
<p>{SENTENCE * 3}</p><ul><li>Small ones, weighed at once after the drying</li><li>Large ones<ul><li>dried in the sun
</li><li><p>dried in the shade</p></li></ul></li></ul><p>{SENTENCE * 4}</p></div>
<table><caption>Table 1: Weights.</caption><tr><td>Size<td>Before<td>Remarks<tr><td>small<td>4.1<td><ul><li>first
<li>second</ul><tr><td>large<td>9.7<td><p>{SENTENCE}</p></table><hr>
<figure><img src="data:image/png;base64,{picture()}" alt="A red field" style="width: 120pt; height: 60pt;
display: block"><figcaption>Figure 1: Water lost in an hour.</figcaption></figure>
<p class="faint">Half transparent. {SENTENCE}</p>
<aside style="border: 1pt solid grey"><p>In a box. {SENTENCE}</p></aside>
<p>{SENTENCE * 24}</p><figure>{chart}<figcaption>Figure 2: A curve.</figcaption></figure><p>1. The note. {SENTENCE}</p>
</html>"""


def site_html() -> str:
    """A page of a web site: boxes beside each other, pictures among words, a table that goes over a page."""
    url = f"data:image/png;base64,{picture()}"
    rows = "".join(f"<tr><td>row {i}<td>{i}.1" for i in range(16))
    return f"""<!doctype html><html lang="en"><title>Site</title><style>
@page {{size: 600pt 800pt; margin: 50pt}} body {{margin: 0; font: 10pt/12pt "Liberation Sans", sans-serif}}
h1, h2, h3, p, ul, ol, figure, table {{margin: 0 0 8pt}} main {{display: grid; grid-template-columns: 1fr 150pt;
gap: 20pt}} .card {{border: 1pt solid grey; box-shadow: 2pt 2pt 4pt grey; padding: 6pt}}
.row {{display: flex; gap: 40pt}}
.initial {{float: left; font-size: 32pt; line-height: 24pt}} .hole {{width: 120pt; height: 50pt; overflow: hidden}}
.hole img {{width: 240pt; height: 120pt}} .back {{background: url({url}); height: 30pt}} mark {{background: yellow}}
.float {{float: right; width: 80pt; height: 60pt}} td, th {{border-bottom: 1pt solid grey; padding: 2pt 8pt}}</style>
<main><article><h1>A page that was printed</h1><p><span class="initial">E</span>very word counts. {SENTENCE * 2}
<mark>marked words</mark> <img src="{url}" alt="icon" style="height: 9pt"> {SENTENCE}</p>
<p><img class="float" src="{url}" alt="floating">{SENTENCE * 4}</p><ul><li><h3>A heading in an item</h3>
<p>{SENTENCE}</p></li><li>An item</li></ul><div class="hole"><img src="{url}" alt="larger than its frame"></div>
<div class="back"></div>
<figure><table><tr><th>a<th>b<tr><td>1<td>2</table><figcaption>Table 1. In a figure.</figcaption></figure>
<figure><pre style="font-family: inherit">def f(x): return x</pre>
<figcaption>Listing 1. Code in a figure.</figcaption></figure></article>
<aside><div class="card"><h3>Side box</h3><p>{SENTENCE}</p></div></aside></main>
<div class="row"><div>Left. {SENTENCE}</div><div>Right. {SENTENCE}</div></div>
<div class="row"><div>One</div><div>Two</div></div>
<table><caption>Table 2. Long.</caption><thead><tr><th>Size<th>Before</thead><tbody>{rows}</tbody></table>
<h2>References</h2><ol><li>A. Botanist: Mosses.</li><li>B. Gardener: Ferns. {SENTENCE}</li></ol></html>"""
