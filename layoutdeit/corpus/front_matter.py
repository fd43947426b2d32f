"""Title pages: banner, article title, authors, affiliations, abstract and keywords, across the page or in a column."""

from __future__ import annotations

import random

from layoutdeit.corpus.house_style import HouseStyle, journal_name
from layoutdeit.corpus.prose import Prose, escape


def front_matter(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """The opening block of a document, a float across all columns where there are several."""
    banner = _banner(rng, style) if rng.random() < 0.75 else ""
    head = "\n".join([banner, _title(rng, prose, style), _people(rng, prose, style)])
    abstract = _abstract(rng, prose, style)
    in_column = style.columns > 1 and rng.random() < 0.3
    if style.columns == 1:
        return head + "\n" + abstract + "\n#v(1em)"
    top = head if in_column else head + "\n" + abstract
    return (
        (
            f'#place(top, float: true, scope: "parent", clearance: {rng.uniform(10, 28):.0f}pt)[\n'
            f"#set par(first-line-indent: 0em)\n{top}\n]\n" + (abstract if in_column else "")
        )
        + "\n"
        + _correspondence(rng, prose, style)
    )


def _banner(rng: random.Random, style: HouseStyle) -> str:
    name, accent = escape(journal_name(rng)), f'rgb("{style.accent}")'
    logo = (
        f"circle(radius: {rng.randint(8, 16)}pt, fill: {accent}.lighten({rng.randint(0, 50)}%), "
        f"stroke: {rng.randint(0, 3)}pt + {accent})"
    )
    if rng.random() < 0.5:
        logo = f"rect(width: {rng.randint(30, 90)}pt, height: {rng.randint(16, 30)}pt, fill: {accent}, text(fill: white, size: 9pt)[*{name.split()[0]}*])"
    place = escape(f"{journal_name(rng)} {rng.randint(2004, 2018)}, {rng.randint(1, 30)}:{rng.randint(1, 300)}")
    url = f"http:/\\/www.{name.split()[0].lower()}central.com/{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}/{rng.randint(1, 30)}/{rng.randint(1, 300)}"
    middle = f"text(size: {rng.uniform(6.5, 9):.1f}pt)[{place} \\ {url}]"
    big = f'text(font: "{style.head_font}", size: {rng.randint(11, 22)}pt, weight: "bold", fill: {accent})[{name}]'
    kind = rng.choice(
        [
            "Research article",
            "RESEARCH ARTICLE",
            "Original Article",
            "Review",
            "Open Access",
            "Case Report",
            "Short report",
        ]
    )
    rule = f"line(length: 100%, stroke: {rng.choice([0.5, 1, 2])}pt + {accent})"
    cells = rng.choice(
        [f"{logo}, align(right, {middle})", f"{big}, align(right, {logo})", f"{middle}, align(right, {big})"]
    )
    label = (
        f'text(font: "{style.head_font}", size: {rng.randint(8, 12)}pt, fill: {rng.choice(["black", accent])})[{kind}]'
    )
    bar = rng.choice(
        ["", f"block(width: 100%, fill: {accent}, inset: 4pt, text(fill: white)[{kind} #h(1fr) Open Access])", label]
    )
    pieces = [f"grid(columns: (1fr, 1fr), {cells})", rng.choice([rule, "v(2pt)"]), *([bar] if bar else [])]
    shown = "\n".join(f"#{piece}" for piece in pieces)
    return f"#pdf.artifact[#set par(first-line-indent: 0em)\n{shown}]\n#v({rng.randint(4, 26)}pt)"


def _title(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    size = style.size * rng.uniform(1.45, 2.5)
    alignment = "center" if rng.random() < 0.25 else "left"
    weight = rng.choice(["bold", "bold", "regular"])
    fill = rng.choice(["black", "black", f'rgb("{style.accent}")'])
    text = escape(prose.title(rng.randint(6, 17)))
    # A level no other heading has, so that the heading rules of the body leave it alone.
    return (
        f"#show heading.where(level: 5): it => block(below: {rng.uniform(0.4, 0.9):.2f}em, width: 100%, align({alignment}, "
        f'text(font: "{style.head_font}", size: {size:.1f}pt, weight: "{weight}", fill: {fill}, hyphenate: false, it.body)))\n'
        f"#[#set par(leading: 0.1em, justify: false)\n#heading(level: 5, outlined: false)[{text}]]"
    )


def _people(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    num_places = rng.randint(1, 5)
    authors = []
    for index in range(rng.randint(1, 9)):
        star = "\\*" if index == 0 else ""
        mark = f"#super[{rng.randint(1, num_places)}{star}]" if num_places > 1 else ""
        authors.append(escape(prose.person()) + mark)
    line = ", ".join(authors[:-1]) + (" and " if len(authors) > 1 else "") + authors[-1]
    alignment = "center" if rng.random() < 0.2 else "left"
    weight = rng.choice(["bold", "regular", "regular"])
    size = style.size * rng.uniform(0.95, 1.25)
    out = [f'#align({alignment})[#text(size: {size:.1f}pt, weight: "{weight}")[#par(justify: false)[{line}]]]']
    if rng.random() < 0.75:
        places = [f"#super[{k + 1}]{escape(prose.affiliation())}" for k in range(num_places)]
        gap = rng.choice([" \\ ", ", ", " \\ "])
        small = style.small * rng.uniform(0.88, 1.0)
        style_name = rng.choice(["normal", "italic"])
        out.append(
            f'#align({alignment})[#text(size: {small:.1f}pt, style: "{style_name}")[#par(justify: false)[{gap.join(places)}]]]'
        )
    if rng.random() < 0.35:
        out.append(f"#text(size: {style.small * 0.9:.1f}pt)[#par[Received {rng.randint(1, 28)} March {rng.randint(2004, 2018)}; "
                   f"Accepted {rng.randint(1, 28)} June {rng.randint(2004, 2018)}]]")  # fmt: skip
    return f"#v({rng.randint(2, 8)}pt)\n".join(out) + f"\n#v({rng.randint(3, 12)}pt)"


def _abstract(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    heading = rng.choice(["= Abstract", "= ABSTRACT", "== Abstract", "= Summary", ""])
    structured = rng.random() < 0.45
    if structured:
        names = rng.choice(
            [("Background", "Methods", "Results", "Conclusions"), ("Objective", "Design", "Findings", "Interpretation")]
        )
        paragraphs = [f"#strong[{name}:] {prose.paragraph_markup(rng.randint(20, 60))}" for name in names]
        if rng.random() < 0.3:
            paragraphs = [" ".join(paragraphs)]
    else:
        paragraphs = [prose.paragraph_markup(rng.randint(80, 220))]
    if rng.random() < 0.6:
        keywords = rng.choice(["; ", ", "]).join(prose.noun_phrase() for _ in range(rng.randint(3, 7)))
        paragraphs.append(f"#strong[{rng.choice(['Keywords:', 'Key words:', 'Index terms:'])}] {escape(keywords)}")
    body = heading + "\n" + "\n\n".join(f"#par[{text}]" for text in paragraphs)
    size = style.size * rng.choice([0.9, 1.0, 1.0, 1.05])
    weight = "bold" if rng.random() < 0.08 else "regular"
    body = f'#set text(size: {size:.1f}pt, weight: "{weight}")\n#set par(first-line-indent: 0em, spacing: {rng.uniform(0.2, 0.8):.2f}em)\n{body}\n\n'
    box = rng.random()
    if box < 0.2:
        tint = rng.choice([f'rgb("{style.accent}").lighten(88%)', "luma(236)"])
        return f"#block(fill: {tint}, inset: {rng.randint(6, 12)}pt, width: 100%)[{body}]"
    if box < 0.3:
        return f"#block(stroke: 0.6pt, inset: {rng.randint(6, 12)}pt, width: 100%)[{body}]"
    if box < 0.45:
        return f"#block(stroke: (top: 0.6pt, bottom: 0.6pt), inset: (y: 8pt), width: 100%)[{body}]"
    return f"#block(width: 100%, inset: (x: {rng.choice([0, 0, 0, 24])}pt))[{body}]"


def _correspondence(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    if rng.random() < 0.45:
        return ""
    address = escape(f"* Correspondence: {prose.person().split()[-1].lower()}@example.org")
    place = escape(prose.affiliation())
    rule = "#line(length: 100%, stroke: 0.4pt)" if rng.random() < 0.6 else ""
    return (
        f"#place(bottom, float: true, clearance: 10pt)[#set text(size: {style.small * 0.88:.1f}pt)\n"
        f"#set par(first-line-indent: 0em)\n{rule}\n#par[{address} \\ {place}]]"
    )
