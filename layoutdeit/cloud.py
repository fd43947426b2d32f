"""Documents and results at addresses such as s3://bucket/folder: fetched one at a time, sent when they are done.

What is analysed is always a file of this machine, in a folder that holds no more than the documents at work. Any file
system that fsspec knows will do; needs fsspec, an extra, and for most the package that fsspec names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from layoutdeit.batch import SUFFIXES, Input, Results, is_result
from layoutdeit.source_file import plain_name

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

FETCHED_NAME, SENT_NAME, LOCK_NAME = ".fetched", ".sent", ".lock"
_IN_TURN = threading.Lock()
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
PACKAGES |= {"http": "aiohttp", "https": "aiohttp"}


def is_address(source: str | Path) -> bool:
    """Whether it names a place on another machine, or at least one that fsspec is to find."""
    return "://" in str(source)


@dataclass(frozen=True)
class CloudInput(Input):
    """A document at an address; `path` is where it lies while it is analysed."""

    address: str = ""
    fs: AbstractFileSystem = field(repr=False, compare=False, default=None)
    remote_path: str = ""

    @property
    def source(self) -> str:
        """What it is called in messages."""
        return self.address

    def fetch(self) -> None:
        """Bring the file here. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _plain_errors(self.address, is_usage=False), _in_turn(self.fs):
            self.fs.get_file(self.remote_path, str(self.path))

    def release(self) -> None:
        """Remove the copy."""
        self.path.unlink(missing_ok=True)


def find_cloud_inputs(addresses: Sequence[str], work_dir: Path, *, out: str) -> list[Input]:
    """The document at each address, or all PDFs and pictures below it, sorted; each once.

    An address that ends as a document does is one, as is any of http. Left out below folders: hidden files, results of
    earlier runs, what lies below `out`. Raises ValueError, ImportError, OSError.
    """
    inputs: dict[str, Input] = {}
    for number, address in enumerate(addresses):
        fs, place = _file_system(address)
        is_web = address.startswith(("http://", "https://"))
        name = PurePosixPath(unquote(urlsplit(address).path) if is_web else place).name
        if is_web or name.lower().endswith(SUFFIXES):
            found = {plain_name(name): place}
        else:
            place = place.rstrip("/")
            if is_address(out) and _file_system(out)[1].rstrip("/") == place:
                raise ValueError(f"{out} is a folder of inputs too: choose another with -o")
            ours = _file_system(out)[1].rstrip("/") + "/" if is_address(out) else ""
            if not ours.startswith(f"{place}/"):
                ours = ""  # it lies elsewhere, or around the inputs
            with _plain_errors(address):
                below = sorted(path for path in fs.find(place) if not ours or not path.startswith(ours))
            found = {path[len(place) :].lstrip("/"): path for path in below if path.startswith(f"{place}/")}
            found = {name: path for name, path in found.items() if _is_document(name)}
        folder = work_dir / FETCHED_NAME / str(number)
        for name, path in found.items():
            relative = Path(name)
            if ".." in relative.parts or relative.is_absolute():
                continue  # a key of an object store may be anything; the copy stays in its folder
            shown = path if is_address(path) else fs.unstrip_protocol(path)
            inputs.setdefault(shown, CloudInput(folder / relative, relative, shown, fs, path))
    return list(inputs.values())


