"""The body of a document: sections, paragraphs, lists, boxes and floats, and the back matter with its references."""

from __future__ import annotations

import random

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.floats import FloatWriter
from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.prose import Prose, escape


class TextWriter:
    """Writes body elements until the budget of column lines is spent."""

    def __init__(self, rng: random.Random, prose: Prose, style: HouseStyle) -> None:
        self.rng, self.prose, self.style = rng, prose, style
        self.floats = FloatWriter(rng, prose, style)
        self.budget = 0.0
        self.section = rng.randint(0, 4)
        self.float_rate = rng.choice([0.1, 0.2, 0.32, 0.48]) * (0.75 if style.columns == 1 else 1.0)
        self.list_rate = rng.choice([0.01, 0.03, 0.07, 0.12]) * (2 if style.manual else 1)
        self.paragraph_length = rng.uniform(0.7, 1.25)
        self.subsections = rng.uniform(0.3, 0.7)

    def body(self) -> str:
        """Sections, paragraphs, lists and floats for the budget."""
        rng, parts = self.rng, []
        since_heading = 0
        while self.budget > 0:
            if since_heading:
                draw = rng.random()
                if draw < self.float_rate:
                    parts.append(self.floats.float_block())
                    self.budget -= self.floats.last_lines
                    if rng.random() < 0.75:
                        continue
                elif draw < self.float_rate + self.list_rate:
                    parts.append(self.list_block())
                elif draw < self.float_rate + self.list_rate + 0.02:
                    parts.append(self.special_block())
                elif since_heading > rng.choice([0, 1, 1, 2, 3, 5]):
                    parts.append(self.heading())
                    since_heading = 0
            parts.append(self.paragraph())
            since_heading += 1
        return "\n\n".join(parts)

    def heading(self) -> str:
        """One heading, at times a section followed at once by a subsection."""
        level = 1 if self.rng.random() > self.subsections else self.rng.choice([2, 2, 2, 3])
        out = self._one_heading(level)
        return out + "\n" + self._one_heading(2) if level == 1 and self.rng.random() < 0.3 else out

    def _one_heading(self, level: int) -> str:
        rng, style = self.rng, self.style
        longest = 12 if level > 1 and rng.random() < 0.4 else 6
        text = rng.choice(words.SECTION_TITLES) if rng.random() < 0.5 else self.prose.title(rng.randint(2, longest))
        if style.numbered:
            self.section += level == 1
            numbers = [str(self.section), *(str(rng.randint(1, 5)) for _ in range(level - 1))]
            text = ".".join(numbers) + style.number_dot + " " + text
        self.budget -= 2.4
        return f"{'=' * level} {escape(text)}"

    def paragraph(self, *, lower_start: bool = False) -> str:
        """A paragraph; now and then with a bold or italic run-in lead or a footnote."""
        rng, style = self.rng, self.style
        num_words = int(rng.choice([15, 30, 50, 70, 90, 120, 160, 220]) * rng.uniform(0.7, 1.3) * self.paragraph_length)
        text = self.prose.paragraph_markup(int(num_words * 0.55) if style.manual else num_words)
        self.budget -= len(text.split()) / style.words_per_line + 0.5 + style.paragraph_gap
        if lower_start:
            return text[0].lower() + text[1:]
        if rng.random() < 0.06:
            text = f"#{rng.choice(['strong', 'emph'])}[{escape(self.prose.title(4))}.] " + text
        if rng.random() < 0.012:
            text += f"#footnote[{self.prose.paragraph_markup(12)}]"
        return text

    def list_block(self) -> str:
        """A bullet or numbered list, at times nested, set in from both sides or ragged."""
        rng, prose, style = self.rng, self.prose, self.style
        count, length = rng.choice([1, 2, 3, 3, 4, 5, 6, 7, 9, 12]), rng.choice([3, 6, 10, 16, 28, 45])
        has_leads = length > 5 and rng.random() < 0.12
        items = []
        for _ in range(count):
            text = prose.paragraph_markup(length) if length > 5 else escape(prose.title(rng.randint(2, 7)))
            if has_leads:
                text = f"#strong[{escape(prose.title(rng.randint(1, 3)))}{rng.choice('.:')}] {text}"
            if rng.random() < 0.04:
                inner = ", ".join(f"[{escape(prose.title(4))}]" for _ in range(rng.randint(2, 3)))
                text += f" #list(marker: [–], {inner})"
            items.append(f"[{text}]")
            self.budget -= max(1, len(text.split()) / style.words_per_line) + 0.3
        close = f"{style.pitch - 1:.2f}em"
        spacing = rng.choice(["auto", "auto", close, close, "0.5em", "0.8em", "1.1em"])
        options = (
            f"indent: {rng.choice([0, 0, 6, 12, 18])}pt, body-indent: {rng.choice([3, 5, 8, 12])}pt, spacing: {spacing}"
        )
        if rng.random() < 0.55:
            marker = rng.choice(["•", "•", "•", "–", "◦", "▪", "‣"])
            small = f"#text(size: {rng.choice([0.6, 0.8, 1, 1, 1.3])}em)[{marker}]"
            listed = f"#list(marker: [{small}], {options}, {', '.join(items)})"
        else:
            numbering = rng.choice(["1.", "1.", "(1)", "1)", "(i)", "a)", "(a)", "i."])
            start = rng.choice([1, 1, 1, 2, 3])
            listed = f'#enum(numbering: "{numbering}", start: {start}, {options}, {", ".join(items)})'
        if rng.random() < 0.25:
            listed = f"#pad(left: {rng.choice([0, 6, 10, 14])}pt, right: {rng.choice([0, 6, 12, 18])}pt)[{listed}]"
        if rng.random() < 0.3:
            listed = f"#[#set par(justify: false)\n{listed}]"
        gap = rng.choice([0, 0, 0, 0.4, 0.9])
        return f"#v({gap}em)\n{listed}\n#v({gap}em)" if gap else listed

    def special_block(self) -> str:
        """A tinted box, a block quote, a display equation or, in manuals, a listing or note."""
        rng, prose, style = self.rng, self.prose, self.style
        kind = rng.random()
        if style.manual and kind < 0.4:
            self.budget -= 8
            return self._listing()
        if kind < 0.45:
            inner = "\n\n".join(prose.paragraph_markup(rng.randint(15, 50)) for _ in range(rng.randint(1, 3)))
            if rng.random() < 0.5:
                inner = f"=== {escape(prose.title(3))}\n{inner}"
            self.budget -= 10
            tint = rng.choice([f'rgb("{style.accent}").lighten(85%)', "luma(235)", "none"])
            stroke = "none" if tint != "none" else "0.5pt"
            return f"#block(fill: {tint}, stroke: {stroke}, inset: 6pt, width: 100%)[\n{inner}\n\n]"
        if kind < 0.65:
            self.budget -= 5
            return f"#pad(x: 12pt)[\n#par[#emph[{prose.paragraph_markup(40)}]]\n\n]"
        self.budget -= 2
        a, b, c = (rng.choice(["alpha", "beta", "x", "y", "sigma", "n", "k", "mu"]) for _ in range(3))
        number = f"#h(1fr) ({rng.randint(1, 9)})" if rng.random() < 0.3 else ""
        equation = rng.choice([f"{a} = sum_(i=1)^n ({b}_i - {c})^2 / (n - 1)", f"{a}({b}) = {c} e^(-{b} t) + {a}_0"])
        return f"#align(center)[$ {equation} {number}$]" if not number else f"$ {equation} $"

    def _listing(self) -> str:
        rng = self.rng
        lines = []
        for _ in range(rng.randint(3, 10)):
            name, value = rng.choice(words.NOUNS), rng.choice(words.NOUNS)
            shapes = [f"{name}.{value} = {rng.randint(0, 99)}", f"set {name} --{value}",
                      f"{name}({value}, {rng.randint(1, 9)})", f"$ {name} -{value[0]} /etc/{value}"]  # fmt: skip
            lines.append(" " * rng.choice([0, 0, 2, 4]) + rng.choice(shapes))
        fill = rng.choice(["none", "luma(240)"])
        code = "\n".join(lines)
        return f"#block(fill: {fill}, inset: 4pt, width: 100%)[\n```\n{code}\n```\n]"

    def back_matter(self, reference_lines: float) -> str:
        """Closing sections and a reference list of about `reference_lines` body lines."""
        rng, prose = self.rng, self.prose
        parts = []
        for name in rng.sample(words.BACK_MATTER, rng.randint(0, 5)):
            level = rng.choice([1, 2, 2, 3])
            text = prose.paragraph_markup(rng.randint(8, 50))
            if rng.random() < 0.15:
                parts.append(f"#strong[{escape(name)}:] {text}")
            else:
                parts.append(f"{'=' * level} {escape(name)}\n{text}")
        parts.append(f"= {rng.choice(['References', 'References', 'REFERENCES', 'Bibliography', 'Literature cited'])}")
        parts.append(self._references(reference_lines))
        return "\n\n".join(parts)

    def _references(self, reference_lines: float) -> str:
        rng, style = self.rng, self.style
        size = style.small * rng.choice([1.0, 0.95, 0.9])
        per_line = style.words_per_line * style.size / size
        items, lines = [], 0.0
        while lines < reference_lines * style.size / size or len(items) < 4:
            text = self.prose.reference()
            lines += len(text.split()) * 0.95 / per_line + 0.6
            items.append(f"[{escape(text)}]")
        numbering = rng.choice(["1.", "1.", "1.", "[1]", "[1]", "(1)", "1", "none"])
        spacing = rng.choice(["auto", "0.2em", "0.35em", "0.5em", "0.7em"])
        joined = ", ".join(items)
        if numbering == "none":
            hang = f"#set par(hanging-indent: {rng.choice([8, 12])}pt)\n"
            listed = f"{hang}#list(marker: none, body-indent: 0pt, spacing: {spacing}, {joined})"
        else:
            options = f"start: {rng.choice([1, 1, 1, 23])}, body-indent: {rng.choice([3, 5, 8])}pt, spacing: {spacing}"
            listed = f'#enum(numbering: "{numbering}", {options}, {joined})'
        leading = rng.choice([style.pitch - 1, 0.1, 0.15])
        return f"#[#set text(size: {size:.1f}pt)\n#set par(first-line-indent: 0em, leading: {leading:.2f}em)\n{listed}]"
