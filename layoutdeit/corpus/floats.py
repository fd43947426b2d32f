"""Figures and tables with their captions, in a column or across the page."""

from __future__ import annotations

import random

from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.pictures import figure_svg
from layoutdeit.corpus.prose import Prose, escape
from layoutdeit.corpus.tables import table_markup


class FloatWriter:
    """Writes floats with running numbers; `last_lines` is the column lines the latest one takes."""

    def __init__(self, rng: random.Random, prose: Prose, style: HouseStyle) -> None:
        self.rng, self.prose, self.style = rng, prose, style
        self.figures, self.tables = rng.randint(0, 4), rng.randint(0, 3)
        self.table_share = rng.uniform(0.25, 0.7)
        self.framed = rng.random() < 0.06  # BioMed Central's rounded frame around figure and caption
        self.shaded_captions = rng.random() < 0.04
        self.clearance = rng.uniform(8, 22)
        self.last_lines = 0.0

    def float_block(self) -> str:
        """A figure or a table, placed."""
        rng, style = self.rng, self.style
        is_table = rng.random() < self.table_share
        spans = style.columns > 1 and rng.random() < (0.5 if is_table else 0.45)
        width = style.text_wh[0] if spans else style.column_width
        breakable = is_table and style.columns == 1 and rng.random() < 0.12
        body, height = self._table(width, breakable) if is_table else self._figure(width, spans)
        self.last_lines = (style.columns if spans else 1) * height / (style.size * style.pitch)
        where = rng.choice(["top", "top", "bottom", "auto"])
        if spans:
            return f'#place({where}, float: true, scope: "parent", clearance: {self.clearance:.0f}pt)[\n{body}\n]'
        if not breakable and rng.random() < 0.6:
            return f"#place({where}, float: true, clearance: {self.clearance:.0f}pt)[\n{body}\n]"
        gap = rng.uniform(0.8, 1.8)
        options = f"breakable: {str(breakable).lower()}, above: {gap:.1f}em, below: {gap:.1f}em, width: 100%"
        return f"#block({options})[\n{body}\n]"

    def _figure(self, width: float, spans: bool) -> tuple[str, float]:
        rng = self.rng
        page_height = self.style.text_wh[1]
        w = width * rng.choice([1.0, 1.0, 1.0, 0.9, 0.75, 0.6])
        beside = spans and rng.random() < 0.1
        if beside:
            w = width * rng.uniform(0.5, 0.68)
        tall = rng.choice([0.25, 0.35, 0.45, 0.45, 0.72 if spans else 0.5])
        h = min(w * rng.uniform(0.3, 0.8 if spans else 1.15), page_height * tall)
        if spans and tall > 0.7:
            h = page_height * rng.uniform(0.5, 0.72)
        svg = figure_svg(rng, w, h).replace("\\", "\\\\").replace('"', '\\"')
        image = f'image(bytes("{svg}"), format: "svg", width: {w:.1f}pt)'
        self.figures += 1
        caption = self.caption(self.style.figure_lead, self.figures, rng.choice([6, 12, 25, 40, 60, 90]))
        if beside:
            return f"#grid(columns: ({w:.1f}pt, 1fr), column-gutter: 10pt, {image}, align(top)[{caption}])", h
        gap = rng.uniform(4, 10)
        if self.framed:
            inset = "inset: 5pt, radius: 4pt, stroke: 0.8pt"
            body = f"#block(width: 100%, {inset})[#align(center, {image})\n#v({gap:.0f}pt)\n{caption}]"
            return body, h + 50
        body = f"#align({rng.choice(['center', 'center', 'left'])}, {image})\n#v({gap:.0f}pt, weak: true)\n{caption}"
        return body, h + 40

    def _table(self, width: float, breakable: bool) -> tuple[str, float]:
        rng = self.rng
        self.tables += 1
        most = self.style.text_wh[1] * rng.choice([0.2, 0.3, 0.4, 0.5, 0.7])
        caption = self.caption(self.style.table_lead, self.tables, rng.choice([5, 8, 12, 20]))
        rows = rng.randint(25, 60) if breakable else 0
        table = table_markup(rng, self.prose, self.style, width, most, num_rows=rows)
        notes = ""
        if rng.random() < 0.5:
            lines = [self.prose.paragraph_markup(rng.choice([5, 10, 25])) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
            marked = [f"#super[{mark}]{line}" for mark, line in zip("abc", lines, strict=False)]
            shown = " \\ ".join(marked if rng.random() < 0.5 else lines)
            notes = f"\n#v({rng.uniform(1, 6):.0f}pt, weak: true)\n" + self._small(shown, 0.92)
        gap = f"\n#v({rng.uniform(2, 8):.0f}pt, weak: true)\n"
        above = caption + gap + table.markup + notes
        below = table.markup + gap + caption + notes
        return above if self.style.table_caption_above else below, table.height + 36

    def caption(self, lead: str, number: int, num_words: int) -> str:
        """A caption with its lead ("Figure 3.") in the house's way."""
        style = self.style
        lead = escape(lead.format(number))
        if style.lead_case == "bold":
            lead = f"#strong[{lead}]"
        elif style.lead_case == "small-caps":
            lead = f"#smallcaps[{lead}]"
        text = self._small(f"{lead} {self.prose.paragraph_markup(num_words)}")
        if style.caption_centred and num_words < 16:
            return f"#align(center)[{text}]"
        if self.shaded_captions:
            return f'#block(width: 100%, inset: 3pt, fill: rgb("{style.accent}").lighten(85%))[{text}]'
        return text

    def _small(self, text: str, scale: float = 1.0) -> str:
        style = self.style
        leading = min(0.3, style.pitch - 1)
        return (
            f'#[#set text(font: "{style.caption_font}", size: {style.small * scale:.1f}pt)\n'
            f"#set par(first-line-indent: 0em, spacing: 0.4em, leading: {leading:.2f}em)\n#par[{text}]]"
        )
