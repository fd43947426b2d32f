"""Model files: a detector in one safetensors file that rebuilds it without flags.

Its metadata carries the configuration, the labels and the training record. PyTorch is imported when a file is read or
written, so that whoever only looks models up (model_registry.py) stays quick.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.config import config_from_dict
from layoutdeit.config import DetectorConfig
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.older_files import FORMAT_1, upgrade_format_1

if TYPE_CHECKING:
    from torch import Tensor

FILE_FORMAT = "layoutdeit-detector-2"
READABLE_FORMATS = (FILE_FORMAT, FORMAT_1)
PRECISIONS = ("float16", "float32")  # of the numbers in a file; float32 keeps every bit


def save_model(
    path: str | Path,
    state: Mapping[str, Tensor],
    config: DetectorConfig,
    record: Mapping[str, Any],
    *,
    precision: str = "float16",
) -> str:
    """Write a model file, atomically. precision: of PRECISIONS; half for trained weights, converted ones keep all.

    Weights too large for half precision are written in float32, all of them. Returns the precision that was written.
    """
    import torch
    from safetensors.torch import save

    from backbone.checkpoint import save_atomically

    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    dtype = getattr(torch, precision)
    metadata = {
        "format": FILE_FORMAT,
        "labels": json.dumps(LABEL_NAMES),
        "config": json.dumps(asdict(config)),
        "record": json.dumps(record),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    cast = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    fits = all(torch.equal(cast[name].isfinite(), tensor.isfinite()) for name, tensor in tensors.items())
    written = cast if fits else tensors
    save_atomically(path, lambda temporary: temporary.write_bytes(save(written, metadata)))
    return precision if fits else "float32"


def read_model_file(path: str | Path) -> tuple[DetectorConfig, dict[str, Any], dict[str, Tensor]]:
    """Configuration, training record and weights, as float32, of a model file.

    FileNotFoundError, or ValueError for a file that is broken or not ours.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}: give the name of a known model or a .safetensors file")
    if path.suffix in (".pth", ".pt", ".pkl"):
        command = f"python -m layoutdeit.weights convert {path} {path.stem}.safetensors"
        raise ValueError(f"{path} is no model file of ours: {command} first")
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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") in READABLE_FORMATS
    except (OSError, SafetensorError):
        return False
