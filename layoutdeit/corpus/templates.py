"""Whole documents in Typst markup: title pages, running text with floats, lists, tables and references."""

from __future__ import annotations

import random
from collections.abc import Sequence

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.front_matter import front_matter
from layoutdeit.corpus.house_style import HouseStyle, draw_style, preamble
from layoutdeit.corpus.pictures import figure_svg
from layoutdeit.corpus.prose import Prose, escape
from layoutdeit.corpus.tables import table_markup


def document_markup(rng: random.Random, families: Sequence[str], num_pages: int) -> str:
    """A document of about `num_pages` pages: an opening, middle or end of an article, or part of a manual."""
    style = draw_style(rng, families)
    prose = Prose(rng, manual=style.manual)
    opens, ends = rng.random() < 0.5, rng.random() < 0.5
    first_page = 1 if opens else rng.randint(2, 12)
    writer = _Writer(rng, prose, style)
    parts = [preamble(style, rng, prose, first_page)]
    budget = style.lines_per_page * (num_pages if not ends else rng.uniform(1.2, num_pages))
    if opens:
        parts.append(front_matter(rng, prose, style))
        budget -= 0.6 * style.lines_per_page
    else:
        parts.append(writer.paragraph(lower_start=True))
    references = 0.0
    if ends:
        references = min(budget * 0.5, style.lines_per_page * rng.uniform(0.3, 2.2))
    writer.budget = budget - references
    parts.append(writer.body())
    if ends:
        parts.append(writer.back_matter(references))
    return "\n\n".join(parts)


