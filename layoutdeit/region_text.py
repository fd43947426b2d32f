"""What the text layer adds to found regions: their text, print size, the cells of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layoutdeit.layout import Region
from layoutdeit.reading import Word, columns_of, print_size, text_of, words_in
from layoutdeit.table_cells import table_cells


def read_regions(
    regions: Sequence[Region], words: Sequence[Word], held: Sequence[Sequence[Word]] | None = None
) -> tuple[Region, ...]:
    """The regions with text, print size and cells. A page without a text layer (no words) leaves them None.

    held: the words of each region; None: those whose centres lie in its box.
    """
    if held is None:
        held = [words_in(region.box, words) for region in regions]
    return tuple(
        replace(
            region,
            text=_text(region.label, own) if words else None,
            print_size=print_size(own),
            cells=table_cells(region.box, words) if region.label == "table" else None,
        )
        for region, own in zip(regions, held, strict=True)
    )


def _text(label: str, words: Sequence[Word]) -> str:
    """What a region says. A box around paragraphs of two columns is read one after the other."""
    columns = columns_of(words) if label == "text" else [words]
    return "\n".join(map(text_of, columns))
