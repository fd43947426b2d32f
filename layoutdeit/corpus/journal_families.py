"""Named template families: a drawn house style bent towards one publisher's pages.

A family can be held out whole (`python -m layoutdeit.corpus make --without plos,mdpi ...` to train, `--families
plos,mdpi ...` to evaluate), which tells how a model does on layouts it was never shown.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from layoutdeit.corpus.house_style import BLACK, HeadingStyle, HouseStyle, draw_style, installed

FAMILY_WEIGHTS = {
    "free": 0.44,  # anything `draw_style` gives
    "hindawi": 0.12,
    "bmc": 0.12,
    "plos": 0.08,
    "mdpi": 0.06,
    "elsevier": 0.10,
    "oxford": 0.08,
}
_TIMES = ("TeX Gyre Termes", "Nimbus Roman", "Liberation Serif", "STIX")
_MINION = ("Caladea", "Charis SIL", "EB Garamond", "Gentium Plus", "Linux Libertine O", "TeX Gyre Termes")
_PALATINO = ("TeX Gyre Pagella", "P052", "TeX Gyre Termes")
_GROTESK = ("Liberation Sans", "TeX Gyre Heros", "Nimbus Sans")
_HUMANIST = ("Open Sans", "Carlito", "Cantarell", "Lato", "GFS Neohellenic")


def draw_family_style(rng: random.Random, families: Sequence[str], chosen: Sequence[str] = ()) -> HouseStyle:
    """Draw a family, all by default, then a style in it. `families`: installed fonts; `chosen`: family names."""
    check_family_names(chosen)
    names = list(chosen or FAMILY_WEIGHTS)
    name = rng.choices(names, [FAMILY_WEIGHTS[each] for each in names])[0]
    style = draw_style(rng, families)
    if name == "free":
        return style
    columns = 1 if name == "plos" and rng.random() < 0.6 else 2
    size = rng.uniform(8.3, 10.2)
    common: dict[str, Any] = {
        "columns": columns,
        "manual": False,
        "outdent": 0.0,
        "justify": True,
        "pitch": rng.uniform(1.12, 1.27),
        "size": round(size, 1),
        "small": round(size * rng.uniform(0.8, 0.92), 1),
        "paper_wh": rng.choice([(595.3, 841.9), (595.3, 790.9), (612.0, 792.0), (601.0, 792.0)]),
        "margins": (rng.uniform(44, 60), rng.uniform(64, 88), rng.uniform(44, 60), rng.uniform(46, 64)),
        "table_caption_above": True,
        "caption_centred": False,
    }
    return replace(style, **(common | _BENDS[name](rng, families, style)))


def check_family_names(chosen: Sequence[str]) -> None:
    """ValueError names the template families there are, if one of `chosen` is not among them."""
    unknown = set(chosen) - set(FAMILY_WEIGHTS)
    if unknown:
        raise ValueError(f"unknown template families {sorted(unknown)}: use some of {', '.join(FAMILY_WEIGHTS)}")


def families_without(held_out: Sequence[str], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The wanted families (all if empty) less those held out. ValueError where a name is unknown or none stays."""
    check_family_names([*held_out, *wanted])
    chosen = tuple(name for name in wanted or FAMILY_WEIGHTS if name not in held_out)
    if not chosen:
        raise ValueError(f"no template family stays: {', '.join(held_out)} are held out")
    return chosen


