"""The ledger of a bulk run: what was done with each page, one JSON line each, only ever appended to.

A line is handed to the operating system before the next page is asked for, so a killed run loses none; `sync` waits for
the disk, for power cuts. A last line without its end was being written when the process died: it is cut off. One run at
a time has a ledger. Times and hosts stand here and nowhere in the results, which are equal byte for byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

DONE, FAILED, WRITTEN, STARTED, ENDED = "done", "failed", "written", "started", "ended"


class DocumentKey(NamedTuple):
    """A document in a run: sha256 of its bytes, its name below the folder given, and the settings' key."""

    sha256: str
    name: str
    settings: str


@dataclass(frozen=True)
class Written:
    """The files that a document's results were written to, and what was asked for: formats, pages, target."""

    asked: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class DocumentFailure:
    """Why a document as a whole has no results: a stable code and a sentence for people.

    `asked` is what was asked for, as in Written, where something else might not have failed.
    """

    code: str
    message: str
    asked: str | None = None


@dataclass
class _Entry:
    """What is known of a document; bit n of a number stands for page n, an eighth of a byte each."""

    done: int = 0
    failed: int = 0
    outcome: Written | DocumentFailure | None = None


class Ledger:
    """An open ledger file, read once; every method after that only appends. Not thread safe."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises BlockingIOError where another run has it, OSError where it cannot be had."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666), "r+b")
        self._host = socket.gethostname()
        self._entries: dict[DocumentKey, _Entry] = {}
        self.last_settings: dict[str, Any] | None = None  # of the run before
        self.was_cut_short = False  # the run before did not come to its end
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Ledger:
        """Return the ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, and let another run have it."""
        self.close()

    def page_status(self, key: DocumentKey, number: int) -> str | None:
        """What became of a page: "done", "failed", or None."""
        entry = self._entries.get(key, _Entry())
        return DONE if entry.done >> number & 1 else FAILED if entry.failed >> number & 1 else None

    def outcome(self, key: DocumentKey) -> Written | DocumentFailure | None:
        """What became of a document as a whole."""
        return self._entries.get(key, _Entry()).outcome

    def add_start(self, settings: dict[str, Any]) -> None:
        """A run begins."""
        self._add({"status": STARTED, "settings": settings})

    def add_end(self) -> None:
        """The run came to its end."""
        self._add({"status": ENDED})

    def add_page(self, key: DocumentKey, number: int, code: str | None, seconds: float | None) -> None:
        """A page is done, or has failed where there is a `code`; its record must be in its store already."""
        status = DONE if code is None else FAILED
        self._add_about(key, number, status, code=code, seconds=None if seconds is None else round(seconds, 3))

    def add_written(self, key: DocumentKey, written: Written, seconds: float) -> None:
        """A document's results are all written."""
        self._add_about(
            key, None, WRITTEN, asked=written.asked, files=list(written.files), seconds=round(seconds, 3), code=None
        )

    def add_failure(self, key: DocumentKey, failure: DocumentFailure) -> None:
        """A document as a whole has failed."""
        asked = {} if failure.asked is None else {"asked": failure.asked}
        self._add_about(key, None, FAILED, code=failure.code, message=failure.message, **asked)

    def sync(self) -> None:
        """Wait until the disk has all lines."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()

    def _add_about(self, key: DocumentKey, number: int | None, status: str, **more: Any) -> None:
        record = {"document": key.sha256, "name": key.name, "settings": key.settings, "page": number, "status": status}
        self._add({**record, **more})

    def _add(self, record: dict[str, Any]) -> None:
        self._learn(record)
        place = {"host": self._host, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        self._file.write(json.dumps({**record, **place}).encode() + b"\n")  # ASCII: names may be no Unicode
        self._file.flush()

    def _read(self) -> None:
        end = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            try:
                self._learn(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # as a power cut may leave one: what it told is done again
        self._file.truncate(end)
        self._file.seek(end)

    def _learn(self, record: dict[str, Any]) -> None:
        status = record["status"]
        if status in (STARTED, ENDED):
            self.was_cut_short = status == STARTED
            self.last_settings = record.get("settings", self.last_settings)
            return
        key = DocumentKey(record["document"], record["name"], record["settings"])
        entry = self._entries.setdefault(key, _Entry())
        number = record["page"]
        if status == WRITTEN:
            entry.outcome = Written(record["asked"], tuple(record["files"]))
        elif number is None:
            entry.outcome = DocumentFailure(record["code"], record["message"], record.get("asked"))
        else:
            entry.outcome = None  # a page that is new is not in what was written
            bit = 1 << number
            entry.done, entry.failed = entry.done & ~bit, entry.failed & ~bit
            if status == DONE:
                entry.done |= bit
            else:
                entry.failed |= bit
