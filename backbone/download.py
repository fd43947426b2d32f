"""Fetch a file that others keep: every place tried in turn, the bytes checked before the file gets its name.

Knows addresses and bytes, not what they hold; published.py and layoutdeit's model registry know that. Standard library
only, so that a list of files costs no import of PyTorch.

While bytes come in they are in `.NAME.part` beside the file's place. Where the server says which version of the file it
sends (an ETag), that part outlives a broken connection or a killed process, and the next attempt asks for the rest;
elsewhere it is removed. A second process that wants the same file waits for the first.
"""

from __future__ import annotations

import codecs
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

TIMEOUT_S = 30  # without a byte
PIECE_BYTES = 1 << 20

Progress = Callable[[int, int | None], None]  # bytes here so far, of how many if known


@dataclass(frozen=True)
class RemoteFile:
    """A file's name, the places that keep it, and what its source states of it; None: not stated.

    sha256: hex, whole or its first digits. note: for whoever could not fetch it.
    """

    file_name: str
    places: tuple[str, ...]
    sha256: str | None = None
    num_bytes: int | None = None
    note: str = ""


def fetch_file(
    name: str, wanted: RemoteFile, folder: str | Path, *, mirrors: Sequence[str] = (), progress: Progress | None = None
) -> Path:
    """Return the file in the folder, fetched if it is not there; whole and right, or an error and no file.

    mirrors: tried before the file's own places; each an address of the file or of the folder that has it (http, https),
    or a path of either. ConnectionError where no place gives the file, ValueError where one gives other bytes than
    stated, or where the file has changed since it was recorded.
    """
    path = Path(folder) / wanted.file_name
    place = None if path.is_file() else _fetch(name, wanted, path, mirrors, progress)
    check_file(name, wanted, path, place=place)
    return path


def check_file(name: str, wanted: RemoteFile, path: Path, *, place: str | None = None) -> dict[str, Any]:
    """Compare a file with what its source states and with its record; record it the first time.

    The record is `NAME.json` beside it: what was not stated beforehand holds from then on. Returned as it stands there.
    """
    sha256, num_bytes = file_sha256(path), path.stat().st_size
    remedy = f"delete it and {path.name}.json, and fetch it again"
    _check(str(path), sha256, num_bytes, wanted, remedy)
    record = read_record(path)
    if record is None:
        record = {"name": name, "url": place, "sha256": sha256, "num_bytes": num_bytes}
        with suppress(OSError):  # a cache of others, which may only be read
            write_record(path, record)
    elif record.get("sha256") != sha256:
        raise ValueError(
            f"{path} has changed since it came: sha256 {sha256}, recorded {record.get('sha256')}; {remedy}"
        )
    return record


