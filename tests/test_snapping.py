"""What snapping to the text layer buys: real tagged PDFs analysed with it and without, against the boxes of their tags.

`pytest -m heavy tests/test_snapping.py -s` prints the table of docs/results.md.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typst", reason="no typst: install the extra 'corpus'")
from layoutdeit import analyzer as layout_analyzer
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.coco_eval import Metrics, evaluate_detections, format_metrics
from layoutdeit.corpus.tagged_pdf import TaggedPdf
from layoutdeit.corpus.templates import document_markup
from layoutdeit.corpus.typeset import installed_families, is_sound, set_pdf
from layoutdeit.geometry import xyxy_to_xywh
from layoutdeit.labels import LABELS, label_by_name
from layoutdeit.pdf import open_document

NUM_DOCUMENTS, PAGES_EACH, SEED = 40, 3, 4711
SCORE = 0.05


@dataclass
class Truth:
    """The pages that are sound, by document, and their regions as COCO has them, in points."""

    pdfs: list[tuple[bytes, list[int]]]
    path: Path


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    images, annotations, pdfs = [], [], []
    for number in range(NUM_DOCUMENTS):
        data = set_pdf(document_markup(random.Random(f"{SEED}/{number}"), installed_families(), PAGES_EACH, ()))
        with TaggedPdf(data) as document:
            pages = [(index + 1, document.read_page(index)) for index in range(min(len(document), PAGES_EACH))]
        pages = [(page_number, page) for page_number, page in pages if is_sound(page)]
        for _, page in pages:
            image_id = len(images) + 1
            images.append({"id": image_id, "width": page.width, "height": page.height, "file_name": f"{image_id}"})
            for region in page.regions:
                annotations.append(_entry(image_id, region.label, region.box, id=len(annotations) + 1))
        pdfs.append((data, [page_number for page_number, _ in pages]))
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    categories = [{"id": label.id, "name": label.name} for label in LABELS]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return Truth(pdfs, path)


def _entry(image_id: int, label: str, box: tuple[float, ...], **more: float) -> dict:
    (xywh,) = xyxy_to_xywh([box]).tolist()
    return {"image_id": image_id, "category_id": label_by_name(label).id, "bbox": xywh, "iscrowd": 0, **more}


def analysed(analyzer: LayoutAnalyzer, truth: Truth) -> Metrics:
    """AP of what the analysis returns for all pages, boxes in points."""
    entries, image_id = [], 0
    for data, numbers in truth.pdfs:
        with open_document(data) as document:
            for page in analyzer.analyze_pages(document, numbers):
                assert page.error is None
                image_id += 1
                entries += [_entry(image_id, found.label, found.box, score=found.score) for found in page.regions]
    return evaluate_detections(truth.path, entries)


def all_full(boxes: np.ndarray) -> np.ndarray:
    """That each box holds words."""
    return np.ones(len(boxes), dtype=bool)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_snapping_does_not_cost_accuracy(truth: Truth, monkeypatch: pytest.MonkeyPatch):
    analyzer = LayoutAnalyzer(score=SCORE)
    found = []
    predict = analyzer._detector.predict
    monkeypatch.setattr(analyzer._detector, "predict", lambda images: found.append(predict(images)) or found[-1])
    snapped = analysed(analyzer, truth)
    # the same detections once more: the model is most of the time
    monkeypatch.setattr(analyzer._detector, "predict", lambda images: found.pop(0))
    # both move boxes to lines
    monkeypatch.setattr(layout_analyzer, "snap_to_words", lambda boxes, labels, words: (boxes, all_full(boxes)))
    monkeypatch.setattr(
        layout_analyzer, "share_words", lambda boxes, *rest: ([[] for _ in boxes], boxes, all_full(boxes))
    )
    loose = analysed(analyzer, truth)
    num_pages = sum(len(numbers) for _, numbers in truth.pdfs)
    print(f"\n{num_pages} pages\nsnapped\n{format_metrics(snapped, None)}\nnot snapped\n{format_metrics(loose, None)}")
    for name in ("text", "title"):  # lists are too few
        assert snapped[name].ap > loose[name].ap - 0.01, name
