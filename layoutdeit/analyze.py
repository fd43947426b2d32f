"""Analyse documents: `LayoutAnalyzer` in Python, `python -m layoutdeit.analyze` on the command line.

A page goes pdf.render -> tensor -> detector -> postprocess.clean -> points -> Region, while the next one is rendered
(pages_ahead.py). Torch is imported when an analyzer is made, so `--help` is instant.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layoutdeit.geometry import pixels_to_points
from layoutdeit.labels import label_by_id
from layoutdeit.layout import DocumentLayout, ModelInfo, PageError, PageLayout, Region, SourceInfo
from layoutdeit.pages_ahead import ReadPage, read_ahead
from layoutdeit.pdf import Document, open_document
from layoutdeit.postprocess import build_regions, clean
from layoutdeit.reading import snap_to_words
from layoutdeit.reading_order import reading_order
from layoutdeit.region_text import read_regions
from layoutdeit.stopwatch import stage
from layoutdeit.structure import structured

if TYPE_CHECKING:
    from PIL import Image

    from layoutdeit.engines.base import Detector
    from layoutdeit.reading import Word

DEFAULT_SCORE = 0.5
DEFAULT_FORMATS = "json,pdf,png"
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
        `precision` is "fp32", "bf16", or "auto" for the one that this machine multiplies faster (docs/speed.md).
        Raises ValueError or FileNotFoundError where there is no such model, ImportError where the engine is missing.
        """
        import torch

        from layoutdeit.weights import load_model

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        loaded = load_model(model, engine=engine, device=device, precision=precision)
        self._set_up(loaded.detector, loaded.info, score)

    @classmethod
    def from_detector(cls, detector: Detector, info: ModelInfo, *, score: float = DEFAULT_SCORE) -> LayoutAnalyzer:
        """Wrap a detector that is already loaded, wherever it came from."""
        analyzer = cls.__new__(cls)
        analyzer._set_up(detector, info, score)
        return analyzer

    def _set_up(self, detector: Detector, info: ModelInfo, score: float) -> None:
        self.info = info
        self.score = _checked_score(score)
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
        Raises PdfError where the document cannot be opened, ValueError for pages it does not have.
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
        score = self.score if score is None else _checked_score(score)
        for page in read_ahead(document, _checked_pages(document, pages)):
            yield self._analyze_page(document, page, score)

    def analyze_image(self, image: Image.Image, *, score: float | None = None, number: int = 1) -> PageLayout:
        """Analyse a picture of a page. One pixel counts as one point: boxes are in pixels of the picture.

        Raises whatever the model raises.
        """
        start = time.perf_counter()
        score = self.score if score is None else _checked_score(score)
        width, height = image.size
        regions = self._find_regions(image.convert("RGB"), (width, height), (), score)
        return PageLayout(number, width, height, regions, seconds=time.perf_counter() - start)

    def document_layout(self, document: Document, pages: Iterable[PageLayout]) -> DocumentLayout:
        """The result for a document whose pages were analysed one by one."""
        source = SourceInfo(document.name, document.sha256, document.num_pages)
        return structured(DocumentLayout(source, self.info, tuple(pages)))

    def _analyze_page(self, document: Document, page: ReadPage, score: float) -> PageLayout:
        start = time.perf_counter()
        if page.picture is None:
            return PageLayout(page.number, *page.size_pt, error=page.error, seconds=page.seconds)
        try:
            regions = self._find_regions(page.picture.image, page.size_pt, page.words, score)
            error = None
        except Exception as failure:  # an engine may raise anything; the other pages must not pay for it
            logger.warning("%s page %d: the model failed", document.name, page.number, exc_info=True)
            regions = ()
            reason = str(failure) or type(failure).__name__
            error = PageError("model", f"the model failed on page {page.number} of {document.name}: {reason}")
        seconds = page.seconds + time.perf_counter() - start
        return PageLayout(page.number, *page.size_pt, regions, error, page.picture.renderer, seconds)

    def _find_regions(
        self, image: Image.Image, size_pt: tuple[float, float], words: tuple[Word, ...], score: float
    ) -> tuple[Region, ...]:
        import torch

        with stage("preprocess"):
            tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)  # (H, W, 3) -> (3, H, W)
        with self._in_turn:
            found = self._detector.predict([tensor])[0].cpu()
        boxes, labels, scores = (part.numpy() for part in (found.boxes.float(), found.labels, found.scores.float()))
        with stage("clean-up"):
            kept = clean(boxes, labels, scores, min_score=score)
        with stage("text and order"):
            boxes, labels, scores = pixels_to_points(boxes[kept], image.size, size_pt), labels[kept], scores[kept]
            boxes, is_full = snap_to_words(boxes, [label_by_id(int(label)).name for label in labels], words)
            boxes, labels, scores = boxes[is_full], labels[is_full], scores[is_full]
            order = reading_order(boxes)
            return read_regions(build_regions(boxes[order], labels[order], scores[order], size_pt), words)


