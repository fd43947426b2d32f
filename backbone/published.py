"""Published weights by name: where their source keeps them, fetched once, checked, and loaded into a DeiT.

The last door of the checkpoints: download.py fetches a file, checkpoint.py reads it, conversion.py rewrites its format,
this file knows where files are. What a source does not state (a hash, a size, a mirror) is None here; the whole hash
and the size are written beside the file when it first arrives, and hold from then on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from backbone.checkpoint import KeyReport, load_checkpoint_file
from backbone.conversion import Converted, UnknownGridError, convert_state_dict, load_converted
from backbone.download import RemoteFile, fetch_file
from backbone.vit import VisionTransformer

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

    @property
    def remote_file(self) -> RemoteFile:
        """The same, as download.py takes it."""
        places = tuple(filter(None, (self.url, self.mirror)))
        return RemoteFile(self.file_name, places, self.sha256_prefix, self.num_bytes, self.note)


def _deit(file_name: str, page: str = "README_deit.md") -> PublishedWeights:
    source = f"https://github.com/facebookresearch/deit/blob/main/{page}"
    return PublishedWeights(f"https://dl.fbaipublicfiles.com/deit/{file_name}", source, licence="Apache-2.0")


def _dit(path: str) -> PublishedWeights:
    return PublishedWeights(
        f"https://huggingface.co/HYPJUDY/dit/resolve/main/{path}",
        "https://github.com/microsoft/unilm/tree/master/dit",
        mirror=f"https://layoutlm.blob.core.windows.net/dit/{path}",
        note="The authors' first host (layoutlm) has refused since June 2023 (microsoft/unilm, issue 1141).",
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


def pixel_statistics(name_or_path: str | Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation of each channel that Hugging Face's preprocessor_config.json beside a file asks for.

    None where there is no such file, and for names of PUBLISHED. ValueError for one that does not hold three numbers
    of each.
    """
    if str(name_or_path) in PUBLISHED:  # what lies beside it is of other weights
        return None
    path = _find(name_or_path).with_name("preprocessor_config.json")
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not config:
        return None
    if not config.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if "image_mean" not in config and "image_std" not in config:
        return None
    mean, std = (tuple(map(float, config.get(name) or ())) for name in ("image_mean", "image_std"))
    if len(mean) != 3 or len(std) != 3 or not all(std):
        raise ValueError(f"{path} needs three numbers in image_mean and in image_std, got {mean} and {std}")
    return mean, std


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
    folder = Path(torch.hub.get_dir()) / "checkpoints" if cache_dir is None else Path(cache_dir)
    return fetch_file(name, PUBLISHED[name].remote_file, folder)


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
