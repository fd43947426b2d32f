"""A journal's house style: paper, columns, fonts, headings and captions, drawn by seed.

`journal_families` bends a drawn style towards a known publisher; `running_heads` adds what repeats on every page.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Families to choose from; those not installed are left out at run time. Debian: fonts-liberation fonts-dejavu-core
# fonts-texgyre fonts-lmodern fonts-crosextra-carlito fonts-crosextra-caladea fonts-open-sans fonts-roboto-unhinted
# fonts-lato fonts-ebgaramond fonts-linuxlibertine fonts-gfs-didot fonts-gfs-artemisia fonts-gfs-neohellenic
# fonts-urw-base35 fonts-junicode fonts-stix fonts-oldstandard fonts-sil-gentiumplus fonts-sil-charis fonts-cantarell
# fonts-inter
SERIF_FAMILIES = (
    "TeX Gyre Termes", "Liberation Serif", "TeX Gyre Pagella", "Nimbus Roman", "EB Garamond", "Linux Libertine O",
    "Caladea", "Charis SIL", "Gentium Plus", "STIX", "Old Standard", "Junicode", "GFS Didot", "GFS Artemisia",
    "C059", "P052", "TeX Gyre Schola", "TeX Gyre Bonum", "Latin Modern Roman", "Libertinus Serif", "DejaVu Serif",
)  # fmt: skip
SANS_FAMILIES = (
    "Liberation Sans", "TeX Gyre Heros", "Nimbus Sans", "Carlito", "Open Sans", "Roboto", "Lato", "Inter",
    "Cantarell", "GFS Neohellenic", "TeX Gyre Adventor", "URW Gothic", "DejaVu Sans", "Liberation Sans Narrow",
)  # fmt: skip
MONO_FAMILIES = ("Liberation Mono", "Latin Modern Mono", "TeX Gyre Cursor", "DejaVu Sans Mono")
FALLBACK_FAMILIES = ("Libertinus Serif", "DejaVu Sans Mono")  # inside the typst wheel

BLACK = "#000000"
_ACCENTS = (BLACK, BLACK, BLACK, "#1f3864", "#005a9c", "#b22222", "#00696b", "#5a3e85", "#2e6b34", "#8a4b08")
_PAPERS_WH = (
    (595.3, 841.9), (595.3, 841.9), (595.3, 790.9), (612.0, 792.0), (612.0, 792.0), (595.3, 793.7), (544.0, 742.0),
    (567.0, 794.0), (584.0, 783.0), (498.9, 708.7),
)  # fmt: skip


@dataclass(frozen=True)
class HeadingStyle:
    """How headings of one level look. `grow` in body sizes, `above` and `below` in heading sizes."""

    grow: float
    weight: str = "bold"
    italic: bool = False
    fill: str = BLACK
    case: str = "as-is"  # "upper", "small-caps"
    above: float = 1.0
    below: float = 0.3
    align: str = "left"


@dataclass(frozen=True)
class HouseStyle:
    """Everything a document's pages have in common. Lengths in points unless said otherwise."""

    paper_wh: tuple[float, float]
    margins: tuple[float, float, float, float]  # left, top, right, bottom
    columns: int
    gutter: float
    body_font: str
    head_font: str
    mono_font: str
    size: float
    pitch: float  # baseline to baseline, in font sizes
    justify: bool
    indent: float  # first line, in font sizes
    indent_all: bool  # also the paragraph after a heading
    paragraph_gap: float  # in pitches
    accent: str
    small: float  # size of captions and tables
    manual: bool  # software manual or report, not an article
    outdent: float  # headings start this far left of the text
    headings: tuple[HeadingStyle, HeadingStyle, HeadingStyle]
    numbered: bool
    number_dot: str  # after the last number of a heading
    figure_lead: str  # "{}" is the number
    table_lead: str
    lead_case: str  # "bold", "small-caps", "plain"
    caption_font: str
    caption_centred: bool
    table_caption_above: bool

    @property
    def text_wh(self) -> tuple[float, float]:
        """Size of the type area."""
        left, top, right, bottom = self.margins
        return self.paper_wh[0] - left - right, self.paper_wh[1] - top - bottom

    @property
    def column_width(self) -> float:
        """Width of one column."""
        return (self.text_wh[0] - self.gutter * (self.columns - 1)) / self.columns

    @property
    def lines_per_page(self) -> float:
        """Body lines that fit a page, all columns together."""
        return self.columns * self.text_wh[1] / (self.size * self.pitch)

    @property
    def words_per_line(self) -> float:
        """Words that fit a column's line: a word and its space are about 6.4 letters of .46 em."""
        return self.column_width / (self.size * 0.46 * 6.4)


