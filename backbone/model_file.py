"""A finished classifier in one safetensors file that rebuilds it without flags, and can be a teacher later.

Written at the end of train.py; read by distill.py and by whoever evaluates or fine-tunes. Parameter names are the
official ones, so checkpoint.load_backbone reads such a file too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from backbone.checkpoint import save_atomically
from backbone.vit import VisionTransformer, VitDimensions

FILE_FORMAT = "deit-classifier/1"


@dataclass(frozen=True)
class ImageInput:
    """What a model expects of an image: RGB in [0, 1], minus mean, over std; and the crop it is evaluated with."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    eval_crop: float = 0.875


@dataclass(frozen=True)
class Classifier:
    """A model, what it expects of images, its class names by index, and how it was made."""

    model: VisionTransformer
    input: ImageInput
    class_names: tuple[str, ...]
    record: Mapping[str, Any]


def save_classifier(path: str | Path, classifier: Classifier, state_dict: Mapping[str, Tensor] | None = None) -> None:
    """Write a model atomically; state_dict replaces its weights (an average of them)."""
    weights = state_dict or classifier.model.state_dict()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    metadata = {
        "format": FILE_FORMAT,
        "dimensions": json.dumps(asdict(classifier.model.dimensions)),
        "input": json.dumps(asdict(classifier.input)),
        "class_names": json.dumps(classifier.class_names),
        "record": json.dumps(classifier.record),
    }
    save_atomically(path, lambda temporary: save_file(weights, temporary, metadata))


def load_classifier(path: str | Path) -> Classifier:
    """Rebuild a model of ours on the CPU, in evaluation mode. FileNotFoundError, or ValueError for another file."""
    path = Path(path)
    metadata = read_metadata(path)
    if metadata.get("format") != FILE_FORMAT:
        raise ValueError(f"{path} does not say which model it holds: expected a file that backbone.train wrote")
    dimensions = json.loads(metadata["dimensions"])
    dimensions["image_size_hw"] = tuple(dimensions["image_size_hw"])
    model = VisionTransformer(VitDimensions(**dimensions))
    model.load_state_dict(load_file(path))
    expected = json.loads(metadata["input"])
    return Classifier(
        model.eval(),
        ImageInput(tuple(expected["mean"]), tuple(expected["std"]), expected["eval_crop"]),
        tuple(json.loads(metadata["class_names"])),
        json.loads(metadata["record"]),
    )


def read_metadata(path: str | Path) -> dict[str, str]:
    """What a .safetensors file says of itself; nothing for another kind of file. FileNotFoundError if it is absent."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}