def _checked_score(score: float) -> float:
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


def main(argv: Sequence[str] | None = None, *, analyzer: LayoutAnalyzer | None = None) -> int:
    """Run the command line; return its exit status. `analyzer` takes the place of the one that --model names."""
    parser = _parser()
    options = parser.parse_args(argv)
    from layoutdeit.batch import find_inputs, parse_pages, plan_targets, run_batch
    from layoutdeit.export import ANNOTATED_SUFFIX, chosen_formats

    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    try:
        formats = chosen_formats(options.formats.split(","))
        pages = parse_pages(options.pages) if options.pages is not None else None
        _checked_score(options.score)
        inputs = find_inputs(options.sources, out_dir=options.out)
        if not inputs:
            raise ValueError(f"no PDF files and no scans in {', '.join(options.sources)}")
        targets = plan_targets(inputs, options.out)
        sources = {item.path.resolve() for item in inputs}
        for target in targets:
            if target.with_name(target.name + ANNOTATED_SUFFIX).resolve() in sources:
                raise ValueError(f"{target.name}{ANNOTATED_SUFFIX} is an input: choose another folder with -o")
        options.out.mkdir(parents=True, exist_ok=True)
        analyzer = analyzer or LayoutAnalyzer(
            options.model,
            engine=options.engine,
            device=options.device,
            precision=options.precision,
            score=options.score,
        )
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))  # exits with 2
    try:
        failures = run_batch(
            analyzer,
            inputs,
            targets,
            formats,
            pages=pages,
            password=options.password,
            report=lambda line: options.quiet or print(line, file=sys.stderr, flush=True),
            announce=lambda line: options.quiet or print(line, flush=True),
        )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if failures:
        print(f"{len(failures)} of {len(inputs)} inputs failed:", file=sys.stderr)
    for failure in failures:
        print(f"  {failure.source}: {failure.code}: {failure.message}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m layoutdeit.analyze",
        description="Find text, titles, lists, tables and figures on the pages of PDF files.",
        epilog="Exit status: 0 all done, 1 some inputs failed (listed at the end), 2 wrong usage.",
    )
    parser.add_argument("sources", nargs="+", metavar="FILE", help="PDF, JPEG, PNG or TIFF files, or folders of them")
    parser.add_argument("-o", "--out", type=Path, default=Path("out"), help="folder for the results [out]")
    parser.add_argument("--formats", default=DEFAULT_FORMATS, help="json,pdf,png,coco,csv,md,html,crops [%(default)s]")
    parser.add_argument("--pages", help="such as 1-3,7 or 5- [all]")
    parser.add_argument("--password", help="for the files that need one")
    parser.add_argument("--model", help="name of a model, or its file [the shipped one]")
    parser.add_argument("--engine", choices=("torchvision", "detectron2"), default="torchvision")
    parser.add_argument("--device", help="torch device [cuda where there is one, otherwise cpu]")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="arithmetic [%(default)s]"
    )
    parser.add_argument("--score", type=float, default=DEFAULT_SCORE, help="lowest score shown, 0 to 1 [%(default)s]")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only failures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
