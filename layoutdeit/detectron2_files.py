"""Detectors as detectron2's .pth files and back: what `python -m layoutdeit.weights convert` does.

A file of ours keeps its settings and its record when it becomes a .pth, as text beside the weights, so that the way
there and back loses nothing. Tensors and text only, in both directions: nothing is unpickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch

from backbone.checkpoint import TORCH_SUFFIXES, load_checkpoint_file, save_atomically
from backbone.config import config_from_dict
from layoutdeit.config import DetectorConfig
from layoutdeit.detector_file import file_sha256, read_model_file, resolve_model, save_model
from layoutdeit.detectron2_keys import to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.published_detectors import convert_detectron2

SETTINGS_ENTRY = "layoutdeit"  # beside "model" in a .pth of ours: JSON of the settings and the record


def convert_file(source: str | Path, output: str | Path, *, like: str | None = None) -> str:
    """Write a model file of ours as a .pth for detectron2, or a .pth of detectron2 as a model file of ours.

    like: a model whose settings a .pth has that does not tell them. Returns a line that says what was done. ValueError
    or FileNotFoundError where that is not possible.
    """
    source, output = Path(source), Path(output)
    if source.suffix == ".pkl":
        raise ValueError(
            f"{source} is a pickle, never opened because it could run code: save it as .pth where you trust it"
        )
    if output.suffix == ".safetensors" and source.suffix in TORCH_SUFFIXES:
        return _from_pth(source, output, like)
    if output.suffix == ".pth" and (source.suffix == ".safetensors" or not source.suffix):
        return _to_pth(resolve_model(source), output)
    raise ValueError(
        f"cannot convert {source.name} to {output.name}: use MODEL.safetensors MODEL.pth or MODEL.pth MODEL.safetensors"
    )


def _to_pth(source: Path, output: Path) -> str:
    config, record, state = read_model_file(source)
    told = json.dumps({"config": asdict(config), "record": record})
    content = {"model": to_detectron2(state), SETTINGS_ENTRY: told}
    save_atomically(output, lambda temporary: torch.save(content, temporary))
    return f"wrote {output}: {len(state)} tensors in float32 under detectron2's names, settings beside them"


def _from_pth(source: Path, output: Path, like: str | None) -> str:
    content = load_checkpoint_file(source)
    settings, record = None, {"converted_from": source.name, "sha256": file_sha256(source)}
    if like is not None:
        settings = read_model_file(resolve_model(like))[0]
    elif SETTINGS_ENTRY in content.texts:
        told = json.loads(content.texts[SETTINGS_ENTRY])
        settings, record = config_from_dict(DetectorConfig, told["config"]), told["record"]
    converted = convert_detectron2(content.state_dict, settings)
    _check_fit(converted.config, converted.state)
    is_half = all(torch.equal(t, t.half().to(t.dtype)) for t in converted.state.values() if t.is_floating_point())
    save_model(output, converted.state, converted.config, record, half=is_half)
    guessed = "" if settings else "; anchors, input size and counts as published (--like MODEL: that model's)"
    return f"wrote {output} from a {converted.origin}, {'half' if is_half else 'single'} precision{guessed}"


def _check_fit(config: DetectorConfig, state: dict[str, torch.Tensor]) -> None:
    """ValueError where the weights are not those of such a detector, before anything is written."""
    with torch.device("meta"):
        own = build_detector(config).state_dict()
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    if missing or unknown:
        raise ValueError(
            f"the weights do not fit their settings: missing {sorted(missing)[:4]}, too many {sorted(unknown)[:4]}"
        )
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            shapes = f"{name} is {tuple(tensor.shape)}, needs {tuple(own[name].shape)}"
            raise ValueError(f"the weights do not fit their settings: {shapes}")
