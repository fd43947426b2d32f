"""Page records of a document on disk: appended as pages are done, read back one at a time.

JSON lines, each a page as `PageLayout.to_dict` gives it; of two for one page the later counts. What stands after the
last line end was being written when the process died, and is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from layoutdeit.layout import DocumentLayout, ModelInfo, PageLayout, SourceInfo
from layoutdeit.structure import DocumentStructure
from layoutdeit.wire import shared_file


class PageStore:
    """The records of one document's pages. Only places in the file are in memory, 100 bytes or so for each page."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or make the file at `path`; without one, a file that has no name and goes when it is closed.

        The attribute `path` is where another process finds it. Raises OSError.
        """
        self._file, self.path = shared_file() if path is None else (_opened(path), str(path))
        self._places: dict[int, int] = {}  # page number -> where its line starts
        self._end = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if (number := _number_of(line)) is not None:
                self._places[number] = self._end
            self._end += len(line)
        self._file.truncate(self._end)

    def __enter__(self) -> PageStore:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __getitem__(self, number: int) -> PageLayout:
        self._file.seek(self._places[number])
        return PageLayout.from_dict(json.loads(self._file.readline()))

    def append(self, page: PageLayout) -> None:
        """Add a page's record, and hand it to the operating system: a killed process loses none."""
        line = json.dumps(page.to_dict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._file.seek(self._end)
        self._file.write(line)
        self._file.flush()
        self._places[page.number] = self._end
        self._end += len(line)

    def sync(self) -> None:
        """Wait until the disk has all records: a power cut loses none after that."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()


class FinishedPages(Sequence[PageLayout]):
    """Chosen pages of a store in their order, with what the document as a whole says of them (see structure.py)."""

    def __init__(self, store: PageStore, numbers: Sequence[int]) -> None:
        """Read the pages once, to learn their structure; they are read again when asked for."""
        self._store, self._numbers = store, numbers
        self._structure = DocumentStructure(store[number] for number in numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(map(self._page, self._numbers[index]))
        return self._page(self._numbers[index])

    def __iter__(self) -> Iterator[PageLayout]:
        return map(self._page, self._numbers)

    def _page(self, number: int) -> PageLayout:
        return self._structure.finished(self._store[number])


def stored_layout(source: SourceInfo, model: ModelInfo, store: PageStore, numbers: Sequence[int]) -> DocumentLayout:
    """The result for a document whose pages are in a store; its pages are read as they are asked for."""
    return DocumentLayout(source, model, FinishedPages(store, numbers))


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _number_of(line: bytes) -> int | None:
    """The page a line is about; None where it is no record, as after a power cut."""
    try:
        return PageLayout.from_dict(json.loads(line)).number
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
