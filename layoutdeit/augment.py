"""Training augmentation of a page and its boxes, drawn from one random generator per page.

No horizontal flip: mirrored text does not occur. The engine draws the scale itself (train_short_sides).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from layoutdeit.config import DataConfig
from layoutdeit.geometry import areas, clip

MIN_VISIBLE = 0.4  # share of a box that a crop must leave for it to stay a region
MAX_STRETCH = 0.12  # of either side: pages of other proportions and fonts of other widths


def augment_page(
    image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, config: DataConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crop, stretch and shade a page. image (H, W, 3) uint8, boxes (N, 4) xyxy -> the same three."""
    if rng.random() < config.crop_probability:
        image, boxes, labels = random_crop(image, boxes, labels, config.crop_range_px, rng)
    image, boxes = random_stretch(image, boxes, rng)
    return random_shade(image, rng), boxes, labels


def random_crop(
    image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, range_px: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a random part with sides in `range_px`, dropping boxes of which little is left (DETR's crop)."""
    height, width = image.shape[:2]
    crop_w = int(rng.integers(min(range_px[0], width), min(range_px[1], width) + 1))
    crop_h = int(rng.integers(min(range_px[0], height), min(range_px[1], height) + 1))
    x0, y0 = int(rng.integers(0, width - crop_w + 1)), int(rng.integers(0, height - crop_h + 1))
    moved = clip(boxes - np.array([x0, y0, x0, y0]), crop_w, crop_h)
    keep = areas(moved) >= MIN_VISIBLE * np.maximum(areas(boxes), 1.0)
    return image[y0 : y0 + crop_h, x0 : x0 + crop_w], moved[keep].astype(np.float32), labels[keep]


def random_stretch(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stretch one side by up to MAX_STRETCH, half of the time."""
    if rng.random() < 0.5:
        return image, boxes
    height, width = image.shape[:2]
    factors = 1 + rng.uniform(-MAX_STRETCH, MAX_STRETCH, size=2)
    new_w, new_h = max(1, round(width * factors[0])), max(1, round(height * factors[1]))
    image = np.asarray(Image.fromarray(image).resize((new_w, new_h), Image.Resampling.BILINEAR))
    scale = [new_w / width, new_h / height, new_w / width, new_h / height]
    return image, (boxes * np.array(scale)).astype(np.float32)


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
