"""Drawings that are no plots, as SVG: flow charts, trees, networks, pies, forest plots, alignments, screenshots.

As in `charts`, each fills (0, 0, width, height) points.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.charts import PALETTES, SVG_FONTS
from layoutdeit.corpus.svg_marks import arrow, dot, line, rect, text


def diagram(rng: random.Random, width: float, height: float) -> str:
    """One drawing of a kind that suits the shape of the area."""
    kinds: list[Callable[[random.Random, float, float], str]] = [flow_chart, flow_chart, flow_chart, network, tree, pie]
    if width > 140 and height > 70:
        kinds += [forest, forest, alignment, screenshot, screenshot]
    drawing = rng.choice(kinds)(rng, width, height)
    return f'<g font-family="{rng.choice(SVG_FONTS)}">{drawing}</g>'


def flow_chart(rng: random.Random, width: float, height: float) -> str:
    """Boxes with words in a grid, joined by arrows."""
    columns, rows = rng.randint(1, 4), rng.randint(2, 6)
    if width > 2 * height:
        columns, rows = max(columns, 3), min(rows, 3)
    cell_w, cell_h = width / columns, height / rows
    size = max(4.0, min(8.0, cell_w / 11, cell_h / 3.2))
    fill = rng.choice(["#ffffff", "#ffffff", "#dce6f2", "#fde9d9", "#eeeeee", "#e2efda"])
    radius = rng.choice([0, 0, 3, 6])
    parts = []
    for index in range(rows * columns):
        r, c = divmod(index, columns)
        if rng.random() < 0.12 and columns > 1 and 0 < r < rows - 1:
            continue
        x, y = c * cell_w + cell_w * 0.08, r * cell_h + cell_h * 0.14
        middle = x + cell_w * 0.42
        parts.append(rect(x, y, cell_w * 0.84 - 1, cell_h * 0.66, fill, "#333333", 0.7, radius))
        for k in range(rng.randint(1, max(1, min(3, int(cell_h * 0.6 / size / 1.3))))):
            words_shown = f"{rng.choice(words.MODIFIERS)} {rng.choice(words.NOUNS)}"[: int(cell_w * 0.8 / size / 0.55)]
            parts.append(
                text(middle, y + cell_h * 0.33 + size * (1.2 * k - 0.1), words_shown.capitalize(), size, "middle")
            )
        if r < rows - 1:
            parts.append(arrow(middle, y + cell_h * 0.66, middle, y + cell_h * 0.98))
        if c < columns - 1 and rng.random() < 0.4:
            parts.append(arrow(x + cell_w * 0.84, y + cell_h * 0.33, x + cell_w * 0.99, y + cell_h * 0.33))
    return "".join(parts)


def network(rng: random.Random, width: float, height: float) -> str:
    """Labelled nodes joined by edges."""
    colours, size = rng.choice(PALETTES[1:]), rng.uniform(4.5, 6.5)
    places = [(rng.uniform(0.08, 0.92) * width, rng.uniform(0.08, 0.92) * height) for _ in range(rng.randint(6, 30))]
    parts = []
    for i, (x, y) in enumerate(places):
        for other in rng.sample(places, 2) if i else places[1:3]:
            parts.append(line(x, y, *other, "#999999", 0.4))
    for x, y in places:
        parts.append(dot(x, y, rng.uniform(2.5, 7), rng.choice(colours), "#333333"))
        parts.append(text(x, y - 5, rng.choice(words.ABBREVIATIONS), size, "middle"))
    return "".join(parts)


def tree(rng: random.Random, width: float, height: float) -> str:
    """A phylogenetic tree with leaf names at the right."""
    count = max(4, min(24, int(height / 8)))
    size = min(7.0, height / count * 0.85)
    nodes = [(width * 0.68, (i + 0.5) * height / count) for i in range(count)]
    parts = []
    for x, y in nodes:
        name = rng.choice([rng.choice(words.ORGANISMS), f"{rng.choice(words.ABBREVIATIONS)}_{rng.randint(1, 99)}"])
        parts.append(text(x + 3, y + size * 0.35, name[:18], size, extra='font-style="italic"'))
    while len(nodes) > 1:
        i = rng.randrange(len(nodes) - 1)
        (xa, ya), (xb, yb) = nodes[i], nodes[i + 1]
        x = max(2.0, min(xa, xb) - width * rng.uniform(0.02, 0.12))
        parts += [line(x, ya, xa, ya), line(x, yb, xb, yb), line(x, ya, x, yb)]
        if rng.random() < 0.4:
            parts.append(text(x + 1, (ya + yb) / 2 - 1, str(rng.randint(50, 100)), size * 0.7))
        nodes[i : i + 2] = [(x, (ya + yb) / 2)]
    return "".join(parts)


def pie(rng: random.Random, width: float, height: float) -> str:
    """A pie with a legend."""
    radius = min(width * 0.28, height * 0.45)
    cx, cy, angle = radius + 4, height / 2, 0.0
    shares = [rng.uniform(0.3, 1) for _ in range(rng.randint(2, 6))]
    colours = [*rng.choice(PALETTES[1:5]), "#8c564b", "#17becf"]
    parts = []
    size = max(4.5, min(7.0, height / 12))
    for i, share in enumerate(shares):
        turn = 2 * math.pi * share / sum(shares)
        x0, y0 = cx + radius * math.cos(angle), cy + radius * math.sin(angle)
        angle += turn
        x1, y1 = cx + radius * math.cos(angle), cy + radius * math.sin(angle)
        parts.append(
            f'<path d="M{cx:.1f} {cy:.1f}L{x0:.1f} {y0:.1f}A{radius:.1f} {radius:.1f} 0 {int(turn > math.pi)} 1 '
            f'{x1:.1f} {y1:.1f}Z" fill="{colours[i]}" stroke="#ffffff" stroke-width="0.7"/>'
        )
        y = cy + (i - len(shares) / 2) * size * 1.5
        parts.append(rect(cx + radius + 8, y, size * 0.8, size * 0.8, colours[i], "none"))
        label = f"{rng.choice(words.NOUNS).capitalize()[:12]} {100 * share / sum(shares):.0f}%"
        parts.append(text(cx + radius + 11 + size, y + size * 0.8, label, size))
    return "".join(parts)


def forest(rng: random.Random, width: float, height: float) -> str:
    """A meta-analysis plot: study names, squares with intervals, numbers at the right. Looks half like a table."""
    count = max(3, min(18, int(height / 10) - 2))
    pitch = height / (count + 2)
    size = min(7.0, pitch * 0.75)
    middle, span = width * 0.55, width * 0.15
    parts = [text(0, size, "Study", size), text(width, size, "OR (95% CI)", size, "end")]
    for i in range(count):
        y = (i + 1.7) * pitch
        centre, half = middle + rng.gauss(0, span * 0.35), rng.uniform(0.1, 0.5) * span
        value = 1 + (centre - middle) / span
        parts.append(text(0, y, f"{rng.choice(words.SURNAMES)} {rng.randint(1985, 2018)}", size))
        parts.append(line(centre - half, y - size * 0.35, centre + half, y - size * 0.35))
        parts.append(rect(centre - 2, y - size * 0.35 - 2, 4, 4, "#333333", "none"))
        parts.append(text(width, y, f"{value:.2f} ({value * 0.7:.2f}, {value * 1.4:.2f})", size, "end"))
    parts.append(line(middle, size * 1.4, middle, height - pitch * 0.6, "#555555", 0.5))
    parts.append(line(middle - span, height - pitch * 0.6, middle + span, height - pitch * 0.6))
    parts += [text(middle + k * span, height - 0.5, f"{10.0**k:g}", size * 0.9, "middle") for k in (-1, 0, 1)]
    return "".join(parts)


def alignment(rng: random.Random, width: float, height: float) -> str:
    """Sequences in fixed pitch with shaded columns."""
    size = rng.uniform(5.0, 7.0)
    columns, rows = int((width - 50) / (size * 0.62)), int(height / (size * 1.25))
    letters = rng.choice(["ACGT", "ACDEFGHIKLMNPQRSTVWY"])
    base = rng.choices(letters, k=columns)
    shade = rng.choice(["#bbbbbb", "#7fb2e5", "#cccccc"])
    parts = [rect(50 + c * size * 0.62, 0, size * 0.62, rows * size * 1.25, shade, "none")
             for c in range(columns) if rng.random() < 0.3]  # fmt: skip
    for r in range(rows):
        if r % 7 == 6:
            continue
        sequence = "".join(letter if rng.random() < 0.8 else rng.choice([*letters, "-"]) for letter in base)
        y = (r + 0.9) * size * 1.25
        parts.append(text(0, y, f"{rng.choice(words.ABBREVIATIONS)[:8]}", size))
        mono = f'font-family="DejaVu Sans Mono" textLength="{columns * size * 0.62:.1f}" xml:space="preserve"'
        parts.append(text(50, y, sequence, size * 0.95, extra=mono))
    return "".join(parts)


def screenshot(rng: random.Random, width: float, height: float) -> str:
    """A program's window: title bar, menu, side panel, fields and buttons."""
    size = rng.uniform(4.5, 6.5)
    bar = rng.choice(["#3b6ea5", "#d4d0c8", "#2d2d30", "#f3f3f3", "#0a246a"])
    ink = "#000000" if bar in ("#d4d0c8", "#f3f3f3") else "#ffffff"
    parts = [rect(0.5, 0.5, width - 1, height - 1, "#fbfbfb", "#666666", 0.8)]
    parts += [
        rect(0.5, 0.5, width - 1, size * 1.9, bar, "none"),
        text(4, size * 1.3, rng.choice(words.FIELDS), size, colour=ink),
    ]
    panel = width * rng.choice([0.0, 0.22, 0.3])
    if panel:
        parts.append(rect(0.5, size * 2, panel, height - size * 2 - 1, "#ececec", "#bbbbbb", 0.4))
        for k in range(int((height - size * 3) / (size * 1.6))):
            if rng.random() < 0.8:
                parts.append(text(6 + 6 * rng.randint(0, 2), size * (3.5 + 1.6 * k), rng.choice(words.NOUNS), size))
    y = size * 3.2
    while y < height - size * 2.5:
        x = panel + 8
        parts.append(text(x, y + size, rng.choice(words.NOUNS).capitalize(), size))
        if rng.random() < 0.55:
            parts.append(rect(x + size * 8, y, (width - x) * 0.45, size * 1.4, "#ffffff", "#999999", 0.5))
        elif rng.random() < 0.4:
            parts.append(rect(x + size * 8, y, size * 6, size * 1.5, "#dddddd", "#777777", 0.5, 2))
        y += size * rng.choice([1.9, 2.4])
    return "".join(parts)
