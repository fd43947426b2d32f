"""Draw the regions of a page over its picture: a thin box and a light fill in the class colour, and a small tag."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from layoutdeit.geometry import points_to_pixels
from layoutdeit.labels import label_by_name
from layoutdeit.layout import PageLayout

Box = tuple[float, float, float, float]

BORDER_PT = 1.0  # points, so that a box looks the same at every resolution
TAG_FONT_PT = 7.0  # points; the page's own text has 8 to 12
MIN_TAG_FONT_PX = 9  # smaller, PIL's built-in font cannot be read
FILL_OPACITY = 0.12  # text under the fill stays legible
TAG_OPACITY = 0.85


def draw_regions(
    image: Image.Image, page: PageLayout, *, fill_opacity: float = FILL_OPACITY, tags: bool = True
) -> Image.Image:
    """Return a copy of the page's picture (RGB, any size) with its regions drawn on it.

    `fill_opacity` is 0..1; `tags` False leaves out class and score.
    """
    canvas = image.convert("RGB") if image.mode != "RGB" else image.copy()
    if not page.regions:  # nor, perhaps, a size: a page that could not be read has none
        return canvas
    boxes = points_to_pixels([region.box for region in page.regions], canvas.size, (page.width, page.height))
    scale = canvas.width / page.width  # pixels per point
    border = max(1, round(BORDER_PT * scale))
    font = ImageFont.load_default(max(MIN_TAG_FONT_PX, TAG_FONT_PT * scale))
    pen = ImageDraw.Draw(canvas, "RGBA")  # this mode blends; drawing on an RGB canvas would paint over
    # larger regions first, and tags last of all, so that no box is hidden by another
    regions = sorted(zip(page.regions, boxes.tolist(), strict=True), key=lambda pair: -_area(pair[1]))
    for region, box in regions:
        colour = label_by_name(region.label).colour
        x0, y0 = round(box[0]), round(box[1])
        outline = (x0, y0, max(x0, round(box[2]) - 1), max(y0, round(box[3]) - 1))
        pen.rectangle(outline, fill=(*colour, round(255 * fill_opacity)), outline=(*colour, 255), width=border)
    for region, box in regions if tags else ():
        _draw_tag(pen, font, region.tag, region.label, tuple(box), canvas.size)
    return canvas


def crop_regions(image: Image.Image, page: PageLayout) -> list[Image.Image]:
    """The part of the page's picture that each region covers, at least one pixel of it, in the regions' order."""
    boxes = points_to_pixels([region.box for region in page.regions], image.size, (page.width, page.height))
    crops = []
    for box in boxes:
        x0, y0 = (min(max(0, math.floor(edge)), side - 1) for edge, side in zip(box[:2], image.size, strict=True))
        x1, y1 = (min(math.ceil(edge), side) for edge, side in zip(box[2:], image.size, strict=True))
        crops.append(image.crop((x0, y0, max(x0 + 1, x1), max(y0 + 1, y1))))
    return crops


def place_tag(box: Box, tag_size: tuple[float, float], page_size: tuple[float, float]) -> Box:
    """Where a box's tag goes, xyxy: on its top edge at the right, or inside it where the page has no room above.

    At the right, because the last line of the paragraph above mostly leaves white there. Any one unit, y down.
    """
    width, height = tag_size
    x1 = min(max(box[2], width), max(page_size[0], width))
    y1 = box[1] if box[1] >= height else box[1] + height
    return x1 - width, y1 - height, x1, y1


def _draw_tag(
    pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, text: str, label: str, box: Box, size: tuple[int, int]
) -> None:
    left, top, right, bottom = font.getbbox(text)
    margin = max(1, round(0.2 * (bottom - top)))
    tag = place_tag(box, (right - left + 2 * margin, bottom - top + 2 * margin), size)
    x0, y0, x1, y1 = (round(edge) for edge in tag)
    colour = label_by_name(label)
    pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=(*colour.colour, round(255 * TAG_OPACITY)))
    pen.text((x0 + margin - left, y0 + margin - top), text, font=font, fill=(*colour.ink, 255))


def _area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
