"""What the words of a page make of the boxes that a detector finds on it."""

from __future__ import annotations

import torch
from handmade_pdf import Sheet, make_pdf, written

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.engines.base import Detections
from layoutdeit.layout import ModelInfo

INFO = ModelInfo("by hand", "0" * 64, "none")


def test_two_boxes_of_the_same_words_are_one_region():
    class TwoHalves:
        """The upper half of a line as text, the lower half as title: hardly overlapping, until they are snapped."""

        def predict(self, images, *, masks=False):
            boxes = torch.tensor([[60.0, 70, 140, 90], [60, 85, 140, 110]]) * (images[0].shape[-1] / 612)
            return [Detections(boxes, torch.tensor([1, 2]), torch.tensor([0.9, 0.8]))]

    analyzer = LayoutAnalyzer.from_detector(TwoHalves(), INFO)
    (page,) = analyzer.analyze(make_pdf(Sheet(written("Hello world", 72, 700)))).pages
    assert [(region.label, region.text) for region in page.regions] == [("text", "Hello world")]
    (page,) = analyzer.analyze(make_pdf(Sheet()), name="no words").pages
    assert [region.label for region in page.regions] == ["text", "title"], "without words they stay as they are"


def test_word_is_in_one_region():
    """A list over three lines, and a surer title over the first."""

    class Overlapping:
        def predict(self, images, *, masks=False):
            boxes = torch.tensor([[60.0, 70, 140, 92], [60, 70, 200, 142]]) * (images[0].shape[-1] / 612)
            return [Detections(boxes, torch.tensor([2, 3]), torch.tensor([0.9, 0.8]))]

    analyzer = LayoutAnalyzer.from_detector(Overlapping(), INFO)
    lines = written("Hello", 72, 705) + written("Below", 72, 685) + written("it", 72, 660)
    (page,) = analyzer.analyze(make_pdf(Sheet(lines))).pages
    assert [(region.label, region.text) for region in page.regions] == [("title", "Hello"), ("list", "Below\nit")]
    title, rest = page.regions
    assert title.box[3] <= rest.box[1]
