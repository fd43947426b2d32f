"""Training augmentation of a page, its boxes and their outlines, drawn from one random generator per page.

No horizontal flip: mirrored text does not occur. The engine draws the scale itself (train_short_sides).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from layoutdeit.config import DataConfig
from layoutdeit.geometry import areas, clip
from layoutdeit.outlines import Outline

MIN_VISIBLE = 0.4  # share of a box that a crop must leave for it to stay a region
MAX_STRETCH = 0.12  # of either side: pages of other proportions and fonts of other widths
# Short sides, px, of the page that the published run cuts its crops from (ditod/dataset_mapper.py, as in DETR).
CROP_SHORT_SIDES = (400, 500, 600)
MIN_SIDE_PX = 1e-5  # detectron2's filter_empty_instances: all that a crop of the published run leaves counts


@dataclass(frozen=True)
class Page:
    """A page picture and its regions. image (H, W, 3) uint8 RGB, boxes (N, 4) float32 xyxy, labels (N,).

    outlines: N lists of polygons (K, 2) in the picture's frame, or None where masks are not wanted.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    outlines: Sequence[Outline] | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of the picture."""
        return self.image.shape[0], self.image.shape[1]

    def resized(self, size_hw: tuple[int, int]) -> Page:
        """The page at another size, by PIL's bilinear filter."""
        height, width = self.size_hw
        if size_hw == (height, width):
            return self
        image = np.asarray(Image.fromarray(self.image).resize(size_hw[::-1], Image.Resampling.BILINEAR))
        scale = np.array([size_hw[1] / width, size_hw[0] / height])
        boxes = (self.boxes * np.tile(scale, 2)).astype(np.float32)
        outlines = self.outlines
        if outlines is not None:
            outlines = [[(polygon * scale).astype(np.float32) for polygon in outline] for outline in outlines]
        return Page(image, boxes, self.labels, outlines)

    def cropped(self, x0: int, y0: int, width: int, height: int) -> tuple[Page, np.ndarray]:
        """A part of the page, boxes cut to it, and the share of each box's area that is left, (N,)."""
        moved = clip(self.boxes - np.array([x0, y0, x0, y0]), width, height)
        outlines = self.outlines
        if outlines is not None:  # points may lie outside now; the rasteriser cuts
            outlines = [[polygon - np.float32([x0, y0]) for polygon in outline] for outline in outlines]
        part = self.image[y0 : y0 + height, x0 : x0 + width]
        left = areas(moved) / np.maximum(areas(self.boxes), 1.0)
        return Page(part, moved.astype(np.float32), self.labels, outlines), left

    def selected(self, keep: np.ndarray) -> Page:
        """The page with those regions only. keep (N,) bool."""
        outlines = self.outlines
        if outlines is not None:
            outlines = [outline for outline, is_kept in zip(outlines, keep, strict=True) if is_kept]
        return Page(self.image, self.boxes[keep], self.labels[keep], outlines)


def augment_page(page: Page, config: DataConfig, rng: np.random.Generator) -> Page:
    """Augment as the configuration says."""
    return published_crop(page, config, rng) if config.augmentation == "published" else varied_page(page, config, rng)


def varied_page(page: Page, config: DataConfig, rng: np.random.Generator) -> Page:
    """Crop, stretch and shade a page: for few pages, or pages of another make than those to come."""
    if rng.random() < config.crop_probability:
        page = random_crop(page, config.crop_range_px, rng)
    page = random_stretch(page, rng)
    return Page(random_shade(page.image, rng), page.boxes, page.labels, page.outlines)


def published_crop(page: Page, config: DataConfig, rng: np.random.Generator) -> Page:
    """The published run's mapper, its flip and its last resize left out: the engine draws that one.

    Half of the pages stay as they are; the others are resized to a short side of 400, 500 or 600 px and cut to a part
    with sides in crop_range_px. Every box that is not empty stays.
    """
    if rng.random() >= config.crop_probability:
        return page
    short_side = int(rng.choice(CROP_SHORT_SIDES))
    height, width = page.size_hw
    scale = short_side / min(height, width)
    page = page.resized((int(height * scale + 0.5), int(width * scale + 0.5)))
    height, width = page.size_hw
    low, high = config.crop_range_px
    crop_h = int(rng.integers(min(height, low), min(height, high) + 1))
    crop_w = int(rng.integers(min(width, low), min(width, high) + 1))
    y0, x0 = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
    page, _ = page.cropped(x0, y0, crop_w, crop_h)
    return page.selected((page.boxes[:, 2:] - page.boxes[:, :2] > MIN_SIDE_PX).all(axis=1))


def random_crop(page: Page, range_px: tuple[int, int], rng: np.random.Generator) -> Page:
    """Cut a random part with sides in `range_px`, dropping boxes of which little is left (DETR's crop)."""
    height, width = page.size_hw
    crop_w = int(rng.integers(min(range_px[0], width), min(range_px[1], width) + 1))
    crop_h = int(rng.integers(min(range_px[0], height), min(range_px[1], height) + 1))
    x0, y0 = int(rng.integers(0, width - crop_w + 1)), int(rng.integers(0, height - crop_h + 1))
    page, left = page.cropped(x0, y0, crop_w, crop_h)
    return page.selected(left >= MIN_VISIBLE)


def random_stretch(page: Page, rng: np.random.Generator) -> Page:
    """Stretch either side by up to MAX_STRETCH, half of the time."""
    if rng.random() < 0.5:
        return page
    height, width = page.size_hw
    factors = 1 + rng.uniform(-MAX_STRETCH, MAX_STRETCH, size=2)
    return page.resized((max(1, round(height * factors[1])), max(1, round(width * factors[0]))))


def random_shade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and colour a little, half of the time; sometimes to grey."""
    if rng.random() < 0.5:
        return image
    pixels = image.astype(np.float32)
    if rng.random() < 0.3:
        pixels = np.broadcast_to(pixels.mean(axis=2, keepdims=True), pixels.shape)
    contrast, brightness = rng.uniform(0.7, 1.15), rng.uniform(-20, 12)
    tint = rng.uniform(-8, 4, size=3)
    return np.clip((pixels - 255) * contrast + 255 + brightness + tint, 0, 255).astype(np.uint8)
