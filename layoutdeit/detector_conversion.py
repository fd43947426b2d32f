"""Weight files from one format to another: detectron2's .pth to a model file of ours, and back; a DeiT alone, too.

What a file is shows in its names, what it becomes in the wanted suffix. A .pth of ours has the settings beside the
weights, where detectron2 does not look, so that the way back needs no guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from backbone.checkpoint import CheckpointFile, load_checkpoint_file, save_atomically
from backbone.config import config_from_dict
from backbone.conversion import UnknownGridError, convert_state_dict
from layoutdeit.config import DetectorConfig
from layoutdeit.detector_file import is_model_file, read_model_file, save_model
from layoutdeit.detectron2_keys import DETECTRON2_BODY, from_detectron2, to_detectron2
from layoutdeit.published_detector import convert_detector, is_detectron2_detector

OUR_ENTRY = "layoutdeit"  # of a .pth: JSON with the settings and the training record
TORCH_SUFFIXES = (".pth", ".pt")


def convert_file(
    source: str | Path, target: str | Path, overrides: Sequence[str] = (), *, precision: str | None = None
) -> tuple[str, ...]:
    """Write target, atomically, and return what a reader should know, line by line.

    overrides: "key=value" of DetectorConfig, for a detectron2 file whose tensors do not tell all. precision: of a model
    file that is written; None: float16 where that loses nothing, float32 elsewhere. FileNotFoundError or ValueError say
    what cannot be read or converted.
    """
    source, target = Path(source), Path(target)
    if target.suffix not in (".safetensors", *TORCH_SUFFIXES):
        raise ValueError(f"cannot tell the format of {target}: .safetensors is ours, .pth detectron2's")
    if source.suffix == ".pkl":
        raise ValueError(
            f"{source} is a pickle, which could run code when it is read: where you trust it, load it with detectron2 "
            "and save its tensors, torch.save({'model': model.state_dict()}, 'weights.pth')"
        )
    if source.suffix == ".safetensors" and is_model_file(source):
        return _convert_ours(source, target, overrides, precision)
    content = load_checkpoint_file(source)
    if is_detectron2_detector(content.state_dict):
        return _convert_theirs(content, source, target, overrides, precision)
    return _convert_body(content, target, overrides)


def settings_as_overrides(config: DetectorConfig) -> list[str]:
    """Every setting of a detector as "key=value", to give to convert_file those of a model that is like it."""

    def pairs(values: dict[str, Any], prefix: str) -> Iterator[str]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from pairs(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}={list(value) if isinstance(value, tuple) else value}"

    return list(pairs(asdict(config), ""))


def _convert_ours(source: Path, target: Path, overrides: Sequence[str], precision: str | None) -> tuple[str, ...]:
    if overrides:
        raise ValueError(f"{source} has its own settings: {', '.join(overrides)} would make it another model")
    config, record, state = read_model_file(source)
    if target.suffix == ".safetensors":
        return (_save_ours(target, state, config, record, precision),)
    settings = json.dumps({"config": asdict(config), "record": record})
    _save_tensors(target, {"model": to_detectron2(state, num_classes=config.num_classes), OUR_ENTRY: settings})
    return (f"{len(state)} weights under detectron2's names, the settings beside them",)


def _convert_theirs(
    content: CheckpointFile, source: Path, target: Path, overrides: Sequence[str], precision: str | None
) -> tuple[str, ...]:
    if target.suffix != ".safetensors":
        raise ValueError(f"{source} is in detectron2's format already: {target} would be a copy")
    unused = tuple(f"left out the entry {name}" for name in content.other_entries if name != OUR_ENTRY)
    kept = _read_settings(content, source, may_be_spoilt=bool(overrides))
    config = config_from_dict(DetectorConfig, kept["config"]) if kept is not None else None
    if config is not None and not overrides:
        state = from_detectron2(content.state_dict, num_classes=config.num_classes)
        saved = _save_ours(target, state, config, kept["record"], precision)
        return (saved, "the settings are those that were beside the weights", *unused)
    like = settings_as_overrides(config) if config is not None else []
    try:
        converted = convert_detector(content.state_dict, [*like, *overrides])
    except UnknownGridError as error:
        raise ValueError(f"{error}; here that is backbone.grid_size_px=[H,W]") from error
    record = {"converted_from": source.name, "format": "detectron2", "overrides": list(overrides)}
    saved = _save_ours(target, converted.state, converted.config, record, precision)
    return (saved, *converted.remarks, *unused)


def _save_ours(
    path: Path, state: dict[str, Tensor], config: DetectorConfig, record: dict[str, Any], precision: str | None
) -> str:
    """Write a model file and say how exact it is."""
    is_half = all(torch.equal(t, t.half().to(t.dtype)) for t in state.values() if t.is_floating_point())
    precision = precision or ("float16" if is_half else "float32")
    precision = save_model(path, state, config, record, precision=precision)
    loss = "rounded" if precision == "float16" and not is_half else "no bit lost"
    return f"{len(state)} weights in {precision}, {loss}"


def _convert_body(content: CheckpointFile, target: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """A DeiT alone, in any format of backbone/conversion.py: official names, or detectron2's for its MODEL.WEIGHTS."""
    if overrides:
        raise ValueError(f"a DeiT alone has no settings of a detector: {', '.join(overrides)}")
    converted = convert_state_dict(content.state_dict)
    weights = {name: tensor.contiguous() for name, tensor in converted.state_dict.items()}
    if target.suffix == ".safetensors":
        save_atomically(target, lambda temporary: temporary.write_bytes(save(weights)))
    else:
        outside = ("norm.", "head.", "head_dist.")  # of a classifier; a detector has none of them
        body = {f"{DETECTRON2_BODY}{name}": t for name, t in weights.items() if not name.startswith(outside)}
        _save_tensors(target, {"model": body})
    return tuple(str(converted.report).splitlines())


def _read_settings(content: CheckpointFile, source: Path, *, may_be_spoilt: bool) -> dict[str, Any] | None:
    """What _convert_ours put beside the weights, or None."""
    text = content.other_entries.get(OUR_ENTRY)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        return {"config": dict(kept["config"]), "record": dict(kept["record"])}
    except (ValueError, TypeError, KeyError) as error:
        if may_be_spoilt:
            return None
        raise ValueError(
            f"the entry {OUR_ENTRY!r} of {source} is spoilt ({error}): convert with settings given"
        ) from error


def _save_tensors(path: Path, content: dict[str, dict[str, Tensor] | str]) -> None:
    save_atomically(path, lambda temporary: torch.save(content, temporary))
