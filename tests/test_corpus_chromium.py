"""Pages that a browser printed: its tags say as much as Typst's, in other words."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
from playwright.sync_api import sync_playwright

from layoutdeit.corpus.annotate import annotate_pdfs

SENTENCE = "Each cushion was weighed, dried in the shade, and weighed again after one, two and three hours. "


def picture_url() -> str:
    with io.BytesIO() as file:
        Image.new("RGB", (60, 30), (200, 40, 40)).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def page_html() -> str:
    return f"""<!doctype html><html lang="en"><title>Mosses</title>
<style>@page {{size: 600pt 800pt; margin: 50pt}} body {{margin: 0; font: 11pt/14pt serif}} .two {{column-count: 2}}
 td, th {{border-top: 1px solid black; padding: 2pt 8pt}} h1, h2, p, ul, figure {{margin: 0 0 12pt}}</style>
<h1>On the drying of mosses</h1><p>{SENTENCE * 2}</p><h2>1 Methods</h2>
<div class="two"><p>{SENTENCE * 6}</p><p>{SENTENCE * 3}</p><ul><li>Small ones</li><li>Large ones</li></ul></div>
<figure><img src="{picture_url()}" alt="A red field" style="width: 120pt; height: 60pt; display: block">
<figcaption>Figure 1. Water lost in an hour.</figcaption></figure>
<table><caption>Table 1. Weights.</caption><tr><th>Size<th>Before<tr><td>small<td>4.1 g<tr><td>large<td>9.7 g</table>
<p>The end.</p></html>"""


@pytest.mark.timeout(180)
def test_a_page_printed_by_chromium_is_labelled_as_publaynet_would(chromium: str, tmp_path: Path):
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content(page_html())
        page.pdf(path=tmp_path / "mosses.pdf", tagged=True, prefer_css_page_size=True)
        browser.close()
    report = annotate_pdfs([tmp_path / "mosses.pdf"], tmp_path / "tree")
    assert report.num_pages == 1 and not report.skipped
    rows = json.loads((tmp_path / "tree" / "train.json").read_text())["annotations"]
    boxes = {
        label: [row["bbox"] for row in rows if row["category_id"] == label] for label in range(1, 6)
    }  # 72 dpi: points
    # a paragraph above, two or three pieces in the columns, two captions, one below
    assert Counter({label: len(found) for label, found in boxes.items()}) in (
        {1: 6, 2: 2, 3: 1, 4: 1, 5: 1},
        {1: 7, 2: 2, 3: 1, 4: 1, 5: 1},
    )
    [figure] = boxes[5]
    assert figure[2:] == pytest.approx([120, 60], abs=1.5)
    [table], [bullets] = boxes[4], boxes[3]
    captions = [box for box in boxes[1] if table[1] - 20 < box[1] < table[1]]
    assert captions and captions[0][1] + captions[0][3] <= table[1] + 2, "the caption is no part of the table"
    assert bullets[0] >= 300 and bullets[0] + bullets[2] <= 552, "the list stands in the second column"
    assert all(x >= 48 and x + width <= 552 for found in boxes.values() for x, _, width, _ in found)
