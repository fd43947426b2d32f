"""A COCO annotation file of any size, read in pieces: PubLayNet's has 1.5 GB, which Python would make ten of.

First step of reading a data set; page_annotations.py turns the rows into arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

BLOCK_BYTES = 4 << 20  # of text held at once; its rows take some twenty times that
SPACE = b" \t\r\n"
NEXT_ROW = re.compile(rb"\s*,\s*\{")
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{}]', re.DOTALL)  # a lone quote: a string that the text cuts off

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # as the arrays hold them


class Rle(msgspec.Struct):
    """Runs of a mask, column by column, from background on; size is (height, width). counts is text when compressed."""

    size: tuple[Int64, Int64]
    counts: str | list[int]


class ImageRow(msgspec.Struct):
    """An entry of "images"."""

    id: Int64
    file_name: str
    width: Int64
    height: Int64


class AnnotationRow(msgspec.Struct):
    """An entry of "annotations". bbox is xywh in pixels; what may be missing has a default."""

    image_id: Int64
    category_id: Int64
    bbox: list[float] | None = None
    segmentation: list[list[float]] | Rle | None = None
    iscrowd: int | bool | None = 0


class CategoryRow(msgspec.Struct):
    """An entry of "categories"."""

    id: int
    name: str


Rows = list[ImageRow] | list[AnnotationRow] | list[CategoryRow]
ROW_TYPES = {"images": ImageRow, "annotations": AnnotationRow, "categories": CategoryRow}


def read_rows(path: Path, *, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[str, Rows]]:
    """Yield ("images" | "annotations" | "categories", some rows) in the file's order until it ends.

    ValueError for a file that is not COCO: images and annotations must be there, and their rows hold what is needed.
    """
    seen = set()
    with open(path, "rb") as file:
        text = _Text(file, path, block_bytes)
        text.expect(b"{")
        while not text.take(b"}"):
            key = text.string()
            text.expect(b":")
            if key in ROW_TYPES:
                seen.add(key)
                yield from ((key, rows) for rows in _rows_of_list(text, msgspec.json.Decoder(list[ROW_TYPES[key]])))
            else:
                text.skip_value()
            text.take(b",")
    if missing := {"images", "annotations"} - seen:
        raise text.error(f'no key "{min(missing)}"')


def _rows_of_list(text: _Text, decoder: msgspec.json.Decoder) -> Iterator[Rows]:
    """The rows of the list at the text's place, a block at a time.

    A block is cut at its last "}, {"; where that was not between two rows, its brackets are counted.
    """
    text.expect(b"[")
    while not text.take(b"]"):
        text.fill()
        end = _last_row_end(text.data)
        rows = None
        if end:
            try:
                rows = decoder.decode(b"[%b]" % text.data[:end])
            except msgspec.DecodeError:
                rows = None  # the guess was wrong, or a row is: counting brackets tells
        if rows is None:
            end = _count_rows_end(text)
            try:
                rows = decoder.decode(b"[%b]" % text.data[:end])
            except msgspec.DecodeError as error:
                raise text.error(str(error)) from error
        text.advance(end)
        yield rows
        text.take(b",")


def _last_row_end(data: bytes) -> int:
    """Index after the last "}" that "{" follows; 0 where there is none."""
    place = len(data)
    while (place := data.rfind(b"}", 0, place)) > 0:
        if NEXT_ROW.match(data, place + 1):
            return place + 1
    return 0


def _count_rows_end(text: _Text) -> int:
    """Index after the last whole row at the text's place, reading on until there is one."""
    while True:
        depth = end = 0
        for match in TOKEN.finditer(text.data):
            token = match[0]
            if token == b'"':
                break
            if token in (b"{", b"["):
                depth += 1
            elif token in (b"}", b"]"):
                depth -= 1
                if depth < 0:  # the list ends here
                    return end or match.start()
                if depth == 0:
                    end = match.end()
        if end:
            return end
        text.grow()


class _Text:
    """The file from a place on, as far as it has been read; `data` starts at the place."""

    def __init__(self, file: BinaryIO, path: Path, block_bytes: int) -> None:
        self.file, self.path, self.block_bytes = file, path, block_bytes
        self.data, self.offset = b"", 0

    def error(self, reason: str) -> ValueError:
        return ValueError(f"{self.path} is not a COCO annotation file: {reason}, near byte {self.offset}")

    def fill(self) -> None:
        """Hold a block, or all that is left."""
        if len(self.data) < self.block_bytes:
            self.data += self.file.read(self.block_bytes - len(self.data))

    def grow(self) -> None:
        """Read another block; an error at the end of the file."""
        more = self.file.read(max(self.block_bytes, len(self.data)))
        if not more:
            raise self.error("it ends too early")
        self.data += more

    def advance(self, count: int) -> None:
        self.data, self.offset = self.data[count:], self.offset + count

    def skip_space(self) -> None:
        while True:
            rest = self.data.lstrip(SPACE)
            self.offset += len(self.data) - len(rest)
            self.data = rest
            if rest:
                return
            self.grow()

    def take(self, mark: bytes) -> bool:
        """Whether the mark comes next; it is passed by then."""
        self.skip_space()
        if not self.data.startswith(mark):
            return False
        self.advance(len(mark))
        return True

    def expect(self, mark: bytes) -> None:
        if not self.take(mark):
            raise self.error(f"expected {mark.decode()!r}, got {self.data[:20]!r}")

    def string(self) -> str:
        self.skip_space()
        while (match := TOKEN.match(self.data)) is None or match[0] == b'"':
            if not self.data.startswith(b'"'):
                raise self.error(f"expected a key, got {self.data[:20]!r}")
            self.grow()
        self.advance(match.end())
        return msgspec.json.decode(match[0], type=str)

    def skip_value(self) -> None:
        """Pass a value that nobody needs."""
        self.skip_space()
        while True:
            depth = 0
            for match in re.finditer(rb'"(?:[^"\\]|\\.)*"|["\[\]{},]', self.data, re.DOTALL):
                token = match[0]
                if token == b'"':
                    break
                if depth == 0 and token in (b",", b"}"):
                    self.advance(match.start())
                    return
                depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
            self.grow()
