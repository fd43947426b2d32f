"""What a document's regions are to each other: levels of headings, captions of figures and tables, running heads.

The last step of an analysis: two passes over the records of all pages, one at a time. `structured` may be applied again
after a person has changed regions.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from layoutdeit.layout import DocumentLayout, PageLayout, Region

MARGIN = 0.1  # of the page's height, at the top and at the bottom: where running heads and page numbers stand
MIN_REPEATS = 3  # pages that must carry a running head before it counts as one
SAME_SIZE = 1.06  # ratio of line heights up to which two headings are set alike
MAX_LEVEL = 6
MAX_NUMBERING = 100  # characters of a heading in which its number is looked for
MAX_CAPTION_GAP = 40.0  # points between a figure or table and its caption
NUMBERED = re.compile(r"\s*(?:(\d{1,2}(?:\.\d{1,2})*)\.?|([IVX]{1,4})\.|([A-H])\.)\s+\S")
ROMAN = r"(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
PAGE_NUMBER = re.compile(
    rf"\W*(?:(?:page|p\.|seite)\s*)?(?:\d{{1,4}}|{ROMAN})(?:\s*(?:/|of|von)\s*\d{{1,4}})?\W*", re.IGNORECASE
)
MAX_NUMBERS = 4  # in a running head; more, and it is none
# How captions begin, in the languages of the pages that were at hand.
FIGURE_WORDS = (
    r"fig(?:ure|ura|\.)?|abb(?:ildung|\.)?|scheme|chart|plate|\u56fe|\u56f3"
    r"|\u0440\u0438\u0441(?:\u0443\u043d\u043e\u043a|\.)?"
)
TABLE_WORDS = r"tab(?:le|elle|leau|la|\.)?|\u0442\u0430\u0431\u043b(?:\u0438\u0446\u0430|\.)?|\u8868"
NUMBER = r"\s*\.?\s*(?:[A-Z]?\d{1,3}|[IVX]{1,4})\b"
CAPTION = {
    "figure": re.compile(rf"\s*(?:{FIGURE_WORDS}){NUMBER}", re.IGNORECASE),
    "table": re.compile(rf"\s*(?:{TABLE_WORDS}){NUMBER}", re.IGNORECASE),
}


def structured(layout: DocumentLayout) -> DocumentLayout:
    """The document without running heads and page numbers, its headings with levels, captions tied to what they name.

    `Region.level` is 1 (the document's title) to 6 for titles; `Region.caption_of` is the index, among the regions of
    the same page, of the figure or table that a text describes.
    """
    structure = DocumentStructure(layout.pages)
    return replace(layout, pages=tuple(map(structure.finished, layout.pages)))


class DocumentStructure:
    """What the pages of a document tell of each other, gathered in one pass over them; the pages are not kept."""

    def __init__(self, pages: Iterable[PageLayout]) -> None:
        """Look at each page once."""
        marginal: list[tuple[int, int, Region]] = []
        titles: list[tuple[int, int, Region]] = []
        letters_by_size: Counter[float] = Counter()
        for page in pages:
            for index, region in enumerate(page.regions):
                if _is_marginal(page, region):
                    marginal.append((page.number, index, replace(region, text=" ".join(region.text.split()))))
                if region.label == "title":
                    titles.append((page.number, index, replace(region, text=(region.text or "")[:MAX_NUMBERING])))
                elif region.print_size and region.text:
                    letters_by_size[region.print_size] += len(region.text)
        self._heads = _running_heads(marginal, _median(letters_by_size))
        self._levels = _levels(
            [(number, region) for number, index, region in titles if (number, index) not in self._heads]
        )

    def finished(self, page: PageLayout) -> PageLayout:
        """One of the pages, as `structured` gives it."""
        kept = [region for index, region in enumerate(page.regions) if (page.number, index) not in self._heads]
        captions = _captions(kept)
        regions = (
            replace(region, level=self._levels.get((page.number, region.box)), caption_of=captions.get(index))
            for index, region in enumerate(kept)
        )
        return replace(page, regions=tuple(regions))


def _is_marginal(page: PageLayout, region: Region) -> bool:
    middle = (region.box[1] + region.box[3]) / 2
    is_low = region.box[3] - region.box[1] < MARGIN / 2 * page.height
    stands_in_margin = is_low and not MARGIN < middle / max(page.height, 1) < 1 - MARGIN
    return bool(region.label in ("text", "title") and region.text and stands_in_margin and not region.corrected)


def _running_heads(marginal: Sequence[tuple[int, int, Region]], body_size: float) -> set[tuple[int, int]]:
    """(page number, index) of what stands in a margin and is a page number, or the same on several pages.

    Headings set larger than the text (`body_size`, points) are none, however often they come: "Results" on each slide.
    """
    heads = set()
    repeatable: list[tuple[int, int, list[str]]] = []
    for number, index, region in marginal:
        is_title = region.label == "title"
        if PAGE_NUMBER.fullmatch(region.text) and not (is_title and region.text.strip().isalpha()):
            heads.add((number, index))
        elif not (is_title and (region.print_size or 0) > body_size * SAME_SIZE) and not _is_caption(region.text):
            repeatable.append((number, index, _forms(region.text, number)))
    counts = Counter(form for form, _ in {(form, number) for number, _, forms in repeatable for form in forms})
    heads.update((n, index) for n, index, forms in repeatable if any(counts[form] >= MIN_REPEATS for form in forms))
    return heads


def _forms(text: str, page_number: int) -> list[str]:
    """What a running head may have in common with others: each of its numbers as it is, or counted with the pages.

    "Smith et al. 3" on page 1 is "smith et al. 3" and "smith et al. page+2".
    """
    words = re.split(r"(\d{1,9})", text.casefold())  # int() refuses thousands of digits
    choices = [(word, f"page{int(word) - page_number:+d}") if word.isdecimal() else (word,) for word in words]
    if len(words) // 2 > MAX_NUMBERS:
        return [text.casefold()]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _is_caption(text: str) -> bool:
    return any(beginning.match(text) for beginning in CAPTION.values())


def _median(counts: Counter[float]) -> float:
    """The middle one of many sizes; infinite where there are none."""
    seen, half = 0, counts.total() / 2
    for size in sorted(counts):
        seen += counts[size]
        if seen >= half:
            return size
    return math.inf


def _levels(titles: Sequence[tuple[int, Region]]) -> dict[tuple[int, tuple[float, ...]], int]:
    """The level of each heading: by its number where it has one, otherwise by the size of its print.

    Headings of one size have the level that the numbered ones among them have most often; other sizes follow in order.
    """
    if not titles:
        return {}
    first = titles[0][0]
    document_title = _document_title(titles)
    others = [(number, region) for number, region in titles if region is not document_title]
    sizes = _size_groups([region.print_size for _, region in others if region.print_size])
    level_of_group: dict[int, int] = {}
    for group in range(len(sizes)):
        numbered = [
            level
            for _, region in others
            if _group(sizes, region.print_size) == group and (level := _level_of_number(region.text)) is not None
        ]
        above = level_of_group.get(group - 1, 1)
        level_of_group[group] = Counter(numbered).most_common(1)[0][0] if numbered else min(above + 1, MAX_LEVEL)
    levels = {}
    for number, region in others:
        level = _level_of_number(region.text)
        if level is None:
            level = level_of_group.get(_group(sizes, region.print_size), 2)
        levels[number, region.box] = level
    title_level = _level_of_number(document_title.text) or 1  # "1 Introduction" is no document's title
    levels[first, document_title.box] = title_level
    return levels


def _document_title(titles: Sequence[tuple[int, Region]]) -> Region:
    """Of the headings on the first page that has any: the one in a print of its own and the largest, or the topmost."""
    first = titles[0][0]
    opening = [region for number, region in titles if number == first]
    largest = max(opening, key=lambda region: (region.print_size or 0, -region.box[1]))
    alike = [region for _, region in titles if (region.print_size or 0) * SAME_SIZE >= (largest.print_size or 0)]
    return largest if len(alike) == 1 else min(opening, key=lambda region: region.box[1])


def _level_of_number(text: str | None) -> int | None:
    """ "3 Method" is 2, "3.2 Data" 3, "IV. Results" 2, "B. Proofs" 3; None without a number."""
    found = NUMBERED.match(text or "")
    if found is None:
        return None
    if found[1]:
        return min(MAX_LEVEL, 2 + found[1].count("."))
    return 2 if found[2] else 3


def _size_groups(sizes: Sequence[float]) -> list[float]:
    """The different sizes of print, largest first; what is alike to SAME_SIZE is one."""
    groups: list[float] = []
    for size in sorted(sizes, reverse=True):
        if not groups or groups[-1] > size * SAME_SIZE:
            groups.append(size)
    return groups


def _group(groups: Sequence[float], size: float | None) -> int | None:
    if not size:
        return None
    return next((index for index, largest in enumerate(groups) if largest <= size * SAME_SIZE), None)


def _captions(regions: Sequence[Region]) -> dict[int, int]:
    """Index of a caption -> index of the nearest figure or table of its kind, above, below or beside it."""
    found: dict[int, int] = {}
    for index, region in enumerate(regions):
        if region.label != "text" or not region.text:
            continue
        kind = next((kind for kind, beginning in CAPTION.items() if beginning.match(region.text)), None)
        rivals = [
            (gap, other)
            for other, candidate in enumerate(regions)
            if candidate.label == kind and (gap := _gap(region, candidate)) <= MAX_CAPTION_GAP
        ]
        if rivals:
            found[index] = min(rivals)[1]
    return found


def _gap(one: Region, other: Region) -> float:
    """Points of white between two boxes; 0 where they touch."""
    dx = max(0.0, one.box[0] - other.box[2], other.box[0] - one.box[2])
    dy = max(0.0, one.box[1] - other.box[3], other.box[1] - one.box[3])
    return max(dx, dy)