class _Writer:
    """Writes body elements until the budget of lines is spent."""

    def __init__(self, rng: random.Random, prose: Prose, style: HouseStyle) -> None:
        self.rng, self.prose, self.style = rng, prose, style
        self.budget = 0.0
        self.section = rng.randint(1, 5)
        self.numbered = rng.random() < 0.35
        self.figures, self.tables = rng.randint(1, 5), rng.randint(1, 4)
        self.table_caption_above = rng.random() < 0.88
        self.caption_lead = rng.choice(["Figure {}.", "Fig. {}", "Figure {}:", "FIGURE {}.", "Fig. {}.", "Figure {}"])
        self.caption_bold = rng.random() < 0.75
        self.caption_font = style.head_font if rng.random() < 0.4 else style.body_font
        self.caption_small = style.small
        self.caption_centred = rng.random() < 0.15
        self.float_rate = rng.choice([0.08, 0.15, 0.24])
        self.table_share = rng.uniform(0.3, 0.7)
        self.list_rate = rng.choice([0.01, 0.03, 0.07]) * (2 if style.manual else 1)

    def body(self) -> str:
        """Sections, paragraphs, lists and floats for the budget."""
        rng, parts = self.rng, []
        since_heading = 0
        while self.budget > 0:
            draw = rng.random()
            if since_heading and draw < self.float_rate:
                parts.append(self.float_block())
                continue
            if since_heading and draw < self.float_rate + self.list_rate:
                parts.append(self.list_block())
            elif since_heading and draw < self.float_rate + self.list_rate + 0.02:
                parts.append(self.special_block())
            elif since_heading > rng.choice([1, 2, 3, 4, 6]):
                parts.append(self.heading())
                since_heading = 0
            parts.append(self.paragraph())
            since_heading += 1
        return "\n\n".join(parts)

    def heading(self) -> str:
        """One heading, at times a section followed at once by a subsection."""
        rng = self.rng
        level = rng.choices([1, 2, 3], [0.45, 0.42, 0.13])[0]
        both = level == 1 and rng.random() < 0.3
        out = self._one_heading(level)
        return out + "\n" + self._one_heading(2) if both else out

    def _one_heading(self, level: int) -> str:
        rng = self.rng
        text = (
            rng.choice(words.SECTION_TITLES)
            if rng.random() < 0.6
            else self.prose.title(rng.randint(2, 9 if level > 1 else 6))
        )
        if self.numbered:
            self.section += level == 1
            text = (
                ".".join([str(self.section), *(str(rng.randint(1, 5)) for _ in range(level - 1))])
                + rng.choice([".", "", ""])
                + " "
                + text
            )
        self.budget -= 2.2
        return f"{'=' * level} {escape(text)}"

    def paragraph(self, *, lower_start: bool = False) -> str:
        """A paragraph; now and then with a bold or italic run-in lead or a footnote."""
        rng = self.rng
        num_words = int(rng.choice([18, 40, 60, 80, 110, 150, 200]) * rng.uniform(0.7, 1.3))
        if self.style.manual:
            num_words = int(num_words * 0.55)
        text = self.prose.paragraph_markup(num_words)
        self.budget -= len(text.split()) / self.style.words_per_line + 0.5 + self.style.paragraph_gap
        if lower_start:
            return text[0].lower() + text[1:]
        if rng.random() < 0.05:
            text = f"#{rng.choice(['strong', 'emph'])}[{escape(self.prose.title(4))}.] " + text
        if rng.random() < 0.012:
            text += f"#footnote[{self.prose.paragraph_markup(12)}]"
        return text

    def list_block(self) -> str:
        """A bullet or numbered list, sometimes nested."""
        rng, prose = self.rng, self.prose
        count = rng.randint(2, 9)
        length = rng.choice([3, 8, 14, 25])
        items = []
        for _ in range(count):
            text = prose.paragraph_markup(length) if length > 5 else escape(prose.title(rng.randint(2, 6)))
            if rng.random() < 0.05 and count < 7:
                inner = ", ".join(f"[{escape(prose.title(4))}]" for _ in range(rng.randint(2, 3)))
                text += f" #list(marker: [–], {inner})"
            items.append(f"[{text}]")
            self.budget -= max(1, len(text.split()) / self.style.words_per_line) + 0.3
        spacing = rng.choice(["auto", "auto", "0.6em", "0.8em"])
        indent = rng.choice([0, 0, 6, 12, 18])
        body_indent = rng.choice([3, 5, 8])
        if rng.random() < 0.6:
            marker = rng.choice(["•", "•", "•", "–", "◦", "▪", "‣"])
            return f"#list(marker: [{marker}], indent: {indent}pt, body-indent: {body_indent}pt, spacing: {spacing}, {', '.join(items)})"
        numbering = rng.choice(["1.", "(1)", "1)", "(i)", "a)", "(a)", "i."])
        return f'#enum(numbering: "{numbering}", indent: {indent}pt, body-indent: {body_indent}pt, spacing: {spacing}, {", ".join(items)})'

    def special_block(self) -> str:
        """A tinted box, a block quote or a display equation."""
        rng, prose = self.rng, self.prose
        kind = rng.random()
        if kind < 0.4:
            inner = "\n\n".join(prose.paragraph_markup(rng.randint(15, 50)) for _ in range(rng.randint(1, 3)))
            self.budget -= 10
            tint = rng.choice([f'rgb("{self.style.accent}").lighten(85%)', "luma(235)", "none"])
            stroke = "none" if tint != "none" else "0.5pt"
            return f"#block(fill: {tint}, stroke: {stroke}, inset: 6pt, width: 100%)[\n{inner}\n\n]"
        if kind < 0.7:
            self.budget -= 5
            return f"#pad(x: 12pt)[\n#par[#emph[{prose.paragraph_markup(40)}]]\n\n]"
        self.budget -= 2
        a, b, c = (rng.choice(["alpha", "beta", "x", "y", "sigma", "n", "k", "mu"]) for _ in range(3))
        return rng.choice(
            [f"$ {a} = sum_(i=1)^n ({b}_i - {c})^2 / (n - 1) $", f"$ {a}({b}) = {c} e^(-{b} t) + {a}_0 $"]
        )

    def float_block(self) -> str:
        """A figure or table with its caption, in a column or across the page."""
        rng, style = self.rng, self.style
        is_table = rng.random() < self.table_share
        spans = style.columns > 1 and rng.random() < 0.42
        width = style.text_wh[0] if spans else style.column_width
        body = self._table(width) if is_table else self._figure(width, spans)
        self.budget -= (style.columns if spans else 1) * self._last_height / (style.size * style.pitch)
        if spans:
            return f'#place({rng.choice(["top", "top", "bottom", "auto"])}, float: true, scope: "parent", clearance: {rng.uniform(8, 22):.0f}pt)[\n{body}\n]'
        if rng.random() < 0.6:
            return f"#place({rng.choice(['top', 'top', 'bottom', 'auto'])}, float: true, clearance: {rng.uniform(8, 20):.0f}pt)[\n{body}\n]"
        return f"#block(breakable: false, above: 1.2em, below: 1.2em, width: 100%)[\n{body}\n]"

    def _figure(self, width: float, spans: bool) -> str:
        rng = self.rng
        share = rng.choice([1.0, 1.0, 1.0, 0.9, 0.75, 0.6])
        w = width * share
        h = min(w * rng.uniform(0.3, 0.75 if spans else 1.1), self.style.text_wh[1] * rng.uniform(0.25, 0.5))
        svg = figure_svg(rng, w, h).replace("\\", "\\\\").replace('"', '\\"')
        self.figures += 1
        caption = self._caption(self.caption_lead.format(self.figures), rng.choice([8, 15, 30, 50, 90]))
        self._last_height = h + 40
        align = rng.choice(["center", "center", "left"])
        return f'#align({align}, image(bytes("{svg}"), format: "svg", width: {w:.1f}pt))\n#v({rng.uniform(1, 8):.0f}pt, weak: true)\n{caption}'

    def _table(self, width: float) -> str:
        rng = self.rng
        self.tables += 1
        height = self.style.text_wh[1] * rng.choice([0.2, 0.3, 0.4, 0.5])
        lead = self.caption_lead.replace("Figure", "Table").replace("Fig.", "Table").replace("FIGURE", "TABLE")
        caption = self._caption(lead.format(self.tables), rng.choice([6, 10, 18]))
        table = table_markup(rng, self.prose, self.style, width, height)
        self._last_height = height * 0.8
        notes = ""
        if rng.random() < 0.45:
            notes = f"\n#v({rng.uniform(1, 5):.0f}pt, weak: true)\n" + self._small(
                self.prose.paragraph_markup(rng.choice([6, 15, 30])), 0.92
            )
        gap = f"\n#v({rng.uniform(2, 7):.0f}pt, weak: true)\n"
        return caption + gap + table + notes if self.table_caption_above else table + gap + caption + notes

    def _caption(self, lead: str, num_words: int) -> str:
        lead = f"#strong[{escape(lead)}]" if self.caption_bold else escape(lead)
        text = f"{lead} {self.prose.paragraph_markup(num_words)}"
        return f"#align(center)[{self._small(text)}]" if self.caption_centred and num_words < 16 else self._small(text)

    def _small(self, text: str, scale: float = 1.0) -> str:
        return (
            f'#[#set text(font: "{self.caption_font}", size: {self.caption_small * scale:.1f}pt)\n'
            f"#set par(first-line-indent: 0em, spacing: 0.4em, leading: {min(0.3, self.style.pitch - 1):.2f}em)\n#par[{text}]]"
        )

    def back_matter(self, reference_lines: float) -> str:
        """Closing sections and the reference list."""
        rng, prose, style = self.rng, self.prose, self.style
        parts = []
        for name in rng.sample(words.BACK_MATTER, rng.randint(0, 5)):
            level = rng.choice([1, 2, 2, 3])
            parts.append(f"{'=' * level} {escape(name)}\n{prose.paragraph_markup(rng.randint(8, 50))}")
        parts.append(f"= {rng.choice(['References', 'References', 'REFERENCES', 'Bibliography', 'Literature cited'])}")
        size = style.small * rng.choice([1.0, 0.95, 0.9])
        per_line = style.words_per_line * style.size / size
        items, lines = [], 0.0
        while lines < reference_lines * style.size / size or len(items) < 4:
            text = prose.reference()
            lines += len(text.split()) * 0.95 / per_line + 0.6
            items.append(f"[{escape(text)}]")
        numbering = rng.choice(["1.", "1.", "[1]", "(1)", "1", "none"])
        spacing = rng.choice(["auto", "0.35em", "0.5em", "0.7em"])
        if numbering == "none":
            listed = f"#set par(hanging-indent: {rng.choice([8, 12])}pt)\n#list(marker: none, body-indent: 0pt, spacing: {spacing}, {', '.join(items)})"
        else:
            listed = f'#enum(numbering: "{numbering}", start: {rng.choice([1, 1, 1, 23])}, body-indent: {rng.choice([3, 5, 8])}pt, spacing: {spacing}, {", ".join(items)})'
        parts.append(f"#[#set text(size: {size:.1f}pt)\n#set par(first-line-indent: 0em)\n{listed}]")
        return "\n\n".join(parts)
