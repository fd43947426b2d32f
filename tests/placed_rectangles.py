"""Random pages with a rectangle at a known place, and the eyes to find it in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from handmade_pdf import Rect, Sheet, filled
from hypothesis import strategies as st
from PIL import Image


@dataclass(frozen=True)
class Placed:
    """A page and the one rectangle filled on it, in its user space."""

    sheet: Sheet
    rect: Rect

    @property
    def is_cropped_inside(self) -> bool:
        """Whether the crop box, if any, stays within the media box."""
        media, crop = self.sheet.media, self.sheet.crop or self.sheet.media
        return crop[0] >= media[0] and crop[1] >= media[1] and crop[2] <= media[2] and crop[3] <= media[3]


@st.composite
def placed_rectangles(draw: st.DrawFn) -> Placed:
    """Any rotation, unit and origin; a crop box inside the media box, or beyond it; a rectangle on the visible part."""
    left, bottom = draw(st.integers(-300, 300)), draw(st.integers(-300, 300))
    width, height = draw(st.integers(120, 320)), draw(st.integers(120, 320))
    media = (left, bottom, left + width, bottom + height)
    margins = draw(st.none() | st.tuples(*[st.integers(-30, 25)] * 4))
    crop = margins and (media[0] + margins[0], media[1] + margins[1], media[2] - margins[2], media[3] - margins[3])
    x0, y0 = left + 30 + draw(st.integers(0, 20)), bottom + 30 + draw(st.integers(0, 20))
    rect = (x0, y0, x0 + draw(st.integers(12, 40)), y0 + draw(st.integers(12, 40)))
    sheet = Sheet(
        filled(rect), media, crop, draw(st.sampled_from([0, 90, 180, 270])), draw(st.sampled_from([None, 1.5]))
    )
    return Placed(sheet, rect)


def extent(is_wanted: np.ndarray) -> np.ndarray:
    """The box around the true pixels, xyxy, right and bottom exclusive. (H, W) bool -> (1, 4)."""
    ys, xs = np.nonzero(is_wanted)
    assert len(xs), "nothing of that colour in the picture"
    return np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]])


def near_colour(image: Image.Image, colour: tuple[int, int, int], tolerance: int) -> np.ndarray:
    """Which pixels are of a colour, within `tolerance` of 255 in each channel. -> (H, W) bool."""
    return (abs(np.asarray(image).astype(int) - colour) <= tolerance).all(axis=2)
