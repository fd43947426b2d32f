"""The picture in the browser's tab: a page with its regions, drawn here: a named icon would be fetched from the web."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw

from layoutdeit.labels import label_by_name

REGIONS = (  # class and box, xyxy in pixels of the icon
    ("title", (14, 10, 50, 17)),
    ("text", (14, 22, 30, 40)),
    ("figure", (34, 22, 50, 34)),
    ("table", (34, 38, 50, 54)),
    ("list", (14, 44, 30, 54)),
)


@cache
def page_icon() -> Image.Image:
    """The icon, 64 x 64 pixels, transparent around the page."""
    icon = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(icon)
    pen.rounded_rectangle((8, 2, 56, 61), radius=5, fill="white", outline=(120, 130, 140, 255), width=2)
    for label, box in REGIONS:
        pen.rectangle(box, fill=label_by_name(label).colour)
    return icon
