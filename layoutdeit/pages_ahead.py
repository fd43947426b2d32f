"""The pages of a document with their pictures and words, the next one being read while the last one is analysed.

Rendering happens in a process of its own, so a thread that waits for it is enough. Sits between pdf.py and analyze.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from layoutdeit.layout import PageError
from layoutdeit.pdf import Document, PageImage, PdfError
from layoutdeit.reading import Word
from layoutdeit.stopwatch import stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadPage:
    """A page before its analysis. number counts from 1; size_pt is (width, height) in displayed points, 0 if unknown.

    Without a picture there is an error that says why. seconds is the time that reading took.
    """

    number: int
    size_pt: tuple[float, float]
    picture: PageImage | None
    words: tuple[Word, ...]
    error: PageError | None
    seconds: float


def read_ahead(document: Document, numbers: Sequence[int]) -> Iterator[ReadPage]:
    """Read pages (numbers from 1) in their order; at most one is held that was not asked for yet."""
    if not numbers:
        return
    if len(numbers) == 1:  # nothing to be ahead of
        yield read_page(document, numbers[0])
        return
    reader = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    try:
        upcoming = reader.submit(read_page, document, numbers[0])
        for number in numbers[1:]:
            page = upcoming.result()
            upcoming = reader.submit(read_page, document, number)
            yield page
        yield upcoming.result()
    finally:
        reader.shutdown(wait=False, cancel_futures=True)  # its page has a time limit of its own


def read_page(document: Document, number: int) -> ReadPage:
    """Render a page and take its words. What is wrong with the page is in the result."""
    start = time.perf_counter()
    size_pt = (0.0, 0.0)  # of a page too damaged to have a size
    try:
        with stage("render"):
            size_pt = document.page_size(number - 1)
            picture = document.render(number - 1)
        with stage("words"):
            words = _words(document, number - 1)
    except PdfError as error:
        reason = PageError(error.code, str(error))
        return ReadPage(number, size_pt, None, (), reason, time.perf_counter() - start)
    return ReadPage(number, size_pt, picture, words, None, time.perf_counter() - start)


def _words(document: Document, index: int) -> tuple[Word, ...]:
    """The page's words; none where its text layer cannot be read, which costs only the regions' text."""
    try:
        return document.words(index)
    except PdfError as error:
        logger.warning("%s", error)
        return ()
