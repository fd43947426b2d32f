"""The file of a document as bytes, before anything parses it: where it lies, what it is on its face, its sha256."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from layoutdeit.limits import MAX_BYTES
from layoutdeit.pdf_error import PdfError
from layoutdeit.wire import file_identity, shared_file

HEADER_BYTES = 1024  # readers accept "%PDF-" anywhere in the first kilobyte
# JPEG, PNG, and TIFF in its four ways
SCAN_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class SourceFile:
    """A file given by path, or bytes put in a file that goes with `close`, or with us when we are killed.

    `path` is where another process finds it. Raises PdfError (empty, corrupt, too_large), or OSError where the path
    cannot be read.
    """

    def __init__(self, source: str | Path | bytes, name: str | None) -> None:
        """Look at the start of it and take its sha256."""
        self._temporary = None
        # resolved: the folder may change under us
        self.path = None if isinstance(source, bytes) else real_path(Path(source))
        self.name = plain_name(name or (self.path.name if self.path else "document.pdf"))
        self._check_size(len(source) if isinstance(source, bytes) else self.path.stat().st_size)
        if isinstance(source, bytes):
            self.path = self._put_in_file(source)
        with self.path.open("rb") as stream:
            start = stream.read(HEADER_BYTES)
            self.is_scan = start.startswith(SCAN_SIGNATURES)
            if b"%PDF-" not in start and not self.is_scan:
                message = "is neither a PDF nor a JPEG, PNG or TIFF picture: convert it to PDF first."
                raise PdfError("corrupt", f"{self.name} {message}")
            stream.seek(0)
            self.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            self._identity = file_identity(stream.fileno())

    def close(self) -> None:
        """Remove the file that was made of bytes."""
        if self._temporary is not None:
            self._temporary.close()

    def check_identity(self, opened: dict) -> None:
        """Raise PdfError where another process says that it opened a file other than this one."""
        if "identity" in opened and opened["identity"] != self._identity:
            raise PdfError("corrupt", f"{self.name} was replaced while it was read: open it again.")

    def _check_size(self, size: int) -> None:
        if size == 0:
            raise PdfError("empty", f"{self.name} is empty (0 bytes): it may not have been copied completely.")
        if size > MAX_BYTES:
            raise PdfError(
                "too_large", f"{self.name} has {size:,} bytes, more than {MAX_BYTES:,}: split it into smaller files."
            )

    def _put_in_file(self, data: bytes) -> Path:
        self._temporary, path = shared_file()
        self._temporary.write(data)
        self._temporary.flush()
        return Path(path)


def real_path(path: Path) -> Path:
    """The path without links; one that leads to itself stays, where Path.resolve raises RuntimeError."""
    return Path(os.path.realpath(path))


def plain_name(name: str) -> str:
    """A file name without folders, and without what a terminal or an encoding would trip over."""
    name = os.fsencode(re.split(r"[/\\]", name)[-1]).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in name) or "document"
