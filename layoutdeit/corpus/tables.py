"""Tables in Typst markup: number grids and word grids in the rule styles of journals and manuals."""

from __future__ import annotations

import random

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.prose import Prose, escape

_RULE_STYLES = (
    "booktabs",
    "booktabs",
    "booktabs",
    "booktabs",
    "grid",
    "rows",
    "shaded-head",
    "striped",
    "plain",
    "frame",
)


def table_markup(rng: random.Random, prose: Prose, style: HouseStyle, width: float, max_height: float) -> str:
    """A table at most `width` x `max_height` points (the height by estimate), without caption and notes."""
    size = style.small * rng.choice([1.0, 1.0, 0.92])
    wordy = rng.random() < 0.22
    columns = rng.randint(2, 4) if wordy else rng.randint(2, max(3, min(11, int(width / (size * 4.2)))))
    pad_y = rng.choice([1.0, 1.5, 2.0, 2.5, 4.0])
    row_height = size * 1.12 + 2 * pad_y
    per_cell = max(1, int((width / columns) / (size * 3.2))) * rng.randint(1, 3) if wordy else 2
    cell_lines = 2.4 if wordy else 1.15
    rows = max(2, min(rng.choice([4, 6, 9, 12, 18, 30, 46]), int(max_height / (row_height * cell_lines)) - 2))
    rules = rng.choice(_RULE_STYLES)
    kinds = ["name"] + [("words" if wordy else rng.choice(_NUMBER_KINDS)) for _ in range(columns - 1)]
    if not wordy and rng.random() < 0.5:
        kinds[1:] = [kinds[1]] * (columns - 1)
    body_align = "left" if wordy else rng.choice(["center", "center", "left", "right"])
    first = rng.uniform(1.3, 3.2) if columns < 7 else rng.uniform(1.6, 2.6)
    stretch = rng.random() < 0.75 or wordy
    tracks = [f"{first:.1f}fr"] + ["1fr"] * (columns - 1) if stretch else ["auto"] * columns
    if not stretch:
        kinds[1:] = [kind if kind in ("int", "decimal", "percent") else "decimal" for kind in kinds[1:]]
    cells = _header(rng, columns, rules)
    cells += _rows(rng, prose, kinds, rows, per_cell, rules)
    head_rule, thick = rng.choice([0.4, 0.5, 0.75]), rng.choice([0.5, 0.8, 1.0, 1.5])
    if rules in ("booktabs", "rows", "shaded-head", "striped"):
        cells = [f"table.hline(stroke: {thick}pt)", *cells, f"table.hline(stroke: {thick}pt)"]
    stroke = {"grid": f"{head_rule}pt", "rows": f"(x: none, y: {head_rule}pt)", "frame": "none"}.get(rules, "none")
    accent = style.accent if style.accent != "#000000" else "#888888"
    shade = f'rgb("{accent}").lighten({rng.choice([60, 75, 85])}%)'
    fill = {
        "shaded-head": f"(_, y) => if y == 0 {{ {shade} }}",
        "striped": f"(_, y) => if calc.odd(y) {{ {rng.choice([shade, 'luma(235)'])} }}",
        "grid": rng.choice(
            ["none", "none", f"(_, y) => if y == 0 {{ {shade} }}", f"(x, y) => if y == 0 or x == 0 {{ {shade} }}"]
        ),
    }.get(rules, "none")
    pad_x = rng.choice([2.0, 3.0, 4.0, 5.0])
    table = (
        f"table(columns: ({', '.join(tracks)},), stroke: {stroke}, fill: {fill}, "
        f"inset: (x: {pad_x}pt, y: {pad_y}pt), align: (x, _) => if x == 0 {{ left }} else {{ {body_align} }} "
        f"+ {rng.choice(['top', 'top', 'horizon'])},\n{', '.join(cells)})"
    )
    if rules == "frame":
        table = f"block(stroke: 0.6pt, {table})"
    font = style.body_font if rng.random() < 0.6 else style.head_font
    share = 100 if rng.random() < 0.85 or columns > 4 else rng.randint(60, 95)
    return (
        f'#[#set text(font: "{font}", size: {size:.1f}pt, hyphenate: false)\n#set par(justify: false, leading: 0.12em, '
        f"first-line-indent: 0em)\n#align({rng.choice(['center', 'left'])}, block(width: {share}%, {table}))]"
    )


