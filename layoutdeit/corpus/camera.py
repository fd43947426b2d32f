"""The way from a set page to a page picture: resolution, scanner faults and JPEG; boxes follow the picture."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

CLEAN_SHARE = 0.55  # PubLayNet's pages are clean renders; the rest teaches scans
BASE_DPI = 72.0
GRAIN_PX = 200  # side of the noise tile


@dataclass(frozen=True)
class Exposure:
    """How one page is pictured. `angle` in degrees, counter-clockwise; `paper` RGB in 0..1."""

    dpi: float
    jpeg_quality: int
    blur: float = 0.0  # standard deviation in pixels
    noise: float = 0.0  # standard deviation in 0..255
    contrast: float = 1.0
    brightness: float = 0.0  # added, in 0..255
    paper: tuple[float, float, float] = (1.0, 1.0, 1.0)
    angle: float = 0.0
    grey: bool = False

    @property
    def scale(self) -> float:
        """Pixels per point."""
        return self.dpi / BASE_DPI


def draw_exposure(rng: random.Random) -> Exposure:
    """Draw an exposure: most near 72 dpi, about half of them clean."""
    dpi = BASE_DPI if rng.random() < 0.6 else rng.uniform(66, 110)
    quality = rng.randint(70, 95)
    if rng.random() < CLEAN_SHARE:
        return Exposure(dpi, quality)
    tint = rng.choice([(1.0, 1.0, 1.0)] * 7 + [(0.95, 0.95, 0.95), (0.99, 0.97, 0.92), (0.97, 0.93, 0.85)])
    return Exposure(
        dpi=dpi,
        jpeg_quality=rng.randint(50, 92),
        blur=rng.choice([0.0, 0.0, rng.uniform(0.2, 0.7)]),
        noise=rng.choice([0.0, 0.0, rng.uniform(1, 7)]),
        contrast=rng.uniform(0.8, 1.05),
        brightness=rng.uniform(-12, 12),
        paper=tint,
        angle=rng.uniform(-0.7, 0.7) if rng.random() < 0.12 else 0.0,
        grey=rng.random() < 0.25,
    )


def expose(picture: Image.Image, exposure: Exposure, rng: random.Random) -> Image.Image:
    """Apply the faults of `exposure` to a rendered RGB page; its size stays."""
    if exposure.angle:
        picture = picture.rotate(exposure.angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    if exposure.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(exposure.blur))
    if exposure.grey:
        picture = picture.convert("L").convert("RGB")
    toned = exposure.contrast != 1.0 or exposure.brightness != 0 or exposure.paper != (1.0, 1.0, 1.0)
    if toned:
        picture = picture.point([level for share in exposure.paper for level in _tone_curve(exposure, share)])
    if exposure.noise:
        picture = _grained(picture, exposure.noise, rng)
    return picture


def _tone_curve(exposure: Exposure, paper_share: float) -> list[int]:
    """What each of the 256 levels becomes; contrast turns about 228, so that paper stays light."""
    levels = (np.arange(256.0) - 228) * exposure.contrast + 228 + exposure.brightness
    return np.clip(levels * paper_share, 0, 255).astype(int).tolist()


def _grained(picture: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Add grey grain from one tile laid over the page: fresh noise would cost more than setting the page."""
    tile = np.random.default_rng(rng.getrandbits(32)).normal(0, strength, (GRAIN_PX, GRAIN_PX)).round().astype(np.int16)
    pixels = np.asarray(picture).astype(np.int16)  # (H, W, 3)
    h, w = pixels.shape[:2]
    pixels += np.tile(tile, (h // GRAIN_PX + 1, w // GRAIN_PX + 1))[:h, :w, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def picture_boxes(boxes_pt, exposure: Exposure, size_wh: tuple[int, int]) -> np.ndarray:
    """Boxes in points to pixels of the exposed picture, cut to it. boxes_pt: (N, 4) xyxy -> (N, 4) xyxy."""
    boxes = np.asarray(boxes_pt, dtype=np.float64).reshape(-1, 4) * exposure.scale
    if exposure.angle:
        boxes = _rotated(boxes, exposure.angle, size_wh)
    w, h = size_wh
    return np.clip(boxes, 0, [w, h, w, h])


def _rotated(boxes: np.ndarray, angle: float, size_wh: tuple[int, int]) -> np.ndarray:
    """Each box turned about the picture's centre: its centre moves, its sides grow by the lean of its ink."""
    centre = np.array(size_wh) / 2
    sin, cos = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) - centre  # (N, 4, 2)
    turned = np.stack(
        [corners[..., 0] * cos + corners[..., 1] * sin, corners[..., 1] * cos - corners[..., 0] * sin], -1
    )
    turned += centre
    return np.concatenate([turned.min(axis=1), turned.max(axis=1)], axis=1)


def jpeg_bytes(picture: Image.Image, exposure: Exposure) -> bytes:
    """The picture as JPEG of the exposure's quality."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=exposure.jpeg_quality)
    return stream.getvalue()