def _hindawi(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    body = rng.choice(installed(_MINION, families))
    return {
        "paper_wh": (601.0, 792.0), "margins": (50.6, rng.uniform(68, 74), 52.3, rng.uniform(46, 54)), "gutter": 18.0,
        "body_font": body, "head_font": body, "caption_font": body, "accent": BLACK, "indent": 1.5, "indent_all": False,
        "paragraph_gap": 0.0, "numbered": True, "number_dot": ".", "figure_lead": "Figure {}:",
        "table_lead": "Table {}:", "lead_case": "small-caps", "caption_centred": rng.random() < 0.5,
        "headings": (HeadingStyle(1.15, above=1.7, below=0.55),
                     HeadingStyle(1.0, "regular", True, above=1.0, below=0.3),
                     HeadingStyle(1.0, "regular", True, above=0.8, below=0.2)),
    }  # fmt: skip


def _bmc(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    head = rng.choice(installed(_HUMANIST, families))
    return {
        "body_font": rng.choice(installed(_MINION, families)), "head_font": head, "caption_font": head,
        "margins": (56.7, rng.uniform(78, 88), 56.7, rng.uniform(48, 66)), "gutter": 14.2,
        "accent": rng.choice([BLACK, BLACK, "#005a9c", "#1f3864"]), "indent": 1.0, "indent_all": False,
        "paragraph_gap": 0.0, "numbered": False, "figure_lead": rng.choice(["Figure {}", "Fig. {}"]),
        "table_lead": "Table {}", "lead_case": "bold",
        "headings": (HeadingStyle(1.1, above=1.3, below=0.1), HeadingStyle(1.0, above=1.3, below=0.1),
                     HeadingStyle(1.0, "bold", True, above=0.9, below=0.1)),
    }  # fmt: skip


def _plos(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    sans = rng.choice(installed(_GROTESK, families))
    left = rng.uniform(150, 205) if rng.random() < 0.6 else rng.uniform(36, 60)
    return {
        "body_font": rng.choice(installed((*_MINION, *_TIMES), families)), "head_font": sans, "caption_font": sans,
        "margins": (left if style.columns != 2 else 40.0, rng.uniform(64, 88), 38.0, rng.uniform(46, 64)),
        "indent": 1.2, "indent_all": False, "paragraph_gap": 0.0, "numbered": False,
        "figure_lead": rng.choice(["Figure {}.", "Fig {}."]), "table_lead": "Table {}.", "lead_case": "bold",
        "headings": (HeadingStyle(rng.choice([1.2, 1.6]), above=1.1, below=0.35),
                     HeadingStyle(1.15, above=1.0, below=0.25),
                     HeadingStyle(1.05, above=0.8, below=0.15)),
    }  # fmt: skip


def _mdpi(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    body = rng.choice(installed(_PALATINO, families))
    return {
        "columns": 1, "body_font": body, "head_font": body, "caption_font": body, "size": 10.0, "small": 9.0,
        "margins": (76.5, 84.0, 76.5, 60.0), "paper_wh": (595.3, 841.9), "indent": 2.0, "indent_all": False,
        "paragraph_gap": 0.0, "numbered": True, "number_dot": ".", "figure_lead": "Figure {}.",
        "table_lead": "Table {}.", "lead_case": "bold", "caption_centred": rng.random() < 0.6,
        "headings": (HeadingStyle(1.0, above=1.4, below=0.6), HeadingStyle(1.0, "regular", True, above=1.2, below=0.6),
                     HeadingStyle(1.0, "regular", above=1.0, below=0.5)),
    }  # fmt: skip


def _elsevier(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    body = rng.choice(installed(_TIMES if rng.random() < 0.6 else _MINION, families))
    return {
        "body_font": body, "head_font": body, "caption_font": body, "margins": (37.6, 72.0, 37.6, 54.0), "gutter": 18.0,
        "paper_wh": (595.3, 793.7), "size": round(rng.uniform(7.8, 9.0), 1), "small": round(rng.uniform(6.5, 7.4), 1),
        "indent": 1.3, "indent_all": False, "paragraph_gap": 0.0, "numbered": True, "number_dot": ".",
        "figure_lead": "Fig. {}.", "table_lead": "Table {}", "lead_case": "bold",
        "headings": (HeadingStyle(1.0, above=1.6, below=0.9), HeadingStyle(1.0, "regular", True, above=1.3, below=0.9),
                     HeadingStyle(1.0, "regular", True, above=1.2, below=0.4)),
    }  # fmt: skip


def _oxford(rng: random.Random, families: Sequence[str], style: HouseStyle) -> dict[str, Any]:
    sans = rng.choice(installed(_GROTESK, families))
    return {
        "body_font": rng.choice(installed(_TIMES, families)), "head_font": sans, "indent": 1.0, "indent_all": False,
        "paragraph_gap": 0.0, "numbered": rng.random() < 0.3, "figure_lead": "Figure {}.", "table_lead": "Table {}.",
        "lead_case": "bold", "gutter": 17.0, "margins": (46.0, 66.0, 46.0, 50.0),
        "headings": (HeadingStyle(1.0, case=rng.choice(["upper", "as-is"]), above=1.5, below=0.6),
                     HeadingStyle(1.0, above=1.2, below=0.25),
                     HeadingStyle(1.0, "regular", True, above=1.0, below=0.2)),
    }  # fmt: skip


_BENDS = {"hindawi": _hindawi, "bmc": _bmc, "plos": _plos, "mdpi": _mdpi, "elsevier": _elsevier, "oxford": _oxford}
