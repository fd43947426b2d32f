"""What repeats on every page and carries no box: running heads and feet, side tabs, stamps, line numbers."""

from __future__ import annotations

import random

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.prose import Prose, escape


def running_heads(style: HouseStyle, rng: random.Random, prose: Prose, first_page: int) -> str:
    """Typst set rules for header, footer and background. Typst writes all three as artifacts."""
    lines = [
        f"#counter(page).update({first_page})",
        f"#set page(header-ascent: {rng.uniform(14, 60):.0f}%, footer-descent: {rng.uniform(20, 50):.0f}%)",
    ]
    strip = _Strip(style, rng, prose)
    if rng.random() < 0.85:
        lines.append(f"#set page(header: {strip.markup(rng.random() < 0.4, numbered=rng.random() < 0.6)})")
    if rng.random() < 0.75:
        lines.append(f"#set page(footer: {strip.markup(False, numbered=rng.random() < 0.7)})")
    background = _side_tab(style, rng) + _stamp(rng)
    if background:
        lines.append(f"#set page(background: [{background}])")
    if rng.random() < 0.02:
        lines.append(f"#set par.line(numbering: n => text(size: {style.size * 0.7:.1f}pt, fill: gray)[#n])")
    return "\n".join(lines)


def journal_name(rng: random.Random) -> str:
    """A made-up journal."""
    field = rng.choice(words.FIELDS)
    return rng.choice(
        [f"BMC {field}", f"Journal of {field}", f"International Journal of {field}", f"{field} Research and Practice",
         f"Frontiers in {field}", f"PLoS {field}", f"Advances in {field}", f"{field} Reports",
         f"Case Reports in {field}"]
    )  # fmt: skip


class _Strip:
    """One line at the head or foot of the page: one to three pieces, maybe a rule."""

    def __init__(self, style: HouseStyle, rng: random.Random, prose: Prose) -> None:
        self.style, self.rng = style, rng
        name = journal_name(rng)
        journal, surname = escape(name), escape(rng.choice(words.SURNAMES))
        year, volume, article = rng.randint(2005, 2018), rng.randint(1, 40), rng.randint(1, 900)
        self.font = style.head_font if rng.random() < 0.6 else style.body_font
        self.size = rng.uniform(6.0, 9.0)
        self.fill = rng.choice(["black", "black", "gray", f'rgb("{style.accent}")'])
        self.number = rng.choice(
            ["#context counter(page).display()", f"Page #context{{counter(page).display()}} of {rng.randint(8, 20)}"]
        )
        self.pieces = [
            f"{surname} #emph[et al.] #emph[{journal}] ({year}) {volume}:{article}", f"#emph[{journal}]", journal,
            escape(prose.title(5)), f"doi: 10.{rng.randint(1000, 9999)}/j.{rng.randint(10000, 99999)}.{article}",
            f"{surname} et al.", f"www.{name.split()[0].lower()}.org", f"Volume {volume} | Article {article}",
            f"June {year} #h(0.5em) • #h(0.5em) Vol. {volume} No. 1",
            f"#strong[{journal}] {year}, #emph[{volume}], {article}",
        ]  # fmt: skip

    def markup(self, ruled: bool, *, numbered: bool) -> str:
        """Typst content of the strip."""
        rng = self.rng
        pieces = rng.sample(self.pieces, rng.choice([1, 1, 2]))
        if numbered:
            pieces.insert(rng.choice([0, len(pieces)]), self.number)
        content = " #h(1fr) ".join(pieces) if len(pieces) > 1 else f"#align(center)[{pieces[0]}]"
        rule = ""
        if ruled:
            stroke = f'{rng.choice([0.4, 0.5, 1])}pt + rgb("{self.style.accent}")'
            rule = f"#v(-{rng.uniform(0.0, 0.5):.1f}em)#line(length: 100%, stroke: {stroke})"
        return f'[#text(font: "{self.font}", size: {self.size:.1f}pt, fill: {self.fill})[{content}]{rule}]'


def _side_tab(style: HouseStyle, rng: random.Random) -> str:
    if rng.random() > 0.05:
        return ""
    word = rng.choice(["PAPERS", "REVIEW", "RESEARCH ARTICLE", "ORIGINAL ARTICLE", "POLICY", "CHAPTER 3"])
    label = f'rotate(-90deg, reflow: true, text(fill: white, font: "{style.head_font}")[{word}])'
    tint = f'rgb("{style.accent}").lighten({rng.choice([20, 40])}%)'
    return (
        f"#place(top + right, block(width: 24pt, height: {rng.randint(120, 260)}pt, inset: 4pt, "
        f"fill: {tint}, align({rng.choice(['top', 'bottom'])}, {label})))"
    )


def _stamp(rng: random.Random) -> str:
    if rng.random() > 0.06:
        return ""
    stamp = rng.choice(
        ["Downloaded from http:/\\/www.example.org/ by guest on March 4, 2016", "Author Manuscript",
         "Accepted Manuscript", "Published in final edited form"]
    )  # fmt: skip
    side = rng.choice(["right", "left"])
    shift = -6 if side == "right" else 6
    return (
        f"#place({side} + horizon, dx: {shift}pt, rotate(90deg, reflow: true, text(size: 6.5pt, fill: gray)[{stamp}]))"
    )
