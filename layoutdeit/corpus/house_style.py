"""A journal's house style: paper, columns, fonts, headings, running heads; drawn by seed, written as Typst set rules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.prose import Prose, escape

# Families to choose from, body faces first by realism; those not installed are left out at run time.
SERIF_FAMILIES = (
    "TeX Gyre Termes", "Liberation Serif", "TeX Gyre Pagella", "Nimbus Roman", "EB Garamond", "Linux Libertine O",
    "Caladea", "Charis SIL", "Gentium Plus", "STIX", "Old Standard", "Junicode", "GFS Didot", "GFS Artemisia",
    "C059", "P052", "TeX Gyre Schola", "TeX Gyre Bonum", "Latin Modern Roman", "Libertinus Serif", "DejaVu Serif",
)  # fmt: skip
SANS_FAMILIES = (
    "Liberation Sans", "TeX Gyre Heros", "Nimbus Sans", "Carlito", "Open Sans", "Roboto", "Lato", "Inter",
    "Cantarell", "GFS Neohellenic", "TeX Gyre Adventor", "URW Gothic", "DejaVu Sans", "Liberation Sans Narrow",
)  # fmt: skip
FALLBACK_FAMILIES = ("Libertinus Serif", "DejaVu Sans Mono")  # inside the typst wheel

_ACCENTS = (
    "#000000",
    "#000000",
    "#000000",
    "#1f3864",
    "#005a9c",
    "#b22222",
    "#00696b",
    "#5a3e85",
    "#2e6b34",
    "#8a4b08",
)


@dataclass(frozen=True)
class HouseStyle:
    """Everything a document's pages have in common. Lengths in points."""

    paper_wh: tuple[float, float]
    margins: tuple[float, float, float, float]  # left, top, right, bottom
    columns: int
    gutter: float
    body_font: str
    head_font: str
    size: float
    pitch: float  # baseline to baseline, in font sizes
    justify: bool
    indent: float  # first line, in font sizes
    paragraph_gap: float  # in pitches
    accent: str
    small: float  # size of captions, tables and references
    manual: bool

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
        """Words that fit a column's line: a word is about six letters of .46 em."""
        return self.column_width / (self.size * 0.46 * 6.4)


def draw_style(rng: random.Random, families: Sequence[str]) -> HouseStyle:
    """Draw a house style; `families` are the installed font families."""
    paper_wh = rng.choice(
        [(595.3, 841.9), (595.3, 790.9), (612, 792), (612, 792), (595.3, 793.7), (544, 742), (567, 794)]
    )
    columns = rng.choices([1, 2, 3], [0.27, 0.66, 0.07])[0]
    manual = columns == 1 and rng.random() < 0.35
    wide = rng.uniform(0.2, 1.0)
    side = 36 + wide * (18 if columns > 1 else 34)
    left, right = side, side
    if columns == 1 and rng.random() < 0.3:
        left += rng.uniform(30, 130)
    size = rng.uniform(7.6, 10.6) if columns > 1 else rng.uniform(8.8, 11.8)
    if columns == 3:
        size = rng.uniform(7.0, 8.8)
    spaced = rng.random() < (0.3 if columns > 1 else 0.55)
    serif = [name for name in SERIF_FAMILIES if name in families] or [FALLBACK_FAMILIES[0]]
    sans = [name for name in SANS_FAMILIES if name in families] or [FALLBACK_FAMILIES[1]]
    body = rng.choice(serif) if rng.random() < (0.3 if manual else 0.78) else rng.choice(sans)
    return HouseStyle(
        paper_wh=paper_wh,
        margins=(left, rng.uniform(44, 84), right, rng.uniform(44, 80)),
        columns=columns,
        gutter=rng.uniform(11, 26),
        body_font=body,
        head_font=body if rng.random() < 0.5 else rng.choice(sans),
        size=round(size, 1),
        pitch=rng.uniform(1.1, 1.32) if rng.random() < 0.92 else rng.uniform(1.4, 2.0),
        justify=rng.random() < (0.88 if not manual else 0.35),
        indent=0 if spaced else rng.choice([1, 1, 1.5, 2]),
        paragraph_gap=rng.uniform(0.4, 1.0) if spaced else rng.choice([0, 0, 0, 0.15]),
        accent=rng.choice(_ACCENTS),
        small=round(size * rng.uniform(0.78, 0.95), 1),
        manual=manual,
    )


def preamble(style: HouseStyle, rng: random.Random, prose: Prose, first_page: int) -> str:
    """Typst set and show rules for the whole document, running heads and feet included."""
    left, top, right, bottom = style.margins
    lines = [
        f"#set page(width: {style.paper_wh[0]}pt, height: {style.paper_wh[1]}pt, margin: (left: {left:.1f}pt, "
        f"top: {top:.1f}pt, right: {right:.1f}pt, bottom: {bottom:.1f}pt), columns: {style.columns}, "
        f"header-ascent: {rng.uniform(14, 60):.0f}%, footer-descent: {rng.uniform(20, 50):.0f}%)",
        f"#set columns(gutter: {style.gutter:.1f}pt)",
        f'#set text(font: "{style.body_font}", size: {style.size}pt, lang: "en", top-edge: 0.75em, '
        f"bottom-edge: -0.25em, hyphenate: {'true' if style.justify else 'false'})",
        f"#set par(justify: {str(style.justify).lower()}, leading: {style.pitch - 1:.3f}em, "
        f"spacing: {style.pitch - 1 + style.pitch * style.paragraph_gap:.3f}em, "
        f"first-line-indent: (amount: {style.indent}em, all: {str(rng.random() < 0.5).lower()}))",
        f"#counter(page).update({first_page})",
        _running(style, rng, prose),
        "#show heading: set par(justify: false, first-line-indent: 0em)",
        "#set super(typographic: false)",
        *[_heading_rule(style, rng, level) for level in (1, 2, 3)],
    ]
    if rng.random() < 0.03:
        lines.append(f"#set par.line(numbering: n => text(size: {style.size * 0.7:.1f}pt, fill: gray)[#n])")
    return "\n".join(lines)