class CloudResults(Results):
    """Results that go on to an address when a document is done, and leave nothing here."""

    def __init__(self, address: str, work_dir: Path) -> None:
        """See whether something can be written there. Raises OSError, ValueError, ImportError."""
        super().__init__(work_dir)
        self.address = address.rstrip("/")
        self._fs, place = _file_system(address)
        self._place = place.rstrip("/")
        probe = f"{self._place}/.layoutdeit"
        # in a store, making a folder would make the bucket of a mistyped name
        self._has_folders = address.partition("://")[0] not in PACKAGES
        with _plain_errors(address):
            if self._has_folders:
                self._fs.makedirs(self._place, exist_ok=True)
            self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)

    def target(self, name: Path) -> Path:
        """A place for the results called `name`, in a folder of their own."""
        stem = hashlib.sha256(name.as_posix().encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self.dir / SENT_NAME / stem / name

    def shown(self, name: str) -> str:
        """The address of a result."""
        return f"{self.address}/{_place_of(name)}"

    def exist(self, names: Sequence[str]) -> bool:
        """Whether all are there. Raises OSError."""
        with _plain_errors(self.address, is_usage=False):
            return all(self._fs.exists(f"{self._place}/{_place_of(name)}") for name in names)

    def publish(self, target: Path) -> None:
        """Send all that was written for a target, then remove it here. Raises OSError."""
        folder = self.dir / SENT_NAME / target.relative_to(self.dir / SENT_NAME).parts[0]
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            place = f"{self._place}/{name}"
            with _plain_errors(f"{self.address}/{name}", is_usage=False), _in_turn(self._fs):
                if self._has_folders:
                    self._fs.makedirs(place.rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(path), place)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_work_dir(work_dir: Path) -> Iterator[None]:
    """Have a folder to oneself. Copies that a killed run left go, and this one's at the end; pages and ledger stay.

    Raises ValueError where another run is at work in it, and then touches nothing; OSError.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    try:
        lock = _locked(work_dir)
    except BlockingIOError as error:
        raise ValueError(f"another run is at work in {work_dir}: wait for it, or use another folder") from error
    try:
        _remove_copies(work_dir)
        try:
            yield
        finally:
            _remove_copies(work_dir)
    finally:
        os.close(lock)


def _locked(work_dir: Path) -> int:
    """The folder itself, locked: no file to leave behind. Network drives lock no folder, there it is a file in it."""
    for path, flags in ((work_dir, os.O_RDONLY), (work_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT)):
        lock = os.open(path, flags, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if path != work_dir or isinstance(error, BlockingIOError):
                raise
        else:
            return lock
    raise AssertionError("unreachable")


def _remove_copies(work_dir: Path) -> None:
    for name in (FETCHED_NAME, SENT_NAME):
        shutil.rmtree(work_dir / name, ignore_errors=True)


def _is_document(name: str) -> bool:
    is_hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
    return name.lower().endswith(SUFFIXES) and not is_hidden and not is_result(name)


def _place_of(name: str) -> str:
    return "/".join(PurePosixPath(name).parts[2:])  # without .sent and the folder of its own


def _file_system(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and the path in it."""
    protocol, _, place = address.partition("://")
    if not place.strip("/"):
        raise ValueError(f"{address} names no place: a bucket or a host comes after ://")
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f"{address} needs fsspec: pip install -e '.[cloud]' in the project's folder") from error
    with _plain_errors(address):
        try:
            return url_to_fs(address, use_listings_cache=False, skip_instance_cache=False)
        except ImportError as error:
            package = PACKAGES.get(protocol)
            install = f"pip install {package}" if package else str(error)
            raise ImportError(f"{address} needs another package: {install}") from error


def _in_turn(fs: AbstractFileSystem) -> AbstractContextManager[Any]:
    """One thread at a time, where all share one connection, as with ftp."""
    return nullcontext() if fs.async_impl else _IN_TURN


@contextmanager
def _plain_errors(address: str, *, is_usage: bool = True) -> Iterator[Any]:
    """What each store raises in its own way, as an OSError with one sentence that names the address.

    A ValueError, of an address that cannot be one, stays what it is where `is_usage`: before a run begins.
    """
    try:
        yield
    except ImportError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "does not exist: check the name, and that its bucket is there", address) from error
    except PermissionError as error:
        raise PermissionError(13, "may not be read or written with these credentials", address) from error
    except ValueError as error:
        if is_usage:
            raise ValueError(f"{address}: {_one_line(error)}") from error
        raise OSError(22, f"cannot be read: {_one_line(error)}", address) from error
    except Exception as error:  # each store has its own: no credentials, no route, throttled
        raise OSError(5, f"cannot be reached: {_one_line(error)}", address) from error


def _one_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
