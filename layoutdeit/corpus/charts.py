"""Plots drawn as SVG fragments: bars, lines, scatter, boxes, survival curves, histograms.

Every function takes a seeded generator and a size in points and returns SVG that fills (0, 0, width, height).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.svg_marks import dot, line, rect, text

PALETTES = (
    ("#000000", "#777777", "#bbbbbb", "#444444"),
    ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"),
    ("#4472c4", "#ed7d31", "#a5a5a5", "#ffc000"),
    ("#e41a1c", "#377eb8", "#4daf4a", "#984ea3"),
    ("#003f5c", "#bc5090", "#ffa600", "#7a5195"),
    ("#ffffff", "#808080", "#000000", "#c0c0c0"),
)
SVG_FONTS = ("Liberation Sans", "Liberation Sans", "Liberation Sans", "DejaVu Sans", "Liberation Serif")


def chart(rng: random.Random, width: float, height: float) -> str:
    """A plot with axes, ticks, labels and sometimes a legend."""
    size = rng.choice([5.0, 5.5, 6.0, 7.0, 8.0])
    frame = _Frame(rng, width, height, size)
    draw: Callable[[_Frame], str] = rng.choice([_bars, _bars, _lines, _lines, _scatter, _boxes, _survival, _histogram])
    return frame.wrap(draw(frame))


class _Frame:
    """Axes of a plot: the drawing area, colours, tick labels and titles."""

    def __init__(self, rng: random.Random, width: float, height: float, size: float) -> None:
        self.rng, self.width, self.height, self.size = rng, width, height, size
        self.left, self.bottom = size * rng.uniform(4.0, 4.8), size * rng.uniform(3.2, 3.8)
        self.top = size * rng.choice([0.8, 0.8, 2.2])
        self.right = size * 0.8
        self.w, self.h = max(10.0, width - self.left - self.right), max(10.0, height - self.top - self.bottom)
        self.colours = rng.choice(PALETTES)
        self.font = rng.choice(SVG_FONTS)
        self.series = rng.choice([1, 2, 2, 3, 4])
        self.groups = rng.randint(2, max(2, min(8, int(self.w / (size * 2.6)))))
        self.numeric_x = False

    def x(self, share: float) -> float:
        return self.left + share * self.w

    def y(self, share: float) -> float:
        return self.top + (1 - share) * self.h

    def wrap(self, marks: str) -> str:
        rng, s = self.rng, self.size
        parts = []
        num_ticks = rng.randint(3, 6)
        top_value = rng.choice([1, 5, 10, 20, 50, 100, 100, 1000])
        if rng.random() < 0.25:
            parts += [line(self.x(0), self.y(i / num_ticks), self.x(1), self.y(i / num_ticks), "#cccccc", 0.4)
                      for i in range(1, num_ticks + 1)]  # fmt: skip
        parts.append(marks)
        for i in range(num_ticks + 1):
            value = top_value * i / num_ticks
            label = f"{value:.0f}" if top_value >= 10 else f"{value:.1f}"
            parts.append(line(self.x(0) - s * 0.4, self.y(i / num_ticks), self.x(0), self.y(i / num_ticks)))
            parts.append(text(self.x(0) - s * 0.6, self.y(i / num_ticks) + s * 0.35, label, s, "end"))
        if self.numeric_x:
            step = rng.choice([1, 2, 5, 10, 20, 100])
            for i in range(num_ticks + 1):
                parts.append(line(self.x(i / num_ticks), self.y(0), self.x(i / num_ticks), self.y(0) + s * 0.4))
                parts.append(text(self.x(i / num_ticks), self.y(0) + s * 1.4, str(step * i), s, "middle"))
        else:
            for i in range(self.groups):
                name = rng.choice([rng.choice(words.ABBREVIATIONS), f"{'ABCDEFGH'[i % 8]}{i}", str(2000 + i)])[:6]
                parts.append(text(self.x((i + 0.5) / self.groups), self.y(0) + s * 1.4, name, s, "middle"))
        if rng.random() < 0.35:
            parts.append(rect(self.x(0), self.y(1), self.w, self.h, "none", "#000000", 0.6))
        else:
            parts.append(line(self.x(0), self.y(0), self.x(1), self.y(0)))
            parts.append(line(self.x(0), self.y(0), self.x(0), self.y(1)))
        label = f"{rng.choice(words.NOUNS).capitalize()} ({rng.choice(words.UNITS)})"
        parts.append(text(self.left + self.w / 2, self.height - s * 0.5, label, s, "middle"))
        turned = f"{rng.choice(words.MODIFIERS).capitalize()} {rng.choice(words.NOUNS)}"[: int(self.h / (s * 0.55))]
        turn = f"translate({s * 0.95:.1f} {self.y(0.5):.1f}) rotate(-90)"
        parts.append(f'<g transform="{turn}">{text(0, 0, turned, s, "middle")}</g>')
        if self.top > s * 2:
            parts.append(text(self.x(0.5), s * 1.1, rng.choice(words.NOUNS).capitalize(), s * 1.15, "middle"))
        if self.series > 1 and rng.random() < 0.7:
            parts.append(self._legend())
        return f'<g font-family="{self.font}">{"".join(parts)}</g>'

    def _legend(self) -> str:
        s, rng = self.size, self.rng
        x, y = self.x(rng.choice([0.04, 0.62])), self.top + s * 0.6
        parts = []
        for i in range(self.series):
            top = y + i * s * 1.25
            parts.append(rect(x, top, s * 0.8, s * 0.8, self.colours[i], "#000000", 0.3))
            parts.append(text(x + s * 1.2, top + s * 0.8, rng.choice(words.NOUNS)[:10].capitalize(), s, "start"))
        return "".join(parts)


def _bars(f: _Frame) -> str:
    rng, parts = f.rng, []
    share = 0.75 / f.groups / f.series
    for g in range(f.groups):
        for k in range(f.series):
            value = rng.uniform(0.1, 0.9)
            x = f.x((g + 0.5) / f.groups + (k - f.series / 2) * share)
            colour = f.colours[k]
            parts.append(rect(x, f.y(value), share * f.w * 0.92, value * f.h, colour, "#000000", 0.4))
            middle = x + share * f.w * 0.46
            parts.append(line(middle, f.y(value), middle, f.y(min(1, value + rng.uniform(0.02, 0.1)))))
            if rng.random() < 0.15:
                parts.append(text(middle, f.y(min(1, value + 0.1)) - 1, "*", f.size * 1.2, "middle"))
    return "".join(parts)


def _lines(f: _Frame) -> str:
    rng, parts = f.rng, []
    f.numeric_x = True
    count = rng.randint(4, 26)
    dashes = rng.random() < 0.4
    for k in range(f.series):
        level, points = rng.uniform(0.15, 0.8), []
        for i in range(count):
            level = min(0.97, max(0.03, level + rng.gauss(0, 0.09)))
            points.append((f.x(i / (count - 1)), f.y(level)))
        colour = "#000000" if f.colours[k] == "#ffffff" else f.colours[k]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = f' stroke-dasharray="{2 + k},{1 + k}"' if dashes and k else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="0.8"{dash}/>')
        if count < 12:
            parts += [dot(x, y, 1.4, colour) for x, y in points]
    return "".join(parts)


def _scatter(f: _Frame) -> str:
    rng, parts = f.rng, []
    f.numeric_x = True
    slope = rng.uniform(-0.8, 0.8)
    for k in range(min(2, f.series)):
        colour = "#333333" if f.colours[k] == "#ffffff" else f.colours[k]
        for _ in range(rng.randint(10, 60)):
            x = rng.random()
            y = 0.5 + slope * (x - 0.5) + rng.gauss(0, 0.12)
            if 0.02 < y < 0.98:
                parts.append(dot(f.x(x), f.y(y), 1.1, colour))
    parts.append(line(f.x(0), f.y(0.5 - slope / 2), f.x(1), f.y(0.5 + slope / 2), "#000000", 0.7))
    return "".join(parts)


def _boxes(f: _Frame) -> str:
    rng, parts = f.rng, []
    for g in range(f.groups):
        low, high = rng.uniform(0.15, 0.4), rng.uniform(0.5, 0.8)
        middle, half = f.x((g + 0.5) / f.groups), 0.25 * f.w / f.groups
        parts.append(line(middle, f.y(low - 0.1), middle, f.y(high + 0.12)))
        parts.append(rect(middle - half, f.y(high), 2 * half, (high - low) * f.h, f.colours[g % 4], "#000000", 0.5))
        mean = rng.uniform(low + 0.05, high - 0.05)
        parts.append(line(middle - half, f.y(mean), middle + half, f.y(mean), "#000000", 1.0))
    return "".join(parts)


def _survival(f: _Frame) -> str:
    rng, parts = f.rng, []
    f.numeric_x = True
    for k in range(max(2, f.series)):
        level, x, path = 1.0, 0.0, f"M{f.x(0):.1f} {f.y(1):.1f}"
        while x < 1:
            x = min(1.0, x + rng.uniform(0.02, 0.12))
            path += f" H{f.x(x):.1f}"
            level = max(0.05, level - rng.uniform(0.0, 0.09) * (k + 1) / 2)
            path += f" V{f.y(level):.1f}"
        colour = "#000000" if f.colours[k % 4] == "#ffffff" else f.colours[k % 4]
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="0.9"/>')
    return "".join(parts)


def _histogram(f: _Frame) -> str:
    f.numeric_x = True
    count = f.rng.randint(8, 30)
    centre, spread, parts = f.rng.uniform(0.3, 0.7), f.rng.uniform(0.1, 0.3), []
    for i in range(count):
        value = 0.92 * math.exp(-(((i + 0.5) / count - centre) ** 2) / (2 * spread**2)) * f.rng.uniform(0.75, 1.0)
        parts.append(rect(f.x(i / count), f.y(value), f.w / count, value * f.h, f.colours[1], "#222222", 0.3))
    return "".join(parts)
