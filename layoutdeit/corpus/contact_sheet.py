"""A look at a tree: a contact sheet of pages with the boxes drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from layoutdeit.corpus.page_tree import PictureRecord
from layoutdeit.labels import label_by_name
from layoutdeit.pictures import read_image

MAX_TILE_HEIGHTS = 20  # widths that a page may be high before it is squeezed
UNREADABLE = (200, 120, 120)  # RGB of a tile whose picture is broken


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
    scale = page_width / record.width
    size = (page_width, max(1, min(round(record.height * scale), MAX_TILE_HEIGHTS * page_width)))
    try:
        picture = read_image(picture_dir / record.file_name, (record.width, record.height))
        tile = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    except (ValueError, OSError):
        tile = Image.new("RGB", size, UNREADABLE)
    draw = ImageDraw.Draw(tile)
    for label, box in record.regions:
        draw.rectangle([value * scale for value in box], outline=label_by_name(label).colour, width=2)
    return tile
