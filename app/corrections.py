"""What a visitor changed on a page: boxes moved, relabelled, deleted or added, laid over what the model found.

A region of the model is called by its place on the page, "m0", "m1", ...; one the visitor added is "u" and a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import PageLayout, Region
from layoutdeit.reading import Word
from layoutdeit.region_text import read_regions

REGION_ID = re.compile(r"[mu]\d{1,10}")
MAX_EDITS = 500  # on one page: what a browser sends is not to be trusted
Edits = dict[str, Region | None]  # region id: as it is now, or None for deleted


def region_ids(page: PageLayout) -> list[str]:
    """The ids of the regions that the model found on a page."""
    return [f"m{index}" for index in range(len(page.regions))]


def named_regions(page: PageLayout, edits: Edits) -> dict[str, Region]:
    """The regions of the page as corrected, by id: what was not touched, then what was changed or added."""
    kept = {name: region for name, region in zip(region_ids(page), page.regions, strict=True) if name not in edits}
    return kept | {name: region for name, region in edits.items() if region is not None}


def apply(page: PageLayout, edits: Edits) -> PageLayout:
    """The page as corrected; a region that was changed or added has score 1.

    A page that the model failed on has failed no longer once regions were drawn on it.
    """
    regions = tuple(named_regions(page, edits).values())
    return replace(page, regions=regions, error=None if regions else page.error)


def with_text(edits: Edits, words: Sequence[Word]) -> Edits:
    """The edits, their regions with what the words of the page say: text, size of print, cells."""
    regions = {name: region for name, region in edits.items() if region is not None}
    return edits | dict(zip(regions, read_regions(tuple(regions.values()), words), strict=True))


def from_browser(value: Any, page: PageLayout) -> Edits:
    """The edits that the browser sent for this page; what is not a box with a known class on the page is dropped."""
    if not isinstance(value, dict):
        return {}
    edits: Edits = {}
    for name, edit in list(value.items())[:MAX_EDITS]:
        if not REGION_ID.fullmatch(str(name)):
            continue
        if edit is None:
            edits[name] = None
        elif (region := _region(edit, page)) is not None:
            edits[name] = region
    return edits


def to_browser(edits: Edits) -> dict[str, Any]:
    """The edits as the component keeps them."""
    return {
        name: None if region is None else {"label": region.label, "box": list(region.box)}
        for name, region in edits.items()
    }


def _region(edit: Any, page: PageLayout) -> Region | None:
    if not isinstance(edit, dict) or edit.get("label") not in LABEL_NAMES:
        return None
    try:
        x0, y0, x1, y1 = (float(edge) for edge in edit["box"])
    except (KeyError, TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    x0, x1 = max(x0, 0.0), min(x1, page.width)
    y0, y1 = max(y0, 0.0), min(y1, page.height)
    if x0 >= x1 or y0 >= y1:
        return None
    return Region(edit["label"], 1.0, (x0, y0, x1, y1), corrected=True)
