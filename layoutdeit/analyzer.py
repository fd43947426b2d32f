"""Analyse documents in Python: `LayoutAnalyzer`.

A page goes pdf.render -> tensor -> detector -> postprocess.clean -> points -> Region, while the next one is rendered
(pages_ahead.py). Torch is imported when an analyzer is made, so `--help` is instant.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backbone.usage import usable_device
from layoutdeit.geometry import pixels_to_points
from layoutdeit.labels import label_by_id
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.page_turn import may_lie, turn_to_read, turned_box, turned_picture, turned_size, turned_words
from layoutdeit.pages_ahead import ReadPage, read_ahead
from layoutdeit.pdf import Document, open_document
from layoutdeit.postprocess import build_regions, clean
from layoutdeit.reading import are_of_the_print, snap_to_words
from layoutdeit.reading_order import reading_order
from layoutdeit.region_text import read_regions
from layoutdeit.stopwatch import stage
from layoutdeit.structure import structured
from layoutdeit.upright_picture import rgb_on_white
from layoutdeit.word_shares import share_words, split_columns

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from layoutdeit.engines.base import Detections, Detector
    from layoutdeit.reading import Word

DEFAULT_SCORE = 0.5
SURE = 0.5  # score from which what is found tells which way up a page is
Progress = Callable[[PageLayout, int, int], None]  # the page just done, how many are done, how many there are

logger = logging.getLogger(__name__)


class LayoutAnalyzer:
    """Finds the regions of documents with one model. Several threads may share one; the model serves them in turn."""

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        engine: str = "torchvision",
        device: str | None = None,
        precision: str = "auto",
        score: float = DEFAULT_SCORE,
    ) -> None:
        """Load a model by name or file, by default the shipped one.

        `device` is a torch device, by default "cuda" where there is one; regions below `score` (0..1) are left out.
        `precision` is "fp32", "bf16", "int8" or "auto" for the one that this machine multiplies faster (docs/speed.md).
        Raises ValueError or FileNotFoundError where there is no such model or device, ImportError where the engine is
        missing.
        """
        from layoutdeit.weights import load_model

        loaded = load_model(model, engine=engine, device=usable_device(device), precision=precision)
        self._set_up(loaded.detector, loaded.info, score)

    @classmethod
    def from_detector(cls, detector: Detector, info: ModelInfo, *, score: float = DEFAULT_SCORE) -> LayoutAnalyzer:
        """Wrap a detector that is already loaded, wherever it came from."""
        analyzer = cls.__new__(cls)
        analyzer._set_up(detector, info, score)
        return analyzer

    def _set_up(self, detector: Detector, info: ModelInfo, score: float) -> None:
        self.info = info
        self.score = checked_score(score)
        self._detector = detector
        self._in_turn = threading.Lock()

    def analyze(
        self,
        source: str | Path | bytes,
        *,
        name: str | None = None,
        password: str | None = None,
        pages: Iterable[int] | None = None,
        score: float | None = None,
        progress: Progress | None = None,
    ) -> DocumentLayout:
        """Analyse a PDF or a scan (JPEG, PNG, TIFF), given by path or as bytes.

        The whole of it, or only `pages` (numbered from 1, in the order given).
        A page that fails has an `error` and no regions; the others go on. `progress` is called after each page.
        Raises PdfError where the document cannot be opened, OSError where there is no such file, ValueError for
        pages it does not have.
        """
        with open_document(source, name=name, password=password) as document:
            numbers = _checked_pages(document, pages)
            results: list[PageLayout] = []
            for page in self.analyze_pages(document, numbers, score):
                results.append(page)
                if progress is not None:
                    progress(page, len(results), len(numbers))
            return self.document_layout(document, results)

    def analyze_pages(
        self, document: Document, pages: Iterable[int] | None = None, score: float | None = None
    ) -> Iterator[PageLayout]:
        """Analyse an open document page by page, each as it is asked for; nothing of earlier pages is kept.

        While a page is with the caller, or with the model, the next one is rendered already.
        Raises ValueError for pages the document does not have.
        """
        score = self.score if score is None else checked_score(score)
        for page in read_ahead(document, _checked_pages(document, pages)):
            yield self.analyze_read(page, document.name, score)

    def analyze_read(self, page: ReadPage, name: str, score: float | None = None) -> PageLayout:
        """Analyse a page of the document `name` that was read already. What is wrong with it is in the result."""
        start = time.perf_counter()
        score = self.score if score is None else checked_score(score)
        if page.picture is None:
            return PageLayout(page.number, *page.size_pt, error=page.error, seconds=page.seconds)
        try:
            regions = self._find_regions(page.picture.image, page.size_pt, page.words, score)
            error = None
        except Exception as failure:  # an engine may raise anything; the other pages must not pay for it
            logger.warning("%s page %d: the model failed", name, page.number, exc_info=True)
            regions = ()
            reason = str(failure) or type(failure).__name__
            error = PageError("model", f"the model failed on page {page.number} of {name}: {reason}")
        seconds = page.seconds + time.perf_counter() - start
        return PageLayout(page.number, *page.size_pt, regions, error, page.picture.renderer, seconds)

    def analyze_image(self, image: Image.Image, *, score: float | None = None, number: int = 1) -> PageLayout:
        """Analyse a picture of a page. One pixel counts as one point: boxes are in pixels of the picture.

        Raises whatever the model raises.
        """
        start = time.perf_counter()
        score = self.score if score is None else checked_score(score)
        width, height = image.size
        regions = self._find_regions(rgb_on_white(image), (width, height), (), score)
        return PageLayout(number, width, height, regions, seconds=time.perf_counter() - start)

    def attention_map(
        self, image: Image.Image, source: str | tuple[float, float, float, float], *, block: int | None = None
    ) -> np.ndarray:
        """What the backbone looks at, as attention.attention_map says it; a box is in pixels of the picture."""
        from layoutdeit.attention import attention_map

        with self._in_turn:
            return attention_map(self._detector, _tensor(rgb_on_white(image)), source, block=block)

    @property
    def token_names(self) -> tuple[str, ...]:
        """The tokens that attention_map may start from."""
        from layoutdeit.attention import token_names

        return token_names(self._detector)

    @property
    def num_blocks(self) -> int:
        """Blocks of the backbone, of which attention_map takes one."""
        return len(self._detector.backbone.blocks)

    def document_layout(self, document: Document, pages: Iterable[PageLayout]) -> DocumentLayout:
        """The result for a document whose pages were analysed one by one."""
        source = SourceInfo(document.name, document.sha256, document.num_pages)
        return structured(DocumentLayout(source, self.info, tuple(pages)))

    def _find_regions(
        self, image: Image.Image, size_pt: tuple[float, float], words: tuple[Word, ...], score: float
    ) -> tuple[Region, ...]:
        quarters, found = self._look_at(image, words)
        if not quarters:
            return self._regions(found, image.size, size_pt, words, score)
        turned = turned_size(size_pt, quarters)  # boxes, lines and their order are of the page as it is read
        regions = self._regions(
            found, turned_size(image.size, quarters), turned, turned_words(words, size_pt, quarters), score
        )
        return tuple(replace(region, box=turned_box(region.box, turned, -quarters)) for region in regions)

    def _look_at(self, image: Image.Image, words: Sequence[Word]) -> tuple[int, Detections]:
        """How a page must be turned to be read, in quarters clockwise, and what is found on it then."""
        turns = (0,) if not may_lie(image) else (turn_to_read(words),) if words else (0, 1, 3)
        looks = {}
        for quarters in turns:
            with self._in_turn:
                looks[quarters] = self._detector.predict([_tensor(turned_picture(image, quarters))])[0].cpu()
        return max(looks.items(), key=lambda look: float(look[1].scores[look[1].scores >= SURE].sum()))

    def _regions(
        self,
        found: Detections,
        size_px: tuple[int, int],
        size_pt: tuple[float, float],
        words: tuple[Word, ...],
        score: float,
    ) -> tuple[Region, ...]:
        boxes, labels, scores = (part.numpy() for part in (found.boxes.float(), found.labels, found.scores.float()))
        with stage("clean-up"):
            kept = clean(boxes, labels, scores, min_score=score)
        with stage("text and order"):
            boxes, labels, scores = pixels_to_points(boxes[kept], size_px, size_pt), labels[kept], scores[kept]
            words = words if are_of_the_print(words, boxes, _names(labels)) else ()
            boxes, is_full = snap_to_words(boxes, _names(labels), words)
            boxes, labels, scores = boxes[is_full], labels[is_full], scores[is_full]
            origins, boxes = split_columns(boxes, _names(labels), words)
            labels, scores = labels[origins], scores[origins]
            kept = clean(boxes, labels, scores)  # boxes that held parts of the same lines now hold the same lines
            boxes, labels, scores = boxes[kept], labels[kept], scores[kept]
            held, boxes, is_full = share_words(boxes, _names(labels), scores, words)
            full = np.flatnonzero(is_full)
            regions, read = [], []
            for index in full[reading_order(boxes[full])]:
                on_page = build_regions(boxes[[index]], labels[[index]], scores[[index]], size_pt)  # one, or none
                regions += on_page
                read += [held[index]] * len(on_page)
            return read_regions(regions, words, read)


def _names(labels: np.ndarray) -> list[str]:
    return [label_by_id(int(label)).name for label in labels]


def _tensor(image: Image.Image) -> Tensor:
    import torch

    with stage("preprocess"):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)  # (H, W, 3) -> (3, H, W)


def checked_score(score: float) -> float:
    """The score. Raises ValueError for one outside 0..1."""
    if not 0 <= score <= 1:
        raise ValueError(f"score must be between 0 and 1, got {score}")
    return score


def _checked_pages(document: Document, pages: Iterable[int] | None) -> list[int]:
    if pages is None:
        return list(range(1, document.num_pages + 1))
    numbers = list(pages)
    for number in numbers:
        if not 1 <= number <= document.num_pages:
            raise ValueError(f"{document.name} has pages 1..{document.num_pages}, asked for page {number}")
    return numbers