def read_record(path: Path) -> dict[str, Any] | None:
    """What was recorded of a file when it first came; None where nothing was. ValueError for a spoilt record."""
    record_path = path.with_name(f"{path.name}.json")
    if not record_path.is_file():
        return None
    try:
        return dict(json.loads(record_path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record_path} is no record of a file ({error}): delete it") from error


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Put a record beside a file, in one step."""
    temporary = path.with_name(f".{path.name}.json.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(temporary, path.with_name(f"{path.name}.json"))


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file in hex, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(name: str, wanted: RemoteFile, path: Path, mirrors: Sequence[str], progress: Progress | None) -> str | None:
    """Put the file in place and return where it came from; None where another process has just done so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    failures, is_wrong = [], False
    for place in (*mirrors, *wanted.places):
        try:
            with _only_writer(path) as part:
                if path.is_file():
                    return None
                _receive(place, wanted.file_name, part, path, progress)
                _refuse_web_page(place, Path(part.name))
                _check(f"what came from {place}", file_sha256(part.name), os.fstat(part.fileno()).st_size, wanted)
                os.replace(part.name, path)
                return place
        except ValueError as error:
            is_wrong = True
            failures.append(f"{place} ({error})")
        except OSError as error:
            failures.append(f"{place} ({error})")
    tried = " or ".join(failures) or "anywhere: no place is known that keeps it"
    message = (
        f"could not fetch {name} from {tried}: where there is a network, download it, and put the file at {path}"
        f"{'. ' + wanted.note if wanted.note else ''}"
    )
    raise ValueError(message) if is_wrong else ConnectionError(message)


@contextmanager
def _only_writer(path: Path) -> Iterator[BinaryIO]:
    """The partial file, open at its end, others waiting; kept afterwards if its rest can be asked for."""
    part_path = path.with_name(f".{path.name}.part")
    while True:
        part = part_path.open("ab")
        fcntl.flock(part, fcntl.LOCK_EX)
        if part_path.exists() and os.path.samestat(part_path.stat(), os.fstat(part.fileno())):
            break
        part.close()  # the process waited for has finished the file or given up
    with part:
        try:
            yield part
        except ValueError:  # whole, and wrong
            _forget(part_path)
            raise
        finally:
            if path.is_file() or not _version_path(part_path).is_file():
                _forget(part_path)


def _forget(part_path: Path) -> None:
    part_path.unlink(missing_ok=True)
    _version_path(part_path).unlink(missing_ok=True)


def _version_path(part_path: Path) -> Path:
    """Where the address and version of a partial file are kept; without it the part is worthless."""
    return part_path.with_name(f"{part_path.name}.json")


def _receive(place: str, file_name: str, part: BinaryIO, path: Path, progress: Progress | None) -> None:
    """Complete the partial file from one place. OSError where that cannot be reached or ends early."""
    if place.startswith(("http://", "https://")):
        is_of_the_file = urlsplit(place).path.endswith(f"/{file_name}")
        _receive_over_http(place if is_of_the_file else f"{place.rstrip('/')}/{file_name}", part, progress)
        return
    source = Path(place).expanduser()
    source = source / file_name if source.is_dir() else source
    if not source.is_file() or source.resolve() == path.resolve():
        raise FileNotFoundError(f"no file {source}")
    _start_again(part)
    with source.open("rb") as file:
        shutil.copyfileobj(file, part, PIECE_BYTES)
    part.flush()


def _receive_over_http(url: str, part: BinaryIO, progress: Progress | None) -> None:
    part_path = Path(part.name)
    version = _version_of(part_path, url)
    num_here = os.fstat(part.fileno()).st_size
    headers = {"User-Agent": "layoutdeit"}
    if version and num_here:
        headers |= {"Range": f"bytes={num_here}-", "If-Range": version}
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:
            if response.status != 206 or not str(response.headers.get("Content-Range")).startswith(
                f"bytes {num_here}-"
            ):
                num_here = 0
                _start_again(part)
            tag = response.headers.get("ETag")
            if tag and not tag.startswith("W/"):  # a weak one does not promise the same bytes
                _version_path(part_path).write_text(json.dumps({"url": url, "version": tag}), encoding="utf-8")
            length = response.headers.get("Content-Length")
            num_expected = None if length is None else num_here + int(length)
            while piece := response.read1(PIECE_BYTES):  # what has come, so that a killed process has kept it
                part.write(piece)
                num_here += len(piece)
                if progress is not None:
                    progress(num_here, num_expected)
    except HTTPError as error:
        if error.code == 416 and "Range" in headers:  # nothing is left to ask for; what is here was never checked
            _start_again(part)
            return _receive_over_http(url, part, progress)
        raise ConnectionError(error.reason or error) from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(str(getattr(error, "reason", None) or error)) from error
    finally:
        part.flush()
        os.fsync(part.fileno())
    if num_expected is not None and num_here != num_expected:
        raise ConnectionError(f"the connection ended after {num_here} of {num_expected} bytes")


def _start_again(part: BinaryIO) -> None:
    """Empty the partial file and forget which version it was of."""
    part.truncate(0)
    _version_path(Path(part.name)).unlink(missing_ok=True)


def _version_of(part_path: Path, url: str) -> str | None:
    """The version that a partial file is of, if it came from this address."""
    try:
        kept = json.loads(_version_path(part_path).read_text(encoding="utf-8"))
        return str(kept["version"]) if kept["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_web_page(place: str, path: Path) -> None:
    """ValueError for a page that logs in, excuses or forwards: it comes with status 200 and may have no known hash."""
    with path.open("rb") as file:
        start = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"<"):
        raise ValueError(f"what came from {place} is a web page: does it ask to log in, or has the file moved?")


def _check(what: str, sha256: str, num_bytes: int, wanted: RemoteFile, remedy: str = "try again later") -> None:
    if wanted.sha256 is not None and not sha256.startswith(wanted.sha256):
        how = "begin with" if len(wanted.sha256) < 64 else "equal"
        raise ValueError(
            f"{what} is not {wanted.file_name}: its sha256 {sha256} does not {how} {wanted.sha256}; {remedy}"
        )
    if wanted.num_bytes is not None and num_bytes != wanted.num_bytes:
        raise ValueError(f"{what} has {num_bytes} bytes, expected {wanted.num_bytes}; {remedy}")
