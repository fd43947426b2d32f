"""Model files and the registry of known models: a name or a path in, a ready detector out.

A model file is safetensors; its metadata carries the configuration, labels and training record that rebuild it, so
no flag is needed to run it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from backbone.checkpoint import save_atomically
from backbone.config import config_from_dict
from layoutdeit.config import DetectorConfig
from layoutdeit.engines import build_detector
from layoutdeit.engines.base import Detector
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.layout import ModelInfo
from layoutdeit.older_files import FORMAT_1, upgrade_format_1

FILE_FORMAT = "layoutdeit-detector-2"
READABLE_FORMATS = (FILE_FORMAT, FORMAT_1)
ASSETS_DIR = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class ModelEntry:
    """A known model: its file among the package's assets, and where it came from."""

    file_name: str
    sha256: str
    licence: str
    training_data: str


MODELS = {
    "deit-tiny-made-pages": ModelEntry(
        file_name="deit-tiny-made-pages.safetensors",
        sha256="93f4dce960c25e5bd9ea4fb016ea971982b4e62ea6b1185487d4652cb60040aa",
        licence="Apache-2.0",
        training_data="pages set by layoutdeit.corpus; no real page",
    ),
}
DEFAULT_MODEL = "deit-tiny-made-pages"


@dataclass(frozen=True)
class LoadedModel:
    """A detector ready to predict, who it is, and how it was made."""

    detector: Detector
    info: ModelInfo
    config: DetectorConfig
    record: dict[str, Any] = field(default_factory=dict)


def load_model(
    name_or_path: str | Path | None = None, *, engine: str = "torchvision", device: str | torch.device = "cpu"
) -> LoadedModel:
    """Load a model of the registry by name, or any model file by path; None: the shipped one.

    ValueError for an unknown name or a file that is not ours; FileNotFoundError for a missing file.
    """
    path = resolve_model(name_or_path)
    config, record, state = read_model_file(path)
    detector = build_detector(config, engine)
    detector.load_state_dict(state)
    detector.to(device).eval()
    info = ModelInfo(name=path.stem, sha256=file_sha256(path), engine=engine)
    entry = MODELS.get(path.stem)
    if entry is not None and path.parent == ASSETS_DIR and entry.sha256 != info.sha256:
        raise ValueError(f"{path} is damaged: its sha256 is {info.sha256}, expected {entry.sha256}; install again")
    return LoadedModel(detector, info, config, record)


def resolve_model(name_or_path: str | Path | None) -> Path:
    """The file of a model given by registry name or by path."""
    wanted = str(name_or_path or DEFAULT_MODEL)
    if wanted in MODELS:
        return ASSETS_DIR / MODELS[wanted].file_name
    path = Path(wanted)
    if not path.suffix:
        raise ValueError(
            f"unknown model {wanted!r}: use one of {', '.join(MODELS)}, or the path of a .safetensors file"
        )
    return path


def save_model(path: str | Path, state: dict[str, Tensor], config: DetectorConfig, record: dict[str, Any]) -> None:
    """Write a model file, weights in half precision, atomically."""
    metadata = {
        "format": FILE_FORMAT,
        "labels": json.dumps(LABEL_NAMES),
        "config": json.dumps(asdict(config)),
        "record": json.dumps(record),
    }
    halved = {name: t.detach().cpu().contiguous() for name, t in state.items()}
    halved = {name: t.half() if t.is_floating_point() else t for name, t in halved.items()}
    save_atomically(path, lambda temporary: temporary.write_bytes(save(halved, metadata)))


def read_model_file(path: str | Path) -> tuple[DetectorConfig, dict[str, Any], dict[str, Tensor]]:
    """Configuration, training record and float32 weights of a model file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}: give a name ({', '.join(MODELS)}) or a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}): fetch or save it again") from error
    if metadata.get("format") not in READABLE_FORMATS:
        raise ValueError(f"{path} is not a detector file: expected format {FILE_FORMAT}, got {metadata.get('format')}")
    config = config_from_dict(DetectorConfig, json.loads(metadata["config"]))
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    if metadata["format"] == FORMAT_1:
        state = upgrade_format_1(state)
    return config, json.loads(metadata["record"]), state


def is_model_file(path: str | Path) -> bool:
    """Whether the file is a detector of ours, told by its metadata; False for any other, missing or broken file."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") in READABLE_FORMATS
    except (OSError, SafetensorError):
        return False


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
