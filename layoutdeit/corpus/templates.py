"""Whole documents in Typst markup: a house style, a title page or a start mid-article, text, and an end."""

from __future__ import annotations

import random
from collections.abc import Sequence

from layoutdeit.corpus.front_matter import front_matter
from layoutdeit.corpus.house_style import style_rules
from layoutdeit.corpus.journal_families import draw_family_style
from layoutdeit.corpus.prose import Prose
from layoutdeit.corpus.running_heads import running_heads
from layoutdeit.corpus.running_text import TextWriter

OPENING_SHARE = 0.55  # documents that begin with their title page
ENDING_SHARE = 0.45  # documents that end with references, often on a page half empty


def document_markup(
    rng: random.Random, families: Sequence[str], num_pages: int, template_families: Sequence[str] = ()
) -> str:
    """A document of about `num_pages` pages or fewer. families: installed fonts; template_families: all if empty."""
    style = draw_family_style(rng, families, template_families)
    prose = Prose(rng, manual=style.manual)
    opens, ends = rng.random() < OPENING_SHARE, rng.random() < ENDING_SHARE
    writer = TextWriter(rng, prose, style)
    parts = [style_rules(style), running_heads(style, rng, prose, 1 if opens else rng.randint(2, 12))]
    writer.budget = style.lines_per_page * (rng.uniform(1.2, num_pages) if ends else num_pages + 0.2)
    if opens:
        parts.append(front_matter(rng, prose, style))
        writer.budget -= 0.6 * style.lines_per_page
        parts.append(writer.heading() if rng.random() < 0.9 else "")
    parts.append(writer.paragraph(lower_start=not opens and rng.random() < 0.8))
    references = min(writer.budget * 0.5, style.lines_per_page * rng.uniform(0.3, 2.2)) if ends else 0.0
    writer.budget -= references
    parts.append(writer.body())
    if ends:
        parts.append(writer.back_matter(references))
    return "\n\n".join(parts)
