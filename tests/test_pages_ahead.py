import threading
import time

import pytest
from handmade_pdf import Sheet, filled, make_pdf, written

from layoutdeit.pages_ahead import read_ahead, read_page
from layoutdeit.pdf import Document, open_document
from layoutdeit.stopwatch import Stopwatch, listen

PAGE = Sheet(filled((100, 600, 300, 700)) + written("a word", 120, 650))


class Watched(Document):
    """A document that tells which pages were rendered."""

    def __init__(self, data: bytes) -> None:
        self.rendered: list[int] = []
        super().__init__(data)

    def render(self, index, **options):
        self.rendered.append(index)
        return super().render(index, **options)


def test_pages_come_in_the_order_asked_for_with_picture_and_words():
    with open_document(make_pdf(PAGE, Sheet(), PAGE)) as document:
        pages = list(read_ahead(document, [3, 2]))
    assert [page.number for page in pages] == [3, 2]
    assert [word.text for word in pages[0].words] == ["a", "word"] and pages[1].words == ()
    assert all(page.size_pt == (612, 792) and page.error is None and page.seconds > 0 for page in pages)
    assert pages[0].picture.image.getextrema()[0][0] < 20 and pages[1].picture.image.getextrema()[0] == (255, 255)


def test_a_bad_page_costs_only_itself():
    with open_document(make_pdf(PAGE, Sheet(is_broken=True), PAGE)) as document:
        good, bad, last = read_ahead(document, [1, 2, 3])
    assert bad.picture is None and bad.error.code == "render" and bad.words == ()
    assert good.picture and last.picture


def test_one_page_is_read_ahead_and_no_more():
    with Watched(make_pdf(*[PAGE] * 5)) as document:
        pages = read_ahead(document, [1, 2, 3, 4, 5])
        next(pages)
        until = time.monotonic() + 20
        while len(document.rendered) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)  # it would go on now
        assert document.rendered == [0, 1]
        next(pages)
        assert set(document.rendered) <= {0, 1, 2}
        pages.close()


def test_whoever_stops_early_leaves_no_thread_behind():
    with open_document(make_pdf(*[PAGE] * 3)) as document:
        pages = read_ahead(document, [1, 2, 3])
        next(pages)
        pages.close()
    until = time.monotonic() + 20
    while (left := names()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not left


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@pytest.mark.parametrize("numbers", [[], [2]])
def test_nothing_and_a_single_page_need_no_thread(numbers):
    with open_document(make_pdf(PAGE, PAGE)) as document, listen(Stopwatch()) as watch:
        assert [page.number for page in read_ahead(document, numbers)] == numbers
    assert set(watch.amounts) == ({"render", "words"} if numbers else set())  # measured: it ran in this thread


def test_read_page_tells_a_page_without_a_size():
    with open_document(make_pdf(Sheet(is_broken=True))) as document:
        page = read_page(document, 1)
    assert page.size_pt == (0, 0) and page.error is not None
