"""Title pages: banner, article title, authors, affiliations, abstract and keywords, across the page or in a column."""

from __future__ import annotations

import random

from layoutdeit.corpus import vocabulary as words
from layoutdeit.corpus.house_style import HouseStyle
from layoutdeit.corpus.prose import Prose, escape
from layoutdeit.corpus.running_heads import journal_name

_KINDS = ("Research article", "RESEARCH ARTICLE", "Original Article", "Review", "Case Report", "Short report",
          "Methodology", "Clinical Study", "POLICY PAPER", "Technical Note")  # fmt: skip


def front_matter(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """The opening block of a document, a float across all columns where there are several."""
    if style.manual and rng.random() < 0.6:
        return _chapter_opening(rng, prose, style)
    banner = _banner(rng, style) if rng.random() < 0.75 else ""
    head = "\n".join([banner, _title(rng, prose, style), _people(rng, prose, style)])
    write_abstract = _two_part_abstract if rng.random() < 0.14 else _abstract
    abstract = write_abstract(rng, prose, style)
    notes = _editorial_notes(rng, prose, style) if rng.random() < 0.12 else ""
    if style.columns == 1:
        return f"{head}\n{abstract}\n{notes}\n#v(1em)"
    in_column = rng.random() < 0.28
    top = head if in_column else f"{head}\n{abstract}\n{notes}"
    placed = (
        f'#place(top, float: true, scope: "parent", clearance: {rng.uniform(10, 28):.0f}pt)[\n'
        f"#set par(first-line-indent: 0em)\n{top}\n]\n"
    )
    return placed + (abstract if in_column else "") + "\n" + _correspondence(rng, prose, style)


def _banner(rng: random.Random, style: HouseStyle) -> str:
    """Journal name, logo and article type: artifacts, so without boxes."""
    name, accent = journal_name(rng), f'rgb("{style.accent}")'
    first = name.split()[0]
    logo = (
        f"circle(radius: {rng.randint(8, 16)}pt, fill: {accent}.lighten({rng.randint(0, 50)}%), "
        f"stroke: {rng.randint(0, 3)}pt + {accent})"
    )
    if rng.random() < 0.5:
        size = f"width: {rng.randint(40, 90)}pt, height: {rng.randint(16, 30)}pt"
        logo = f"rect({size}, fill: {accent}, text(fill: white, size: 9pt)[#strong[{first}]])"
    place = escape(f"{name} {rng.randint(2004, 2018)}, {rng.randint(1, 30)}:{rng.randint(1, 300)}")
    issn = f"{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}"
    url = f"http:/\\/www.{first.lower()}central.com/{issn}/{rng.randint(1, 30)}"
    middle = f"text(size: {rng.uniform(6.5, 9):.1f}pt)[{place} \\ {url}]"
    face = f'font: "{style.head_font}"'
    big = f'text({face}, size: {rng.randint(11, 20)}pt, weight: "bold", fill: {accent})[{escape(name)}]'
    kind = rng.choice(_KINDS)
    logo_left, name_left = f"{logo}, align(right, {middle})", f"{big}, align(right, {logo})"
    cells = rng.choice([logo_left, name_left, f"{middle}, align(right, {big})"])
    pieces = [f"grid(columns: (1fr, 1fr), {cells})"]
    pieces.append(rng.choice([f"line(length: 100%, stroke: {rng.choice([0.5, 1, 2])}pt + {accent})", "v(2pt)"]))
    label = (
        f'text(font: "{style.head_font}", size: {rng.randint(8, 12)}pt, fill: {rng.choice(["black", accent])})[{kind}]'
    )
    bar = f"block(width: 100%, fill: {accent}, inset: 4pt, text(fill: white)[{kind} #h(1fr) Open Access])"
    pieces.append(rng.choice([label, label, bar, "v(1pt)"]))
    shown = "\n".join(f"#{piece}" for piece in pieces)
    return f"#pdf.artifact[#set par(first-line-indent: 0em)\n{shown}]\n#v({rng.randint(4, 26)}pt)"


def _title(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    size = style.size * rng.uniform(1.45, 2.5)
    alignment = "center" if rng.random() < 0.25 else "left"
    weight = rng.choice(["bold", "bold", "regular"])
    fill = rng.choice(["black", "black", f'rgb("{style.accent}")'])
    font = style.head_font if rng.random() < 0.75 else style.body_font
    # Level 5 is the title's alone, so that the heading rules of the body leave it as it is.
    return (
        f"#show heading.where(level: 5): it => block(below: {rng.uniform(0.4, 0.9):.2f}em, width: 100%, "
        f'align({alignment}, text(font: "{font}", size: {size:.1f}pt, weight: "{weight}", '
        f"fill: {fill}, hyphenate: false, it.body)))\n"
        f"#heading(level: 5, outlined: false)[{escape(prose.title(rng.randint(6, 17)))}]"
    )


def _people(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    num_places = rng.randint(1, 5)
    authors = []
    for index in range(rng.choice([1, 2, 3, 4, 5, 6, 8, 12, 20])):
        star = "\\*" if index == 0 else ""
        mark = f"#super[{rng.randint(1, num_places)}{star}]" if num_places > 1 else ""
        authors.append(escape(prose.person()) + mark)
    line = ", ".join(authors[:-1]) + (" and " if len(authors) > 1 else "") + authors[-1]
    alignment = "center" if rng.random() < 0.2 else "left"
    weight, size = rng.choice(["bold", "regular", "regular"]), style.size * rng.uniform(0.95, 1.25)
    out = [f'#align({alignment})[#text(size: {size:.1f}pt, weight: "{weight}")[#par(justify: false)[{line}]]]']
    small = style.small * rng.uniform(0.88, 1.0)
    if rng.random() < 0.8:
        places = [f"#super[{k + 1}]{escape(prose.affiliation())}" for k in range(num_places)]
        lines = rng.choice([" \\ ", ", ", " \\ "]).join(places)
        slant = rng.choice(["normal", "italic"])
        out.append(f'#align({alignment})[#text(size: {small:.1f}pt, style: "{slant}")[#par(justify: false)[{lines}]]]')
    if rng.random() < 0.4:
        year = rng.randint(2004, 2018)
        dates = f"Received {rng.randint(1, 28)} March {year}; Accepted {rng.randint(1, 28)} June {year}"
        out.append(f"#text(size: {small * 0.95:.1f}pt)[#par[{dates}]]")
    return f"#v({rng.randint(2, 8)}pt)\n".join(out) + f"\n#v({rng.randint(3, 12)}pt)"


def _abstract_paragraphs(rng: random.Random, prose: Prose) -> list[str]:
    if rng.random() > 0.45:
        return [prose.paragraph_markup(rng.randint(80, 220))]
    names = rng.choice(
        [("Background", "Methods", "Results", "Conclusions"), ("Objective", "Design", "Findings", "Interpretation")]
    )
    paragraphs = [f"#strong[{name}:] {prose.paragraph_markup(rng.randint(20, 60))}" for name in names]
    return [" ".join(paragraphs)] if rng.random() < 0.3 else paragraphs


def _keywords(rng: random.Random, prose: Prose) -> str:
    shown = rng.choice(["; ", ", "]).join(prose.noun_phrase() for _ in range(rng.randint(3, 7)))
    return f"#strong[{rng.choice(['Keywords:', 'Key words:', 'Index terms:'])}] {escape(shown)}"


def _abstract(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    heading = rng.choice(["= Abstract", "= ABSTRACT", "== Abstract", "= Summary", ""])
    paragraphs = _abstract_paragraphs(rng, prose)
    if rng.random() < 0.6:
        paragraphs.append(_keywords(rng, prose))
    size = style.size * rng.choice([0.9, 1.0, 1.0, 1.05])
    weight = "bold" if rng.random() < 0.08 else "regular"
    body = (
        f'#set text(size: {size:.1f}pt, weight: "{weight}")\n#set par(first-line-indent: 0em, '
        f"spacing: {rng.uniform(0.2, 0.8):.2f}em)\n{heading}\n"
        + "\n\n".join(f"#par[{text}]" for text in paragraphs)
        + "\n\n"
    )
    tint = rng.choice([f'rgb("{style.accent}").lighten(88%)', "luma(236)"])
    options = rng.choices(
        [f"fill: {tint}, inset: {rng.randint(6, 12)}pt", f"stroke: 0.6pt, inset: {rng.randint(6, 12)}pt",
         "stroke: (top: 0.6pt, bottom: 0.6pt), inset: (y: 8pt)", f"inset: (x: {rng.choice([0, 0, 0, 24])}pt)"],
        [0.2, 0.12, 0.15, 0.53],
    )[0]  # fmt: skip
    return f"#block(width: 100%, {options})[{body}]"


def _two_part_abstract(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """Elsevier's: article history and keywords at the left, the abstract at the right, between rules."""
    spaced = rng.random() < 0.6
    info = "A R T I C L E #h(0.5em) I N F O" if spaced else "Article info"
    abstract = "A B S T R A C T" if spaced else "Abstract"
    year = rng.randint(2008, 2018)
    keywords = " \\ ".join(escape(prose.noun_phrase().capitalize()) for _ in range(rng.randint(3, 7)))
    dates = f"Received {rng.randint(1, 28)} May {year} \\ Accepted {rng.randint(1, 28)} July {year}"
    history = f"#emph[Article history:] \\ {dates}"
    right = "\n\n".join(f"#par[{text}]" for text in _abstract_paragraphs(rng, prose))
    size = style.small
    rule = "#line(length: 100%, stroke: 0.4pt)"
    return (
        f"#pdf.artifact[{rule}]\n#[#set text(size: {size:.1f}pt)\n"
        f"#set par(first-line-indent: 0em, spacing: 0.6em, leading: 0.15em)\n"
        f"#grid(columns: (1fr, 2.2fr), column-gutter: 16pt, [\n=== {info}\n#par(justify: false)[{history}]\n"
        f"#par(justify: false)[#emph[Keywords:] \\ {keywords}]\n], [\n=== {abstract}\n{right}\n])]\n"
        f"#pdf.artifact[{rule}]"
    )


def _editorial_notes(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """PLoS's block under the abstract: citation, editor, copyright, funding."""
    notes = [("Citation", prose.reference()), ("Editor", prose.affiliation()), ("Copyright", prose.sentence() + "."),
             ("Funding", prose.sentence() + "."),
             ("Competing Interests", "The authors have declared that none exist.")]  # fmt: skip
    shown = "\n".join(f"#par[#strong[{name}:] {escape(text)}]" for name, text in notes[: rng.randint(2, 5)])
    rules = f"#set text(size: {style.small * 0.85:.1f}pt)\n#set par(first-line-indent: 0em, spacing: 0.5em)"
    return f"#v(6pt)\n#[{rules}\n{shown}]"


def _chapter_opening(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """A manual's chapter: big number (an artifact), chapter title, introduction, list of topics."""
    number = f'#pdf.artifact[#text(size: {rng.randint(28, 60)}pt, fill: rgb("{style.accent}"))[{rng.randint(1, 14)}]]\n'
    topics = ", ".join(f"[{escape(prose.title(rng.randint(2, 5)))}]" for _ in range(rng.randint(3, 7)))
    marker = rng.choice(["•", "▪", "–"])
    chapter = f"Chapter {rng.randint(1, 14)}. " if rng.random() < 0.4 else ""
    title = _title(rng, prose, style).replace("false)[", f"false)[{chapter}")
    return (
        f"#v({rng.randint(0, 90)}pt)\n{number if rng.random() < 0.4 else ''}{title}\n#v({rng.randint(6, 50)}pt)\n"
        f"{prose.paragraph_markup(50)}\n\n"
        f"{escape(rng.choice(words.CONNECTIVES))} this chapter describes these topics:\n\n"
        f"#list(marker: [{marker}], indent: {rng.choice([0, 8, 16])}pt, {topics})\n#v(1em)"
    )


def _correspondence(rng: random.Random, prose: Prose, style: HouseStyle) -> str:
    """The footnote block of a first column; at times with a licence line, which PubLayNet leaves without a box."""
    if rng.random() < 0.4:
        return ""
    address = escape(f"* Correspondence: {prose.person().split()[-1].lower()}@example.org")
    places = " \\ ".join(escape(prose.affiliation()) for _ in range(rng.choice([1, 1, 2])))
    rule = "#line(length: 100%, stroke: 0.4pt)" if rng.random() < 0.6 else ""
    return (
        f"#place(bottom, float: true, clearance: 10pt)[#set text(size: {style.small * 0.88:.1f}pt)\n"
        f"#set par(first-line-indent: 0em, leading: 0.15em)\n#pdf.artifact[{rule}]\n#par[{address} \\ {places}]]"
    )
