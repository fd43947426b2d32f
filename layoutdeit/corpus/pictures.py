"""Figures as SVG: plots, diagrams and procedural raster pictures, alone or as panels with letters.

Raster pictures (micrographs, gels, scans, photographs) are NumPy noise shaped like the real thing and travel inside
the SVG as JPEG, so a figure is always one string and a document needs no picture files.
"""

from __future__ import annotations

import base64
import io
import random

import numpy as np
from PIL import Image

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.charts import SVG_FONTS, chart
from layoutdeit.corpus.diagrams import diagram

RASTER_PX_PER_PT = 1.0  # pages are 72-110 dpi, more would be thrown away


def figure_svg(rng: random.Random, width: float, height: float) -> str:
    """A whole figure as an SVG document of width x height points; one or several panels."""
    kind = rng.choice(["charts", "charts", "charts", "rasters", "rasters", "mixed", "diagram", "diagram"])
    most_columns = max(1, min(4, int(width / 75)))
    most_rows = max(1, min(4, int(height / 60)))
    columns, rows = rng.randint(1, most_columns), rng.randint(1, most_rows)
    if rng.random() < 0.35:
        columns = rows = 1
    if kind == "diagram":
        columns = rows = 1 if rng.random() < 0.8 else 2
    if kind == "rasters" and columns > 1 and rng.random() < 0.3:
        body = _headed_panels(rng, width, height, columns, rows)
    else:
        body = _panels(rng, width, height, columns, rows, kind)
    background = ""
    if rng.random() < 0.25:
        background = (
            f'<rect width="{width:.1f}" height="{height:.1f}" fill="{rng.choice(["#ffffff", "#f4f4f4", "#eef3f8"])}"/>'
        )
    if rng.random() < 0.15:
        background += (
            f'<rect x=".5" y=".5" width="{width - 1:.1f}" height="{height - 1:.1f}" fill="none" stroke="#444444"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}">{background}{body}</svg>'
    )


