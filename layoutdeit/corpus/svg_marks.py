"""The SVG marks that charts and diagrams are made of. Coordinates in points, y down."""

from __future__ import annotations

import math

BLACK = "#000000"


def line(x0: float, y0: float, x1: float, y1: float, colour: str = BLACK, width: float = 0.6) -> str:
    """A straight line."""
    return f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def rect(
    x: float, y: float, w: float, h: float, fill: str, stroke: str = BLACK, width: float = 0.6, radius: float = 0
) -> str:
    """A rectangle, never quite empty."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.1, w):.1f}" height="{max(0.1, h):.1f}" rx="{radius}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{width}"/>'
    )


def dot(x: float, y: float, radius: float, colour: str, stroke: str = "none") -> str:
    """A filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" stroke="{stroke}" stroke-width="0.6"/>'


def text(
    x: float, y: float, words: str, size: float, anchor: str = "start", *, colour: str = BLACK, extra: str = ""
) -> str:
    """One line of text; `anchor` is start, middle or end."""
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="{anchor}" fill="{colour}" {extra}>'
        f"{words}</text>"
    )


def arrow(x0: float, y0: float, x1: float, y1: float) -> str:
    """A line with a head at its end."""
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    bx, by = x1 - 4 * ux, y1 - 4 * uy
    head = f"{x1:.1f},{y1:.1f} {bx - 2 * uy:.1f},{by + 2 * ux:.1f} {bx + 2 * uy:.1f},{by - 2 * ux:.1f}"
    return line(x0, y0, bx, by) + f'<polygon points="{head}" fill="#000000"/>'
