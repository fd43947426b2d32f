"""What was wrong with the annotations of a data set, counted: the part of a report that the JSON alone tells."""

from __future__ import annotations

from dataclasses import dataclass

from layoutdeit.labels import NUM_CLASSES

MIN_SIDE_PX = 1.0  # a box thinner than this after clipping to its page is left out
NUM_EXAMPLES = 5  # of each problem, named in the report

# Why a box is left out, the first reason that holds; the words follow its number in a report.
DROPPED = {
    "no_page": "belong to no page of the file",
    "crowd": "are marked as crowds",
    "unknown_category": f"have a category other than 1 to {NUM_CLASSES}",
    "no_box": "have no box of four numbers",
    "zero_area": "have no area",
    "outside": "lie outside their page",
    "thin": f"are thinner than {MIN_SIDE_PX:g} px on their page",
}
# What is used all the same.
NOTED = {
    "cut": "boxes reach out of their page by more than 1 px and are cut",
    "no_outline": "boxes have no outline and stand for it",
    "broken_outline": "outlines are broken; their boxes stand for them",
    "pages_without_boxes": "pages have no box",
    "repeated_pages": "pages repeat the id of an earlier one and are left out",
    "pages_without_size": "pages are less than a pixel wide or high and are left out",
    "odd_categories": "categories are named otherwise than PubLayNet's",
}


@dataclass(frozen=True)
class AnnotationReport:
    """What a file held. problems: key of DROPPED or NOTED -> how often; examples: the same key -> the first few.

    num_polygons, num_rle and num_rectangles: annotations whose outline is of that kind; a rectangle is its box.
    """

    num_pages: int
    num_rows: int
    num_boxes: int
    num_polygons: int
    num_rle: int
    num_rectangles: int
    problems: dict[str, int]
    examples: dict[str, list[str]]

    @property
    def num_dropped(self) -> int:
        """Annotations left out."""
        return sum(self.problems[key] for key in DROPPED)

    def lines(self) -> list[str]:
        """The report for people: the sums, then a line per problem with its first examples."""
        lines = [
            f"{self.num_pages} pages, {self.num_rows} annotations, {self.num_boxes} boxes used; outlines: "
            f"{self.num_polygons} polygons, {self.num_rle} run-length masks, {self.num_rectangles} rectangles"
        ]
        for key, words in {**{k: f"annotations {w}: left out" for k, w in DROPPED.items()}, **NOTED}.items():
            if count := self.problems[key]:
                examples = self.examples.get(key, [])
                shown = f" ({', '.join(examples)}{', ...' if count > len(examples) else ''})" if examples else ""
                lines.append(f"{count} {words}{shown}")
        return lines