def _panels(rng: random.Random, width: float, height: float, columns: int, rows: int, kind: str) -> str:
    lettered = columns * rows > 1 and rng.random() < 0.8
    letters = rng.choice(["ABCDEFGHIJKLMNOP", "abcdefghijklmnop"])
    gap = rng.choice([1.0, 2.0, 6.0, 8.0])
    size = rng.choice([7.0, 9.0, 11.0])
    raster_kind = rng.choice(sorted(_RASTERS))
    seed_kind = rng.random()
    inside = kind == "rasters" and rng.random() < 0.6
    top = 0.0 if inside or not lettered else size
    cell_w, cell_h = (width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows
    parts = []
    for index in range(columns * rows):
        x, y = (index % columns) * (cell_w + gap), (index // columns) * (cell_h + gap)
        w, h = cell_w, cell_h - top
        what = kind if kind != "mixed" else rng.choice(["charts", "rasters"])
        if what == "rasters":
            content = raster(rng, w, h, raster_kind if seed_kind < 0.8 else rng.choice(sorted(_RASTERS)))
        elif what == "diagram":
            content = diagram(rng, w, h)
        else:
            content = chart(rng, w, h)
        parts.append(f'<g transform="translate({x:.1f} {y + top:.1f})">{content}</g>')
        if lettered:
            colour = "#ffffff" if inside and raster_kind in ("fluorescence", "scan") else "#000000"
            letter = letters[index % 16] if size > 8 or not inside else f"({letters[index % 16]})"
            parts.append(
                f'<text x="{x + 2:.1f}" y="{y + size * 0.85:.1f}" font-size="{size}" font-weight="bold" '
                f'font-family="{SVG_FONTS[0]}" fill="{colour}">{letter}</text>'
            )
    return "".join(parts)


def _headed_panels(rng: random.Random, width: float, height: float, columns: int, rows: int) -> str:
    """Pictures of one kind in a grid, its columns named above, its rows on their side at the left."""
    size, gap = rng.choice([6.0, 7.0, 8.0]), rng.choice([1.0, 3.0, 8.0])
    kind = rng.choice(["fluorescence", "fluorescence", "grey", "histology", "scan"])
    head, side = size * 1.5, size * 1.7 if rng.random() < 0.7 else 0.0
    cell_w, cell_h = (width - side - gap * (columns - 1)) / columns, (height - head - gap * (rows - 1)) / rows
    text = f'<text font-size="{size}" text-anchor="middle" font-family="{rng.choice(SVG_FONTS)}" transform='
    parts = []
    for column in range(columns):
        x = side + column * (cell_w + gap)
        name = rng.choice(words.NOUNS)[: int(cell_w / size * 1.6)]
        parts.append(f'{text}"translate({x + cell_w / 2:.1f} {size:.1f})">{name}</text>')
        for row in range(rows):
            content = raster(rng, cell_w, cell_h, kind)
            parts.append(f'<g transform="translate({x:.1f} {head + row * (cell_h + gap):.1f})">{content}</g>')
    for row in range(rows if side else 0):
        y = head + row * (cell_h + gap) + cell_h / 2
        name = rng.choice(words.NOUNS)[: int(cell_h / size * 1.6)]
        parts.append(f'{text}"translate({size:.1f} {y:.1f}) rotate(-90)">{name}</text>')
    return "".join(parts)


def raster(rng: random.Random, width: float, height: float, kind: str) -> str:
    """A procedural picture as an SVG image element of width x height points."""
    noise = np.random.default_rng(rng.getrandbits(32))
    h, w = max(8, int(height * RASTER_PX_PER_PT)), max(8, int(width * RASTER_PX_PER_PT))
    pixels = _RASTERS[kind](noise, h, w)  # (H, W, 3) in 0..1
    stream = io.BytesIO()
    Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(stream, "JPEG", quality=78)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return (
        f'<image width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" '
        f'href="data:image/jpeg;base64,{data}"/>'
    )


def _clouds(noise: np.random.Generator, h: int, w: int, cell: float) -> np.ndarray:
    """Smooth noise with features of about `cell` pixels. -> (H, W) in 0..1"""
    grid = noise.random((max(2, int(h / cell) + 1), max(2, int(w / cell) + 1)), dtype=np.float32)
    smooth = np.asarray(Image.fromarray(grid).resize((w, h), Image.Resampling.BICUBIC))
    return (smooth - smooth.min()) / (np.ptp(smooth) + 1e-6)


def _fluorescence(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    cells = np.clip((_clouds(noise, h, w, noise.uniform(2.5, 14)) - 0.55) * 3.5, 0, 1)
    cells = cells * (0.5 + 0.5 * _clouds(noise, h, w, 2))
    envelope = np.clip(_clouds(noise, h, w, 50) * 1.6 - 0.3, 0, 1)
    tint = np.array([[0.1, 0.9, 0.2], [0.2, 0.3, 1.0], [1.0, 0.2, 0.15], [0.8, 0.8, 0.8]])[noise.integers(4)]
    picture = (cells * envelope)[..., None] * tint
    if noise.random() < 0.4:
        picture[..., 2] += np.clip((_clouds(noise, h, w, 7) - 0.68) * 4, 0, 1)
    return picture + 0.03 + noise.normal(0, 0.015, (h, w, 1))


def _histology(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    tissue, nuclei = _clouds(noise, h, w, 22), _clouds(noise, h, w, noise.uniform(4, 8))
    base, dark = np.array([0.95, 0.82, 0.9]), np.array([0.42, 0.25, 0.6])
    if noise.random() < 0.35:
        base, dark = np.array([0.93, 0.93, 0.9]), np.array([0.5, 0.3, 0.15])
    picture = base - tissue[..., None] * np.array([0.08, 0.28, 0.14])
    amount = (np.clip((nuclei - 0.6) * 6, 0, 1) * 0.8)[..., None]
    return picture * (1 - amount) + dark * amount + noise.normal(0, 0.02, (h, w, 1))


def _grey(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Electron micrograph: grey texture at several sizes."""
    texture = 0.5 * _clouds(noise, h, w, 40) + 0.3 * _clouds(noise, h, w, 10) + 0.2 * _clouds(noise, h, w, 3)
    edges = np.abs(np.gradient(_clouds(noise, h, w, 16), axis=0)) * 6 if h > 2 else 0
    return np.repeat((0.15 + 0.75 * texture + edges)[..., None], 3, axis=2) + noise.normal(0, 0.04, (h, w, 1))


def _gel(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    picture = np.full((h, w), noise.uniform(0.75, 0.93)) - 0.08 * _clouds(noise, h, w, 30)
    lanes, bands = int(noise.integers(3, 10)), int(noise.integers(1, 5))
    ys, xs = np.mgrid[0:h, 0:w]
    for band in range(bands):
        centre = h * (band + 0.5) / bands
        for lane in range(lanes):
            middle, strength = w * (lane + 0.5) / lanes, noise.uniform(0.0, 0.9)
            across = np.clip(1 - np.abs(xs - middle) / (w * 0.4 / lanes), 0, 1) ** 0.4
            along = np.exp(-(((ys - centre) / max(1.2, h * 0.05)) ** 2))
            picture = picture - strength * across * along * 0.8
    return np.repeat((picture + noise.normal(0, 0.02, (h, w)))[..., None], 3, axis=2)


def _scan(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Radiograph or CT slice: bright ellipses on black."""
    ys, xs = np.mgrid[0:h, 0:w]
    picture = np.zeros((h, w))
    for _ in range(int(noise.integers(4, 10))):
        cy, cx = h * noise.uniform(0.25, 0.75), w * noise.uniform(0.25, 0.75)
        ry, rx = h * noise.uniform(0.08, 0.42), w * noise.uniform(0.08, 0.42)
        distance = ((ys - cy) / ry) ** 2 + ((xs - cx) / rx) ** 2
        picture += noise.uniform(-0.15, 0.4) * np.clip(1.2 - distance, 0, 1) ** 0.5
    picture = picture * (0.75 + 0.4 * _clouds(noise, h, w, 6)) + 0.04
    return np.repeat(picture[..., None], 3, axis=2) + noise.normal(0, 0.02, (h, w, 1))


def _photograph(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Coloured clouds over a gradient with a few objects."""
    sky, ground = noise.random(3) * 0.5 + 0.4, noise.random(3) * 0.6
    level = np.linspace(0, 1, h)[:, None, None]
    picture = sky * (1 - level) + ground * level + (_clouds(noise, h, w, 30)[..., None] - 0.5) * 0.4
    for _ in range(int(noise.integers(2, 7))):
        mask = np.clip((_clouds(noise, h, w, noise.uniform(25, 70)) - 0.6) * 8, 0, 1)[..., None]
        picture = picture * (1 - mask) + noise.random(3) * mask
    return picture + (_clouds(noise, h, w, 3)[..., None] - 0.5) * 0.15


def _heatmap(noise: np.random.Generator, h: int, w: int) -> np.ndarray:
    rows, columns = int(noise.integers(8, 40)), int(noise.integers(5, 20))
    values = np.clip(noise.normal(0, 0.5, (rows, columns)) + noise.normal(0, 0.4, (rows, 1)), -1, 1)
    hot, cold = np.array([1.0, 0.1, 0.1]), np.array([[0.1, 0.2, 1.0], [0.1, 0.9, 0.1]])[noise.integers(2)]
    middle = np.ones(3) if noise.random() < 0.6 else np.zeros(3)
    share = np.abs(values)[..., None]
    cells = middle * (1 - share) + np.where(values[..., None] > 0, hot, cold) * share
    small = Image.fromarray((np.clip(cells, 0, 1) * 255).astype(np.uint8))
    return np.asarray(small.resize((w, h), Image.Resampling.NEAREST)) / 255.0


_RASTERS = {
    "fluorescence": _fluorescence, "gel": _gel, "grey": _grey, "heatmap": _heatmap, "histology": _histology,
    "photograph": _photograph, "scan": _scan,
}  # fmt: skip
