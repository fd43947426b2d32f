"""A look at a tree: statistics of its boxes and a contact sheet of pages with the boxes drawn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from layoutdeit.corpus.page_tree import PictureRecord, count_labels
from layoutdeit.labels import label_by_name

# Shares of the 3.3 million boxes of PubLayNet's train.json (its paper, arXiv:1908.07836, table 1).
PUBLAYNET_SHARES = {"text": 0.71, "title": 0.19, "list": 0.024, "table": 0.030, "figure": 0.032}


def describe(records: Sequence[PictureRecord]) -> str:
    """Statistics of the boxes, as lines of text."""
    if not records:
        return "no pages"
    counts = count_labels(records)
    total = sum(counts.values())
    per_page = [len(record.regions) for record in records]
    widths, heights = [r.width for r in records], [r.height for r in records]
    lines = [
        f"pages {len(records)}, boxes {total}, per page {statistics.mean(per_page):.1f} "
        f"(least {min(per_page)}, median {statistics.median(per_page):.0f}, most {max(per_page)})",
        f"picture sizes: median {statistics.median(widths):.0f} x {statistics.median(heights):.0f}, "
        f"widths {min(widths)}-{max(widths)}, heights {min(heights)}-{max(heights)}",
        "label    boxes   share  PubLayNet  median width x height  boxes/page",
    ]
    for name, count in counts.items():
        boxes = [box for record in records for label, box in record.regions if label == name]
        width = statistics.median([b[2] - b[0] for b in boxes]) if boxes else 0
        height = statistics.median([b[3] - b[1] for b in boxes]) if boxes else 0
        share = count / total if total else 0
        lines.append(
            f"{name:7s} {count:6d}  {share:6.1%}  {PUBLAYNET_SHARES[name]:8.1%}  {width:9.0f} x {height:<9.0f}"
            f"  {count / len(records):9.2f}"
        )
    return "\n".join(lines)


def contact_sheet(
    records: Sequence[PictureRecord], picture_dir: Path, *, num_columns: int = 4, page_width: int = 480
) -> Image.Image:
    """Pages side by side with their boxes in the labels' colours."""
    tiles = [_tile(record, picture_dir, page_width) for record in records]
    if not tiles:
        return Image.new("RGB", (page_width, page_width), "white")
    tile_height = max(tile.height for tile in tiles)
    num_rows = -(-len(tiles) // num_columns)
    sheet = Image.new("RGB", (num_columns * (page_width + 6), num_rows * (tile_height + 6)), (90, 90, 90))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % num_columns * (page_width + 6), index // num_columns * (tile_height + 6)))
    return sheet


def _tile(record: PictureRecord, picture_dir: Path, page_width: int) -> Image.Image:
    with Image.open(picture_dir / record.file_name) as picture:
        scale = page_width / picture.width
        tile = picture.convert("RGB").resize((page_width, round(picture.height * scale)), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(tile)
    for label, box in record.regions:
        draw.rectangle([value * scale for value in box], outline=label_by_name(label).colour, width=2)
    return tile
