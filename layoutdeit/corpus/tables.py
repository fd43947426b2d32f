"""Tables in Typst markup: number grids and word grids in the rule styles of journals and manuals.

Column kinds are drawn until the width is used up, and tracks are sized by what they hold, as a typesetter would.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.prose import Prose, escape

EM_PER_LETTER = 0.5  # figures and capitals are wider than running text

_RULES = {
    "booktabs": 0.38, "head-only": 0.08, "rows": 0.1, "grid": 0.13, "columns": 0.04, "shaded-head": 0.09,
    "striped": 0.08, "plain": 0.08, "frame": 0.02,
}  # fmt: skip
_LETTERS = {"int": 4, "decimal": 6, "percent": 10, "spread": 11, "interval": 17, "p": 7, "short": 9, "words": 22}


@dataclass(frozen=True)
class TableMarkup:
    """Typst markup of a table and its height in points, estimated."""

    markup: str
    height: float


@dataclass(frozen=True)
class _Look:
    rules: str
    size: float
    pad_x: float
    pad_y: float
    thin: float
    thick: float
    head_weight: str
    shade: str
    head_text: str
    body_align: str
    valign: str


def table_markup(
    rng: random.Random, prose: Prose, style: HouseStyle, width: float, max_height: float, *, num_rows: int = 0
) -> TableMarkup:
    """A table of at most `width` x `max_height` points, without caption and notes. num_rows: 0 draws it."""
    look = _draw_look(rng, style)
    wordy = rng.random() < 0.2
    kinds = _draw_kinds(rng, look, width, wordy)
    letters = [rng.randint(10, 26)] + [_LETTERS[kind] for kind in kinds[1:]]
    lines_per_row = rng.uniform(1.6, 2.6) if wordy else 1.1
    row_height = look.size * 1.12 * lines_per_row + 2 * look.pad_y
    most_rows = max(2, int(max_height / row_height) - 2)
    rows = num_rows or min(most_rows, rng.choice([3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60]))
    cells = _header(rng, kinds, look) + _rows(rng, prose, kinds, letters, rows, look)
    if look.rules in ("booktabs", "rows", "shaded-head", "striped", "columns"):
        top = f"table.hline(stroke: {look.thick}pt)"
        cells = [top, *cells, top]
    content = sum(letters) * EM_PER_LETTER * look.size + 2 * look.pad_x * len(kinds)
    tracks = [f"{count}fr" for count in letters]
    share = 100.0
    if content < 0.75 * width and rng.random() < 0.4:
        share = min(100.0, 100 * content / width * rng.uniform(1.0, 1.2))
    elif content < 0.8 * width and rng.random() < 0.3 and not wordy:
        tracks = ["auto"] * len(kinds)
    table = (
        f"table(columns: ({', '.join(tracks)},), stroke: {_stroke(look)}, fill: {_fill(rng, look)}, "
        f"inset: (x: {look.pad_x}pt, y: {look.pad_y}pt), "
        f"align: (x, _) => if x == 0 {{ left }} else {{ {look.body_align} }} + {look.valign},\n{', '.join(cells)})"
    )
    if look.rules == "frame":
        table = f"block(stroke: 0.6pt, {table})"
    font = style.body_font if rng.random() < 0.6 else style.head_font
    markup = (
        f'#[#set text(font: "{font}", size: {look.size:.1f}pt, hyphenate: false)\n'
        f"#set par(justify: false, leading: 0.12em, first-line-indent: 0em)\n"
        f"#align({rng.choice(['center', 'left'])}, block(width: {share:.0f}%, {table}))]"
    )
    return TableMarkup(markup, (rows + 2) * row_height)


def _draw_look(rng: random.Random, style: HouseStyle) -> _Look:
    accent = style.accent if style.accent != "#000000" else rng.choice(["#888888", "#4a6fa5", "#666666"])
    dark_head = rng.random() < 0.35
    return _Look(
        rules=rng.choices(list(_RULES), list(_RULES.values()))[0],
        size=style.small * rng.choice([1.0, 1.0, 0.92, 0.86]),
        pad_x=rng.choice([1.5, 2.0, 3.0, 4.0, 5.0]),
        pad_y=rng.choice([0.5, 1.0, 1.5, 2.0, 2.5, 4.0]),
        thin=rng.choice([0.3, 0.4, 0.5, 0.75]),
        thick=rng.choice([0.5, 0.6, 0.8, 1.0, 1.5]),
        head_weight=rng.choice(["bold", "bold", "regular"]),
        shade=f'rgb("{accent}")' if dark_head else f'rgb("{accent}").lighten({rng.choice([60, 75, 85])}%)',
        head_text="white" if dark_head else "black",
        body_align=rng.choice(["center", "center", "left", "right"]),
        valign=rng.choice(["top", "top", "horizon"]),
    )


def _draw_kinds(rng: random.Random, look: _Look, width: float, wordy: bool) -> list[str]:
    if wordy:
        most = max(2, min(6, int(width / 80)))
        return ["name"] + [rng.choice(["words", "words", "short"]) for _ in range(rng.randint(1, most - 1))]
    kinds = ["name"]
    room = width * rng.uniform(0.75, 1.05) - 18 * EM_PER_LETTER * look.size
    same = rng.choice(("int", "decimal", "percent", "spread", "interval")) if rng.random() < 0.5 else None
    most = rng.choice([2, 3, 4, 5, 6, 8, 10, 12, 14, 18])
    while len(kinds) <= most:
        kind = same or rng.choice(list(_LETTERS)[:7])
        room -= _LETTERS[kind] * EM_PER_LETTER * look.size + 2 * look.pad_x
        if room < 0 and len(kinds) > 1:
            break
        kinds.append(kind)
    return kinds


def _stroke(look: _Look) -> str:
    thin = f"{look.thin}pt"
    return {
        "grid": thin,
        "rows": f"(x: none, y: {thin})",
        "columns": f"(x, y) => (left: if x > 0 {{ {thin} }}, right: none, top: none, bottom: none)",
    }.get(look.rules, "none")


def _fill(rng: random.Random, look: _Look) -> str:
    if look.rules == "shaded-head" or (look.rules == "grid" and (look.head_text == "white" or rng.random() < 0.3)):
        return f"(_, y) => if y == 0 {{ {look.shade} }}"
    if look.rules == "striped":
        stripe = rng.choice(["luma(235)", "luma(242)", 'rgb("#e8f0f8")', 'rgb("#f5eee0")'])
        head = look.shade if look.head_text == "white" else stripe
        return f"(_, y) => if y == 0 {{ {head} }} else if calc.even(y) {{ {stripe} }}"
    return "none"


def _header(rng: random.Random, kinds: list[str], look: _Look) -> list[str]:
    colour = look.head_text if look.rules in ("shaded-head", "striped", "grid") else "black"
    dark = f", fill: {colour}" if colour == "white" else ""

    def cell(text: str, options: str = "") -> str:
        shown = f'#text(weight: "{look.head_weight}"{dark})[{escape(text)}]' if text else ""
        return f"table.cell({options})[{shown}]" if options else f"[{shown}]"

    names = [rng.choice(["", "Variable", "Characteristic", "Parameter", "Group", rng.choice(words.NOUNS).capitalize()])]
    names += [_column_name(rng, kind) for kind in kinds[1:]]
    cells: list[str] = []
    columns = len(kinds)
    plain_fill = look.rules not in ("shaded-head", "striped", "grid")
    if columns >= 5 and plain_fill and rng.random() < 0.4:
        cells.append(cell(""))
        start = 1
        rules = []
        while start < columns:
            span = min(rng.choice([2, 2, 3, 4]), columns - start)
            group = f"{rng.choice(words.MODIFIERS).capitalize()} {rng.choice(words.NOUNS)}"
            cells.append(cell(group, f"colspan: {span}, align: center"))
            rules.append(f"table.hline(start: {start}, end: {start + span}, stroke: {look.thin}pt)")
            start += span
        if rng.random() < 0.8:
            cells += rules
    cells += [cell(name) for name in names]
    if look.rules in ("booktabs", "head-only", "columns", "shaded-head", "striped"):
        cells.append(f"table.hline(stroke: {look.thin}pt)")
    return cells


def _column_name(rng: random.Random, kind: str) -> str:
    noun, short = rng.choice(words.NOUNS).capitalize(), rng.choice(words.ABBREVIATIONS)
    if kind in ("words", "short"):
        return rng.choice([noun, f"{noun} of {rng.choice(words.NOUNS)}", "Description", "Reference", "Comments"])
    if kind == "p":
        return rng.choice(["P value", "p", "P", "p-value"])
    if kind in ("percent", "int"):
        return rng.choice([f"N = {rng.randint(9, 900)}", "n (%)", "No.", "Total", short, f"{rng.randint(1990, 2018)}"])
    return rng.choice(
        [
            noun if len(noun) < 9 else short,
            short,
            f"Mean ({rng.choice(words.UNITS)})",
            "OR (95% CI)",
            "SD",
            f"Group {rng.randint(1, 4)}",
        ]
    )


def _rows(rng: random.Random, prose: Prose, kinds: list[str], letters: list[int], rows: int, look: _Look) -> list[str]:
    cells: list[str] = []
    grouped = rng.random() < 0.3
    total = rng.random() < 0.1
    gap = rng.random() < 0.05  # a matrix with holes
    stacked = rng.random() < 0.12  # two figures in a cell, the spread below the mean
    for row in range(rows):
        if grouped and (row == 0 or rng.random() < 0.15):
            label = escape(prose.title(rng.randint(1, 3)))
            label = rng.choice([f"[#strong[{label}]]", f"[#emph[{label}]]", f"[{label}]"])
            cells.append(f"table.cell(colspan: {len(kinds)}, align: left){label}")
            continue
        if total and row == rows - 1 and row > 1:
            cells.append(f"table.hline(stroke: {look.thin}pt)")
        lead = "#h(0.8em)" if grouped else ""
        for kind, count in zip(kinds, letters, strict=True):
            text = escape(_cell_text(rng, prose, kind, count))
            if gap and kind != "name" and rng.random() < 0.4:
                text = ""
            if stacked and kind in ("decimal", "int", "spread"):
                text += f" \\ ({rng.uniform(0, 20):.1f})"
            cells.append(f"[{lead if kind == 'name' else ''}{text}]")
    return cells


def _cell_text(rng: random.Random, prose: Prose, kind: str, letters: int) -> str:
    if kind == "name":
        noun = rng.choice(words.NOUNS).capitalize()
        shapes = [prose.title(rng.randint(1, 3)), noun, f"{noun} ({rng.choice(words.UNITS)})", f"{noun}, n (%)",
                  rng.choice(words.ABBREVIATIONS),
                  f"{rng.choice(words.MODIFIERS).capitalize()} {noun.lower()}"]  # fmt: skip
        text = rng.choice(shapes)
        return text if len(text) < letters * 1.5 or rng.random() < 0.3 else noun
    if rng.random() < 0.03:
        return rng.choice(["–", "-", "", "NA"])
    if kind == "words":
        return prose.title(rng.randint(1, 12))
    if kind == "short":
        paper = f"{rng.choice(words.SURNAMES)} {rng.randint(1990, 2018)}"
        sign = rng.choice(["Yes", "No", "+", "–"])
        return rng.choice([rng.choice(words.NOUNS), rng.choice(words.ABBREVIATIONS), sign, paper])
    value = rng.uniform(0, 100)
    return {
        "int": str(rng.randint(0, 999)),
        "decimal": f"{value:.{rng.choice([1, 2])}f}",
        "percent": f"{rng.randint(1, 300)} ({value:.1f})",
        "spread": f"{value:.1f} ± {rng.uniform(0, 12):.1f}",
        "interval": f"{value / 40:.2f} ({value / 60:.2f}–{value / 25:.2f})",
        "p": rng.choice(["< 0.001", "0.02", f"{value / 100:.3f}", "NS", f"{value / 100:.2f}*"]),
    }[kind]
