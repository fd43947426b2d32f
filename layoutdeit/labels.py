"""The five PubLayNet region classes: id, name and colour, defined here and nowhere else.

Ids follow PubLayNet's category ids (1..5); 0 is background inside a detector.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """A region class: `id` 1..5, its `name`, and its `colour` as RGB in 0..255."""

    id: int
    name: str
    colour: tuple[int, int, int]

    @property
    def hex_colour(self) -> str:
        """The colour as "#rrggbb"."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)

    @property
    def ink(self) -> tuple[int, int, int]:
        """Black or white, whichever reads better on the colour (contrast as in WCAG 2, sec. 1.4.3)."""
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in self.colour)]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return (0, 0, 0) if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else (255, 255, 255)


# Colours from the Okabe-Ito palette: told apart by colour-blind readers, on white paper.
LABELS = (
    Label(1, "text", (0, 114, 178)),
    Label(2, "title", (213, 94, 0)),
    Label(3, "list", (0, 158, 115)),
    Label(4, "table", (204, 121, 167)),
    Label(5, "figure", (140, 110, 0)),
)
NUM_CLASSES = len(LABELS)
LABEL_NAMES = tuple(label.name for label in LABELS)

_BY_NAME = {label.name: label for label in LABELS}


def label_by_name(name: str) -> Label:
    """Return the label called `name`; ValueError names the five that exist."""
    if name not in _BY_NAME:
        raise ValueError(f"unknown label {name!r}: use one of {', '.join(LABEL_NAMES)}")
    return _BY_NAME[name]


def label_by_id(label_id: int) -> Label:
    """Return the label with id 1..5; ValueError otherwise."""
    if not 1 <= label_id <= NUM_CLASSES:
        raise ValueError(f"unknown label id {label_id}: expected 1..{NUM_CLASSES}")
    return LABELS[label_id - 1]
