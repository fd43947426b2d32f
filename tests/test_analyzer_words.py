"""What the words of a page make of the boxes that a detector finds on it."""

from __future__ import annotations

import torch
from handmade_pdf import Sheet, make_pdf, written

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.engines.base import Detections
from layoutdeit.layout import ModelInfo

INFO = ModelInfo("by hand", "0" * 64, "none")


class Finds:
    """A detector that finds the same on every page: (box in points, label, score), best first."""

    def __init__(self, *found):
        self.found = found

    def predict(self, images, *, masks=False):
        boxes, labels, scores = (torch.tensor(part) for part in zip(*self.found, strict=True))
        return [Detections(boxes * (images[0].shape[-1] / 612), labels, scores)]


def test_two_boxes_of_the_same_words_are_one_region():
    """The upper half of a line as text, the lower half as title: hardly overlapping, until they are snapped."""
    halves = Finds(((60.0, 70.0, 140.0, 90.0), 1, 0.9), ((60.0, 85.0, 140.0, 110.0), 2, 0.8))
    analyzer = LayoutAnalyzer.from_detector(halves, INFO)
    (page,) = analyzer.analyze(make_pdf(Sheet(written("Hello world", 72, 700)))).pages
    assert [(region.label, region.text) for region in page.regions] == [("text", "Hello world")]
    (page,) = analyzer.analyze(make_pdf(Sheet()), name="no words").pages
    assert [region.label for region in page.regions] == ["text", "title"], "without words they stay as they are"


def test_a_stamp_on_a_scan_is_no_text_layer():
    """Most of what was found holds no word: the page is read as one without any, and nothing is lost."""
    found = Finds(*[((60.0, 60.0 + 80 * line, 400.0, 120.0 + 80 * line), 1 + line % 3, 0.9) for line in range(6)])
    analyzer = LayoutAnalyzer.from_detector(found, INFO)
    (page,) = analyzer.analyze(make_pdf(Sheet(written("Received 4 May", 72, 690)))).pages
    assert len(page.regions) == 6 and {region.text for region in page.regions} == {None}
    lines = "".join(written("words", 72, 690 - 80 * line) for line in range(4))
    (page,) = analyzer.analyze(make_pdf(Sheet(lines))).pages
    assert [region.text for region in page.regions] == ["words"] * 4


def test_word_is_in_one_region():
    """A list over three lines, and a surer title over the first."""
    overlapping = Finds(((60.0, 70.0, 140.0, 92.0), 2, 0.9), ((60.0, 70.0, 200.0, 142.0), 3, 0.8))
    analyzer = LayoutAnalyzer.from_detector(overlapping, INFO)
    lines = written("Hello", 72, 705) + written("Below", 72, 685) + written("it", 72, 660)
    (page,) = analyzer.analyze(make_pdf(Sheet(lines))).pages
    assert [(region.label, region.text) for region in page.regions] == [("title", "Hello"), ("list", "Below\nit")]
    title, rest = page.regions
    assert title.box[3] <= rest.box[1]


def test_a_text_across_two_columns_is_two_regions():
    lines = [
        written(f"{side} words of line {row}", x, 700 - 14 * row)
        for row in range(4)
        for side, x in (("left", 72), ("right", 220))
    ]
    both = Finds(((60.0, 70.0, 400.0, 150.0), 1, 0.9))
    (page,) = LayoutAnalyzer.from_detector(both, INFO).analyze(make_pdf(Sheet("".join(lines)))).pages
    assert [(region.label, region.text.split()[0], region.score) for region in page.regions] == [
        ("text", "left", page.regions[0].score), ("text", "right", page.regions[0].score)
    ]  # fmt: skip
    left, right = (region.box for region in page.regions)
    assert left[2] < 220 <= right[0] + 0.5
