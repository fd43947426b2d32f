"""Write a PDF object by object: a new one, or what is added to one that is there (PDF 32000-1, 7.5.6).

An object goes to the file as soon as it is there; in memory stays only where each begins, 8 bytes.
"""

from __future__ import annotations

import shutil
import zlib
from array import array
from typing import TYPE_CHECKING, BinaryIO

from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NullObject,
    NumberObject,
)

if TYPE_CHECKING:
    from pypdf import PdfReader
    from pypdf.generic import PdfObject

CHUNK_BYTES = 1 << 20
TAIL_BYTES = 2048  # readers look for "startxref" in the last kilobyte
KEPT = ("/Root", "/Info", "/ID")  # of the trailer before
HEADER = b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n"


class ObjectFile:
    """A PDF that is being written. `file` is empty and can be read back; it is whole after `close`."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin a new one."""
        self._begin(file, first_number=1)
        file.write(HEADER)

    @classmethod
    def update_of(cls, reader: PdfReader, file: BinaryIO) -> ObjectFile:
        """Begin with a copy of what `reader` reads, byte for byte; what is written replaces objects or is new.

        Raises ValueError where the document is encrypted, or its end does not say where its cross references are.
        """
        source = reader.stream
        if reader.is_encrypted:
            raise ValueError("what is added to an encrypted document must be encrypted as well")
        source.seek(0)
        shutil.copyfileobj(source, file, CHUNK_BYTES)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        words = file.read().split()
        try:
            before = int(words[len(words) - 1 - words[::-1].index(b"startxref") + 1])
        except (ValueError, IndexError) as error:
            raise ValueError("the last lines do not say where the cross references are") from error
        file.seek(before)
        is_stream = not file.read(8).lstrip().startswith(b"xref")
        file.seek(0, 2)
        file.write(b"\n")
        known = [reader.xref_objStm, *(objects for number, objects in reader.xref.items() if number != 65535)]
        size = max([reader.trailer["/Size"], *(1 + max(objects) for objects in known if objects)])
        update = cls.__new__(cls)
        update._begin(file, first_number=size)
        update._is_stream = is_stream
        kept = [key for key in KEPT if key in reader.trailer and reader.trailer[key] not in (None, NullObject())]
        update._trailer = {key: reader.trailer.raw_get(key) for key in kept}
        update._trailer["/Prev"] = NumberObject(before)
        return update

    def _begin(self, file: BinaryIO, first_number: int) -> None:
        self._file, self._first_number = file, first_number
        self._offsets = array("Q")  # of new objects, by number
        self._replaced: dict[tuple[int, int], int] = {}  # number and generation -> offset
        self._is_stream = False
        self._trailer: dict[str, PdfObject] = {}

    def add(self, value: PdfObject) -> IndirectObject:
        """Write a new object; return the reference to it."""
        reference = self.reserve()
        self.put(reference, value)
        return reference

    def reserve(self) -> IndirectObject:
        """A reference to an object that is to be `put` later."""
        self._offsets.append(0)
        return IndirectObject(self._first_number + len(self._offsets) - 1, 0, None)

    def put(self, reference: IndirectObject, value: PdfObject) -> None:
        """Write an object that was reserved, or that takes the place of one. Raises ValueError for a second time."""
        key = reference.idnum, reference.generation
        index = key[0] - self._first_number
        if key in self._replaced or (index >= 0 and self._offsets[index]):
            raise ValueError(f"object {key[0]} is written twice")
        if index >= 0:
            self._offsets[index] = self._file.tell()
        else:
            self._replaced[key] = self._file.tell()
        self._file.write(b"%d %d obj\n" % key)
        value.write_to_stream(self._file)
        self._file.write(b"\nendobj\n")

    def close(self, root: IndirectObject | None = None) -> None:
        """Write the cross references and the trailer; `root` is the catalog, by default the one before."""
        if root is not None:
            self._trailer["/Root"] = root
        start = self._file.tell()
        if self._is_stream:
            self._write_stream(start)
        else:
            self._write_table()
        self._file.write(b"\nstartxref\n%d\n%%%%EOF\n" % start)

    def _sections(self) -> list[tuple[int, list[tuple[int, int]]]]:
        """Runs of neighbouring numbers: the first, and offset and generation of each."""
        sections: list[tuple[int, list[tuple[int, int]]]] = []
        for (number, generation), offset in sorted(self._replaced.items()):
            if not sections or sections[-1][0] + len(sections[-1][1]) != number:
                sections.append((number, []))
            sections[-1][1].append((offset, generation))
        return sections

    def _write_table(self) -> None:
        self._file.write(b"xref\n0 1\n0000000000 65535 f \n")
        for first, entries in self._sections():
            self._file.write(b"%d %d\n" % (first, len(entries)))
            self._file.writelines(b"%010d %05d n \n" % entry for entry in entries)
        if self._offsets:
            self._file.write(b"%d %d\n" % (self._first_number, len(self._offsets)))
            self._file.writelines(b"%010d 00000 n \n" % offset for offset in self._offsets)
        self._file.write(b"trailer\n")
        _dictionary(self._trailer, self._first_number + len(self._offsets)).write_to_stream(self._file)

    def _write_stream(self, start: int) -> None:
        """The same as an object of its own, as the table before is: types, offsets and generations in binary."""
        self._offsets.append(start)  # it has a number too
        sections = self._sections()
        index = [value for first, entries in sections for value in (first, len(entries))]
        packer, rows = zlib.compressobj(), []
        for _, entries in sections:
            rows += [_row(*entry) for entry in entries]
        data = packer.compress(b"".join(rows))
        for offset in self._offsets:
            data += packer.compress(_row(offset, 0))
        size = self._first_number + len(self._offsets)
        stream = DecodedStreamObject()
        stream.update(_dictionary(self._trailer, size))
        stream[NameObject("/Type")] = NameObject("/XRef")
        stream[NameObject("/W")] = _array(1, 8, 2)
        stream[NameObject("/Index")] = _array(*index, self._first_number, len(self._offsets))
        stream[NameObject("/Filter")] = NameObject("/FlateDecode")
        stream.set_data(data + packer.flush())
        self._file.write(b"%d 0 obj\n" % (size - 1))
        stream.write_to_stream(self._file)
        self._file.write(b"\nendobj")


def _row(offset: int, generation: int) -> bytes:
    return b"\1" + offset.to_bytes(8, "big") + generation.to_bytes(2, "big")


def _dictionary(entries: dict[str, PdfObject], size: int) -> DictionaryObject:
    named = {NameObject(key): value for key, value in entries.items()}
    return DictionaryObject({**named, NameObject("/Size"): NumberObject(size)})


def _array(*values: int) -> ArrayObject:
    return ArrayObject(map(NumberObject, values))