def _header(rng: random.Random, columns: int, rules: str) -> list[str]:
    names = [rng.choice(["", "Variable", "Characteristic", "Parameter", "Group", rng.choice(words.NOUNS).capitalize()])]
    for _ in range(columns - 1):
        name = rng.choice([rng.choice(words.NOUNS).capitalize(), rng.choice(words.ABBREVIATIONS), "P value", "OR (95% CI)",
                           f"N = {rng.randint(9, 900)}", f"Group {rng.randint(1, 4)}", "Mean", "SD", "Total", "%"])  # fmt: skip
        names.append(name)
    bold = rng.random() < 0.6
    shown = [f"[#strong[{escape(name)}]]" if bold and name else f"[{escape(name)}]" for name in names]
    cells = []
    if columns >= 5 and rng.random() < 0.35:
        split = rng.randint(2, columns - 2)
        left, right = split - 1 + 1, columns - 1 - split
        cells += ["[]", f"table.cell(colspan: {left}, align: center)[{escape(rng.choice(words.NOUNS).capitalize())}]"]
        if right:
            cells.append(f"table.cell(colspan: {right}, align: center)[{escape(rng.choice(words.NOUNS).capitalize())}]")
        cells.append(f"table.hline(start: 1, end: {1 + left}, stroke: 0.4pt)")
    cells += shown
    if rules in ("booktabs", "shaded-head", "striped"):
        cells.append("table.hline(stroke: 0.5pt)")
    return cells


_NUMBER_KINDS = ("int", "decimal", "decimal", "percent", "spread", "interval", "p")


def _rows(rng: random.Random, prose: Prose, kinds: list[str], rows: int, per_cell: int, rules: str) -> list[str]:
    cells = []
    grouped = rng.random() < 0.3
    for row in range(rows):
        if grouped and (row == 0 or rng.random() < 0.15):
            label = escape(prose.title(2))
            label = rng.choice([f"[#strong[{label}]]", f"[#emph[{label}]]", f"[{label}]"])
            cells.append(f"table.cell(colspan: {len(kinds)}, align: left){label}")
            continue
        lead = "#h(0.8em)" if grouped else ""
        for kind in kinds:
            text = escape(_cell_text(rng, prose, kind, per_cell))
            cells.append(f"[{lead if kind == 'name' else ''}{text}]")
        if rules == "booktabs" and rng.random() < 0.03:
            cells.append("table.hline(stroke: 0.3pt)")
    return cells


def _cell_text(rng: random.Random, prose: Prose, kind: str, per_cell: int) -> str:
    if kind == "name":
        return rng.choice([prose.title(rng.randint(1, 3)), rng.choice(words.NOUNS).capitalize(),
                           f"{rng.choice(words.NOUNS).capitalize()} ({rng.choice(words.UNITS)})",
                           rng.choice(words.ABBREVIATIONS)])  # fmt: skip
    if rng.random() < 0.04:
        return rng.choice(["–", "-", "", "NA"])
    if kind == "words":
        return prose.title(max(1, rng.randint(1, per_cell)))
    value = rng.uniform(0, 100)
    return {
        "int": str(rng.randint(0, 999)),
        "decimal": f"{value:.{rng.choice([1, 2])}f}",
        "percent": f"{rng.randint(1, 300)} ({value:.1f})",
        "spread": f"{value:.1f} ± {rng.uniform(0, 12):.1f}",
        "interval": f"{value / 40:.2f} ({value / 60:.2f}–{value / 25:.2f})",
        "p": rng.choice(["< 0.001", "0.02", f"{value / 100:.3f}", "NS", f"{value / 100:.2f}*"]),
    }[kind]
