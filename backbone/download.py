"""Files that others publish: fetched once, from the first address that answers, checked, and kept.

Knows no models: published.py and layoutdeit/known_models.py say what there is. What a source does not state (a hash, a
size, a mirror) is None; the whole hash and the size are written beside the file when it first arrives, and hold from
then on.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

TIMEOUT_S = 30  # without a byte
PIECE_BYTES = 1 << 20
FOLDER_VARIABLE = "LAYOUTDEIT_WEIGHTS"  # a folder to keep files in instead of torch.hub's: shared, or carried offline


@dataclass(frozen=True)
class PublishedWeights:
    """Where a file is, and what its source states of it. mirror: another address of the same file."""

    url: str
    source: str
    licence: str | None = None
    mirror: str | None = None
    num_bytes: int | None = None
    note: str = ""

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]

    @property
    def sha256_prefix(self) -> str | None:
        """The 8 hex digits that official names end with, as torch.hub reads them; None where there are none."""
        found = re.search(r"-([0-9a-f]{8})\.\w+$", self.file_name)
        return found and found[1]


def weights_dir(cache_dir: str | Path | None = None) -> Path:
    """The folder of fetched files: the one given, that of LAYOUTDEIT_WEIGHTS, or torch.hub's."""
    import torch  # only here: who asks what models there are must not wait for it

    folder = cache_dir or os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else Path(torch.hub.get_dir()) / "checkpoints"


def fetch_file(
    name: str, weights: PublishedWeights, cache_dir: str | Path | None = None, *, mirrors: Sequence[str] = ()
) -> Path:
    """Return the file, downloaded if it is not in the folder (see `weights_dir`).

    mirrors: tried first; each the address of the file, or an address or a folder that it lies in. The file is whole and
    right, or there is none. ValueError: bytes with another hash; ConnectionError: no network, with the path where to
    put the file instead.
    """
    path = weights_dir(cache_dir) / weights.file_name
    if not path.is_file():
        _download(name, weights, path, [_address_of_file(mirror, weights.file_name) for mirror in mirrors])
    check_against_record(name, weights, path)
    return path


def file_record(path: Path) -> dict[str, Any]:
    """What was written down of a file when it came: name, url, sha256, num_bytes; empty if it never did."""
    record_path = path.with_name(f"{path.name}.json")
    return json.loads(record_path.read_text()) if record_path.is_file() else {}


def _address_of_file(mirror: str, file_name: str) -> str:
    """A mirror as the address of one file: a folder here, an address that ends in the name, or one that holds it."""
    if urlparse(mirror).scheme not in ("http", "https", "file"):
        mirror = Path(mirror).expanduser().resolve().as_uri()
    return mirror if mirror.endswith(file_name) else f"{mirror.rstrip('/')}/{file_name}"


def _download(name: str, weights: PublishedWeights, path: Path, mirrors: Sequence[str]) -> None:
    """Put the file in place in one step; the next address is tried where one fails."""
    from backbone.checkpoint import save_atomically

    failures = []
    for url in filter(None, (*mirrors, weights.url, weights.mirror)):
        try:
            save_atomically(path, lambda temporary, url=url: _write_checked(url, weights, temporary))
            return
        except ConnectionError as error:
            failures.append(f"{url} ({error})")
    raise ConnectionError(
        f"could not fetch {name} from {' or '.join(failures)}: where there is a network, download it, and put the file "
        f"at {path}{'. ' + weights.note if weights.note else ''}"
    )


def _write_checked(url: str, weights: PublishedWeights, temporary: Path) -> None:
    digest = hashlib.sha256()
    with temporary.open("wb") as file:
        for piece in _pieces(url):
            digest.update(piece)
            file.write(piece)
    _check(f"what came from {url}", digest.hexdigest(), temporary.stat().st_size, weights, "try again later")


def _pieces(url: str) -> Iterator[bytes]:
    """The bytes at an address. ConnectionError where it cannot be reached or ends early."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "layoutdeit"}), timeout=TIMEOUT_S) as response:
            num_expected, num_bytes = response.headers.get("Content-Length"), 0
            while piece := response.read(PIECE_BYTES):
                num_bytes += len(piece)
                yield piece
    except (OSError, HTTPException) as error:
        raise ConnectionError(str(getattr(error, "reason", None) or error)) from error
    if num_expected is not None and num_bytes != int(num_expected):
        raise ConnectionError(f"the connection ended after {num_bytes} of {num_expected} bytes")


def check_against_record(name: str, weights: PublishedWeights, path: Path) -> None:
    """Compare a file with what its source states and what was recorded of it; record it the first time. ValueError."""
    from backbone.checkpoint import save_atomically

    with path.open("rb") as file:
        sha256, num_bytes = hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
    remedy = f"delete it and {path.name}.json, and fetch it again"
    _check(str(path), sha256, num_bytes, weights, remedy)
    recorded = file_record(path).get("sha256")
    if recorded is not None:
        if recorded != sha256:
            raise ValueError(f"{path} has changed since it came: sha256 {sha256}, recorded {recorded}; {remedy}")
        return
    record = {"name": name, "url": weights.url, "sha256": sha256, "num_bytes": num_bytes}
    record_path = path.with_name(f"{path.name}.json")
    save_atomically(record_path, lambda temporary: temporary.write_text(json.dumps(record, indent=1)))


def _check(what: str, sha256: str, num_bytes: int, weights: PublishedWeights, remedy: str) -> None:
    prefix = weights.sha256_prefix
    if prefix is not None and not sha256.startswith(prefix):
        raise ValueError(
            f"{what} is not {weights.file_name}: its sha256 {sha256} does not begin with {prefix}; {remedy}"
        )
    if weights.num_bytes is not None and num_bytes != weights.num_bytes:
        raise ValueError(f"{what} has {num_bytes} bytes, expected {weights.num_bytes}; {remedy}")