def draw_style(rng: random.Random, families: Sequence[str]) -> HouseStyle:
    """Draw a house style; `families` are the installed font families."""
    columns = rng.choices([1, 2, 3], [0.26, 0.68, 0.06])[0]
    manual = columns == 1 and rng.random() < 0.4
    side = 36 + rng.uniform(0.1, 1.0) * (18 if columns > 1 else 36)
    left, outdent = side, 0.0
    if columns == 1 and rng.random() < 0.4:
        extra = rng.uniform(30, 130)
        left += extra
        outdent = extra if rng.random() < 0.5 else 0.0
    size = {1: rng.uniform(8.8, 11.8), 2: rng.uniform(7.8, 10.4), 3: rng.uniform(7.0, 8.8)}[columns]
    spaced = rng.random() < (0.3 if columns > 1 else 0.55)
    serif, sans = installed(SERIF_FAMILIES, families), installed(SANS_FAMILIES, families)
    body = rng.choice(serif) if rng.random() < (0.3 if manual else 0.78) else rng.choice(sans)
    head = body if rng.random() < 0.45 else rng.choice(sans)
    accent = rng.choice(_ACCENTS)
    figure_lead, table_lead = rng.choice(
        [("Figure {}.", "Table {}."), ("Fig. {}", "Table {}"), ("Figure {}:", "Table {}:"), ("Fig. {}.", "Table {}."),
         ("FIGURE {}.", "TABLE {}."), ("Figure {}", "Table {}"), ("FIGURE {} |", "TABLE {} |")]
    )  # fmt: skip
    return HouseStyle(
        paper_wh=rng.choice(_PAPERS_WH),
        margins=(left, rng.uniform(44, 84), side, rng.uniform(44, 80)),
        columns=columns,
        gutter=rng.uniform(11, 26),
        body_font=body,
        head_font=head,
        mono_font=rng.choice(installed(MONO_FAMILIES, families)),
        size=round(size, 1),
        pitch=rng.uniform(1.1, 1.32) if rng.random() < 0.92 else rng.uniform(1.4, 2.0),
        justify=rng.random() < (0.35 if manual else 0.88),
        indent=0 if spaced else rng.choice([1, 1, 1.5, 2]),
        indent_all=rng.random() < 0.5,
        paragraph_gap=rng.uniform(0.4, 1.0) if spaced else rng.choice([0, 0, 0, 0.15]),
        accent=accent,
        small=round(size * rng.uniform(0.78, 0.95), 1),
        manual=manual,
        outdent=outdent,
        headings=_draw_headings(rng, accent, manual),
        numbered=rng.random() < 0.35,
        number_dot=rng.choice([".", "", ""]),
        figure_lead=figure_lead,
        table_lead=table_lead,
        lead_case=rng.choices(["bold", "plain", "small-caps"], [0.75, 0.15, 0.1])[0],
        caption_font=head if rng.random() < 0.4 else body,
        caption_centred=rng.random() < 0.15,
        table_caption_above=rng.random() < 0.9,
    )


def installed(wanted: Sequence[str], families: Sequence[str]) -> list[str]:
    """Those of `wanted` that are installed, or the families every typst carries."""
    return [name for name in wanted if name in families] or list(FALLBACK_FAMILIES)


def _draw_headings(rng: random.Random, accent: str, manual: bool) -> tuple[HeadingStyle, HeadingStyle, HeadingStyle]:
    levels = []
    for level in (1, 2, 3):
        grow = {1: rng.choice([1.0, 1.1, 1.2, 1.3, 1.5]), 2: rng.choice([1.0, 1.0, 1.1, 1.2]), 3: 1.0}[level]
        if manual:
            grow = {1: rng.uniform(1.6, 2.2), 2: rng.uniform(1.25, 1.5), 3: 1.1}[level]
        weight = rng.choice(["bold", "bold", "bold", "regular" if level > 1 else "bold"])
        case = rng.choices(["as-is", "upper", "small-caps"], [0.72, 0.22, 0.06])[0] if level == 1 else "as-is"
        levels.append(
            HeadingStyle(
                grow=grow,
                weight=weight,
                italic=level > 1 and (weight == "regular" or rng.random() < 0.35),
                fill=accent if rng.random() < 0.7 else BLACK,
                case=case,
                above=rng.uniform(0.7, 1.9) if level < 3 else rng.uniform(0.5, 1.0),
                below=rng.choice([0.1, 0.15, 0.2, 0.3, 0.5, 0.8]),
                align="center" if rng.random() < 0.12 else "left",
            )
        )
    return levels[0], levels[1], levels[2]


def style_rules(style: HouseStyle) -> str:
    """Typst set and show rules of a style: page, text, paragraphs and headings."""
    left, top, right, bottom = style.margins
    lines = [
        f"#set page(width: {style.paper_wh[0]}pt, height: {style.paper_wh[1]}pt, margin: (left: {left:.1f}pt, "
        f"top: {top:.1f}pt, right: {right:.1f}pt, bottom: {bottom:.1f}pt), columns: {style.columns})",
        f"#set columns(gutter: {style.gutter:.1f}pt)",
        f'#set text(font: "{style.body_font}", size: {style.size}pt, lang: "en", top-edge: 0.75em, '
        f"bottom-edge: -0.25em, hyphenate: {str(style.justify).lower()})",
        f"#set par(justify: {str(style.justify).lower()}, leading: {style.pitch - 1:.3f}em, "
        f"spacing: {style.pitch - 1 + style.pitch * style.paragraph_gap:.3f}em, "
        f"first-line-indent: (amount: {style.indent}em, all: {str(style.indent_all).lower()}))",
        "#show heading: set par(justify: false, first-line-indent: 0em, leading: 0.1em)",
        "#set super(typographic: false)",
        f'#show raw: set text(font: "{style.mono_font}", size: {style.size * 0.85:.1f}pt)',
        "#show raw: set par(justify: false)",
    ]
    for level, look in enumerate(style.headings, start=1):
        body = {"upper": "upper(it.body)", "small-caps": "smallcaps(it.body)"}.get(look.case, "it.body")
        lines.append(
            f"#show heading.where(level: {level}): it => block(above: {look.above:.2f}em, below: {look.below:.2f}em, "
            f"sticky: true, width: 100%, inset: (left: {-style.outdent if level < 3 else 0:.1f}pt), "
            f'align({look.align}, text(font: "{style.head_font}", size: {style.size * look.grow:.1f}pt, '
            f'weight: "{look.weight}", style: "{"italic" if look.italic else "normal"}", fill: rgb("{look.fill}"), '
            f"hyphenate: false, {body})))"
        )
    return "\n".join(lines)
