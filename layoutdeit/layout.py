"""What an analysis returns: a `DocumentLayout` of `PageLayout`s of `Region`s, plain frozen data.

Boxes are in PDF points (1/72 inch), origin at the top left of the page as displayed (crop box and /Rotate applied).
`to_dict` gives the JSON written by `export.py`; `from_dict` reads it back, ignoring keys it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from layoutdeit.labels import label_by_name


@dataclass(frozen=True)
class Region:
    """A labelled box: `label` is a class name, `score` 0..1, `box` xyxy in points, `text` where the page has any."""

    label: str
    score: float
    box: tuple[float, float, float, float]
    text: str | None = None
    corrected: bool = False  # a person drew, moved or relabelled it
    print_size: float | None = None  # line height of its print in points, where the page has a text layer
    cells: tuple[tuple[str, ...], ...] | None = None  # of a table whose words show rows and columns
    level: int | None = None  # of a title: 1 the document's, 2 a section's, ... (structure.py)
    caption_of: int | None = None  # index, on its page, of the figure or table that this text describes (structure.py)

    def __post_init__(self) -> None:
        label_by_name(self.label)
        if len(self.box) != 4:
            raise ValueError(f"a box is (x0, y0, x1, y1), got {self.box!r}")

    @property
    def tag(self) -> str:
        """What a picture of the region says of it: "title 0.93"."""
        return f"{self.label} corrected" if self.corrected else f"{self.label} {self.score:.2f}"

    def to_dict(self) -> dict[str, Any]:
        """The region as JSON types; boxes to .01 pt, scores to four decimals."""
        return {
            "label": self.label,
            "score": round(float(self.score), 4),
            "box": [round(float(edge), 2) for edge in self.box],
            "text": self.text,
            "corrected": self.corrected,
            "print_size": None if self.print_size is None else round(self.print_size, 2),
            "cells": None if self.cells is None else [list(row) for row in self.cells],
            "level": self.level,
            "caption_of": self.caption_of,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Region:
        """Read what `to_dict` wrote."""
        cells = data.get("cells")
        return cls(
            label=data["label"],
            score=float(data["score"]),
            box=tuple(map(float, data["box"])),
            text=data.get("text"),
            corrected=bool(data.get("corrected")),
            print_size=data.get("print_size"),
            cells=None if cells is None else tuple(tuple(map(str, row)) for row in cells),
            level=data.get("level"),
            caption_of=data.get("caption_of"),
        )


@dataclass(frozen=True)
class PageError:
    """Why a page has no regions: a stable `code` (see pdf.py) and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True)
class PageLayout:
    """One page: `number` from 1, size in points as displayed, its regions, or the error that prevented them.

    `renderer` names the program that made the picture, `seconds` the time the page took in all.
    """

    number: int
    width: float
    height: float
    regions: tuple[Region, ...] = ()
    error: PageError | None = None
    renderer: str | None = None
    seconds: float | None = None

    def with_min_score(self, score: float) -> PageLayout:
        """The same page with only the regions of at least this score; what describes one that went describes none."""
        kept = [index for index, region in enumerate(self.regions) if region.score >= score]
        place = {index: number for number, index in enumerate(kept)}
        regions = (replace(self.regions[i], caption_of=place.get(self.regions[i].caption_of)) for i in kept)
        return replace(self, regions=tuple(regions))

    def to_dict(self) -> dict[str, Any]:
        """The page as JSON types."""
        return {
            "number": self.number,
            "width": round(float(self.width), 2),
            "height": round(float(self.height), 2),
            "regions": [region.to_dict() for region in self.regions],
            "error": None if self.error is None else {"code": self.error.code, "message": self.error.message},
            "renderer": self.renderer,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PageLayout:
        """Read what `to_dict` wrote."""
        error = data.get("error")
        return cls(
            number=int(data["number"]),
            width=float(data["width"]),
            height=float(data["height"]),
            regions=tuple(Region.from_dict(region) for region in data["regions"]),
            error=None if error is None else PageError(error["code"], error["message"]),
            renderer=data.get("renderer"),
            seconds=data.get("seconds"),
        )


@dataclass(frozen=True)
class SourceInfo:
    """The document: file `name` without its folder, `sha256` of its bytes, and its page count."""

    name: str
    sha256: str
    num_pages: int


@dataclass(frozen=True)
class ModelInfo:
    """The model that found the regions: its name, the sha256 of its file, the engine that ran it, its arithmetic."""

    name: str
    sha256: str
    engine: str
    precision: str = "fp32"  # or bf16, int8


@dataclass(frozen=True)
class DocumentLayout:
    """A whole document: where it came from, which model read it, and its analysed pages in order.

    The pages of a long document may lie on disk and be read as they are asked for (page_store.py).
    """

    source: SourceInfo
    model: ModelInfo
    pages: Sequence[PageLayout] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON types, in the schema of docs/json_schema.md."""
        return {
            "source": {"name": self.source.name, "sha256": self.source.sha256, "num_pages": self.source.num_pages},
            "model": asdict(self.model),
            "pages": [page.to_dict() for page in self.pages],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DocumentLayout:
        """Read what `to_dict` wrote."""
        source, model = data["source"], data["model"]
        return cls(
            source=SourceInfo(source["name"], source["sha256"], int(source["num_pages"])),
            model=ModelInfo(model["name"], model["sha256"], model["engine"], model.get("precision", "fp32")),
            pages=tuple(PageLayout.from_dict(page) for page in data["pages"]),
        )