def _heading_rule(style: HouseStyle, rng: random.Random, level: int) -> str:
    grow = {1: rng.choice([1.0, 1.1, 1.2, 1.3, 1.5]), 2: rng.choice([1.0, 1.0, 1.1, 1.2]), 3: 1.0}[level]
    if style.manual:
        grow = {1: 1.7, 2: 1.35, 3: 1.1}[level]
    weight = rng.choice(["bold", "bold", "bold", "regular" if level > 1 else "bold"])
    italic = level > 1 and (weight == "regular" or rng.random() < 0.35)
    fill = style.accent if rng.random() < 0.7 else "#000000"
    body = "it.body"
    case = rng.random()
    if level == 1 and case < 0.22:
        body = "upper(it.body)"
    elif level == 1 and case < 0.28:
        body = "smallcaps(it.body)"
    above = rng.uniform(0.7, 1.9) if level < 3 else rng.uniform(0.5, 1.0)
    below = rng.choice([0.15, 0.2, 0.3, 0.5, 0.8])
    alignment = "center" if rng.random() < 0.12 else "left"
    return (
        f"#show heading.where(level: {level}): it => block(above: {above:.2f}em, below: {below:.2f}em, sticky: true, "
        f'width: 100%, align({alignment}, text(font: "{style.head_font}", size: {style.size * grow:.1f}pt, '
        f'weight: "{weight}", style: "{"italic" if italic else "normal"}", fill: rgb("{fill}"), hyphenate: false, {body})))'
    )


def _running(style: HouseStyle, rng: random.Random, prose: Prose) -> str:
    journal = escape(journal_name(rng))
    surname = escape(rng.choice(words.SURNAMES))
    font = style.head_font if rng.random() < 0.6 else style.body_font
    size = rng.uniform(6.0, 9.0)
    number = rng.choice(
        ["#context counter(page).display()", f"Page #context{{counter(page).display()}} of {rng.randint(8, 20)}"]
    )
    doi = f"doi: 10.{rng.randint(1000, 9999)}/j.{rng.randint(10000, 99999)}.{rng.randint(100, 999)}"
    pieces = [f"{surname} #emph[et al.] #emph[{journal}] ({rng.randint(2005, 2018)}) {rng.randint(1, 20)}:{rng.randint(1, 400)}",
              f"#emph[{journal}]", journal, escape(prose.title(5)), doi, f"{surname} et al.",
              f"www.{journal.split()[0].lower()}.org", f"Volume {rng.randint(1, 40)} | Article {rng.randint(1, 900)}"]  # fmt: skip
    rule = f'#v(-{rng.uniform(0.2, 0.6):.1f}em)#line(length: 100%, stroke: {rng.choice([0.4, 0.5, 1])}pt + rgb("{style.accent}"))'
    fill = rng.choice(["black", "black", "gray", 'rgb("%s")' % style.accent])

    def strip(pieces: list[str], ruled: bool) -> str:
        content = " #h(1fr) ".join(pieces) if len(pieces) > 1 else f"#align(center)[{pieces[0]}]"
        return f'#text(font: "{font}", size: {size:.1f}pt, fill: {fill})[{content}]{rule if ruled else ""}'

    header = [rng.choice(pieces), number] if rng.random() < 0.7 else [rng.choice(pieces)]
    footer = [rng.choice(pieces), rng.choice(pieces)] if rng.random() < 0.4 else [number]
    lines = []
    if rng.random() < 0.85:
        lines.append(f"#set page(header: [{strip(header, rng.random() < 0.4)}])")
    if rng.random() < 0.75:
        lines.append(f"#set page(footer: [{strip(footer, False)}])")
    background = ""
    if rng.random() < 0.05:
        word = rng.choice(["PAPERS", "REVIEW", "RESEARCH ARTICLE", "ORIGINAL ARTICLE", "POLICY"])
        background += (
            f'#place(top + right, block(width: 24pt, height: {rng.randint(120, 260)}pt, fill: rgb("{style.accent}").lighten(40%), '
            f'inset: 4pt, align(bottom, rotate(-90deg, reflow: true, text(fill: white, font: "{font}")[{word}]))))'
        )
    if rng.random() < 0.06:
        stamp = "Downloaded from http:/\\/www.example.org/ by guest on March 4, 2016"
        background += (
            f"#place(right + horizon, dx: -6pt, rotate(90deg, reflow: true, text(size: 6.5pt, fill: gray)[{stamp}]))"
        )
    if background:
        lines.append(f"#set page(background: [{background}])")
    return "\n".join(lines)


def journal_name(rng: random.Random) -> str:
    """A made-up journal."""
    field = rng.choice(words.FIELDS)
    return rng.choice(
        [f"BMC {field}", f"Journal of {field}", f"International Journal of {field}", f"{field} Research and Practice",
         f"Frontiers in {field}", f"PLoS {field}", f"Advances in {field}", f"{field} Reports", f"Case Reports in {field}"]
    )  # fmt: skip
