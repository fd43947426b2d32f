"""What the text layer adds to found regions: their text, the size of their print, the cells of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layoutdeit.layout import Region
from layoutdeit.reading import Word, print_size, region_texts, words_in
from layoutdeit.table_cells import table_cells


def read_regions(regions: Sequence[Region], words: Sequence[Word]) -> tuple[Region, ...]:
    """The regions with text, print size and cells. A page without a text layer (no words) leaves them None."""
    texts = region_texts([region.box for region in regions], words)
    return tuple(
        replace(
            region,
            text=text,
            print_size=print_size(words_in(region.box, words)),
            cells=table_cells(region.box, words) if region.label == "table" else None,
        )
        for region, text in zip(regions, texts, strict=True)
    )
