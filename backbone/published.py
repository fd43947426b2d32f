"""Published weights by name: where their source keeps them, fetched once, checked, and loaded into a DeiT.

The last door of the checkpoints: checkpoint.py reads a file, conversion.py rewrites its format, this file knows where
files are. What a source does not state (a hash, a size, a mirror) is None here; the whole hash and the size are written
beside the file when it first arrives, and hold from then on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import torch

from backbone.checkpoint import KeyReport, load_checkpoint_file, save_atomically
from backbone.conversion import Converted, UnknownGridError, convert_state_dict, load_converted
from backbone.vit import VisionTransformer

TIMEOUT_S = 30  # without a byte
PIECE_BYTES = 1 << 20
HUGGING_FACE_FILES = ("model.safetensors", "pytorch_model.bin")


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


def _deit(file_name: str, page: str = "README_deit.md") -> PublishedWeights:
    source = f"https://github.com/facebookresearch/deit/blob/main/{page}"
    return PublishedWeights(f"https://dl.fbaipublicfiles.com/deit/{file_name}", source, licence="Apache-2.0")


def _dit(path: str) -> PublishedWeights:
    return PublishedWeights(
        f"https://layoutlm.blob.core.windows.net/dit/{path}",
        "https://github.com/microsoft/unilm/tree/master/dit",
        note="The host has refused this address since June 2023 (microsoft/unilm, issue 1141).",
    )


_DEIT_FILES = (
    "deit_tiny_patch16_224-a1311bcf.pth deit_small_patch16_224-cd65a155.pth deit_base_patch16_224-b5f2ef4d.pth "
    "deit_tiny_distilled_patch16_224-b40b3cf7.pth deit_small_distilled_patch16_224-649709d9.pth "
    "deit_base_distilled_patch16_224-df68dfff.pth deit_base_patch16_384-8de9b5d1.pth "
    "deit_base_distilled_patch16_384-d0272ac0.pth"
)
# arXiv:2204.07118: trained on ImageNet-1k, or on 21k and then fine-tuned on 1k. The names carry no hash.
_DEIT_3_FILES = (
    "small_224_1k small_384_1k medium_224_1k base_224_1k base_384_1k large_224_1k large_384_1k huge_224_1k "
    "small_224_21k small_384_21k medium_224_21k base_224_21k base_384_21k large_224_21k large_384_21k huge_224_21k_v1"
)
PUBLISHED = {
    **{file.partition("-")[0]: _deit(file) for file in _DEIT_FILES.split()},
    **{f"deit_3_{file}": _deit(f"deit_3_{file}.pth", "README_revenge.md") for file in _DEIT_3_FILES.split()},
    "dit_base_patch16_224": _dit("dit-pts/dit-base-224-p16-500k-62d53a.pth"),
    "dit_large_patch16_224": _dit("dit-pts/dit-large-224-p16-500k-d7a2fb.pth"),
    "rvlcdip_dit-b": _dit("dit-fts/rvlcdip_dit-b.pth"),
    "rvlcdip_dit-l": _dit("dit-fts/rvlcdip_dit-l.pth"),
}


def load_published(
    name_or_path: str | Path,
    *,
    num_heads: int | None = None,
    norm_eps: float | None = None,
    image_size_hw: tuple[int, int] | None = None,
) -> tuple[VisionTransformer, KeyReport]:
    """Build the model a file is of, on the CPU, in evaluation mode, and say what became of every key.

    name_or_path: of PUBLISHED (fetched if need be), a file in any format of conversion.py, or a folder of Hugging Face,
    whose config.json is read. The options are those of convert_state_dict.
    """
    path = _find(name_or_path)
    told = _read_config(path.with_name("config.json"))
    given = {"num_heads": num_heads, "norm_eps": norm_eps, "image_size_hw": image_size_hw}
    told |= {option: value for option, value in given.items() if value is not None}
    converted = convert_file(path, **told)
    model = VisionTransformer(converted.dimensions)
    return model.eval(), load_converted(model, converted)


def load_into(
    model: VisionTransformer, name_or_path: str | Path, *, image_size_hw: tuple[int, int] | None = None
) -> KeyReport:
    """Fill a model that is there already, maybe of another size or class count, from anything load_published reads.

    Where neither image_size_hw nor a config.json does, the model tells the number of heads, and the position grid if it
    is not square.
    """
    path = _find(name_or_path)
    told = {"num_heads": model.dimensions.num_heads, **_read_config(path.with_name("config.json"))}
    if image_size_hw is not None:
        told["image_size_hw"] = image_size_hw
    try:
        converted = convert_file(path, **told)
    except UnknownGridError:
        converted = convert_file(path, **told, image_size_hw=model.dimensions.image_size_hw)
    return load_converted(model, converted)


def convert_file(path: str | Path, **options: Any) -> Converted:
    """Read and convert a file; what it holds besides weights is reported as dropped."""
    content = load_checkpoint_file(path)
    converted = convert_state_dict(content.state_dict, **options)
    others = dict.fromkeys(content.other_entries, "an entry of the file beside its weights")
    return replace(converted, report=replace(converted.report, dropped={**converted.report.dropped, **others}))


def fetch(name: str, cache_dir: str | Path | None = None) -> Path:
    """Return the file of a published name, downloaded if it is not in the folder (by default, that of torch.hub).

    The file is whole and right, or there is none. ValueError: an unknown name, or bytes with another hash;
    ConnectionError: no network, with the path where to put the file instead.
    """
    if name not in PUBLISHED:
        raise ValueError(f"unknown weights {name!r}: use one of {', '.join(PUBLISHED)}, or the path of a file")
    weights = PUBLISHED[name]
    folder = Path(torch.hub.get_dir()) / "checkpoints" if cache_dir is None else Path(cache_dir)
    path = folder / weights.file_name
    if not path.is_file():
        _download(name, weights, path)
    _check_against_record(name, weights, path)
    return path


def _download(name: str, weights: PublishedWeights, path: Path) -> None:
    """Put the file in place in one step; a mirror is tried where the first address fails."""
    failures = []
    for url in filter(None, (weights.url, weights.mirror)):
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


def _check_against_record(name: str, weights: PublishedWeights, path: Path) -> None:
    """Compare a file with what its source states and what was recorded of it; record it the first time."""
    with path.open("rb") as file:
        sha256, num_bytes = hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
    remedy = f"delete it and {path.name}.json, and fetch it again"
    _check(str(path), sha256, num_bytes, weights, remedy)
    record_path = path.with_name(f"{path.name}.json")
    if record_path.is_file():
        recorded = json.loads(record_path.read_text()).get("sha256")
        if recorded != sha256:
            raise ValueError(f"{path} has changed since it came: sha256 {sha256}, recorded {recorded}; {remedy}")
        return
    record = {"name": name, "url": weights.url, "sha256": sha256, "num_bytes": num_bytes}
    save_atomically(record_path, lambda temporary: temporary.write_text(json.dumps(record, indent=1)))


def _check(what: str, sha256: str, num_bytes: int, weights: PublishedWeights, remedy: str) -> None:
    prefix = weights.sha256_prefix
    if prefix is not None and not sha256.startswith(prefix):
        raise ValueError(
            f"{what} is not {weights.file_name}: its sha256 {sha256} does not begin with {prefix}; {remedy}"
        )
    if weights.num_bytes is not None and num_bytes != weights.num_bytes:
        raise ValueError(f"{what} has {num_bytes} bytes, expected {weights.num_bytes}; {remedy}")


def _find(name_or_path: str | Path) -> Path:
    if str(name_or_path) in PUBLISHED:
        return fetch(str(name_or_path))
    path = Path(name_or_path)
    if not path.is_dir():
        return path
    files = [path / name for name in HUGGING_FACE_FILES if (path / name).is_file()]
    if not files:
        raise FileNotFoundError(f"no weights in the folder {path}: expected {' or '.join(HUGGING_FACE_FILES)}")
    return files[0]


def _read_config(path: Path) -> dict[str, Any]:
    """Options of convert_state_dict from the config.json that Hugging Face keeps beside a DeiT, ViT or BEiT."""
    config = json.loads(path.read_text()) if path.is_file() else {}
    if config.get("model_type") not in ("deit", "vit", "beit"):
        return {}
    if config.get("hidden_act", "gelu") != "gelu":
        raise ValueError(f"{path} asks for the activation {config['hidden_act']!r}: a DeiT has 'gelu'")
    side = config.get("image_size")
    told = {
        "num_heads": config.get("num_attention_heads"),
        "norm_eps": config.get("layer_norm_eps"),
        "image_size_hw": (side, side) if isinstance(side, int) else side and tuple(side),
    }
    return {option: value for option, value in told.items() if value is not None}
