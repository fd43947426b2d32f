"""A finished classifier in one safetensors file that rebuilds it without flags, and can be a teacher later.

Written at the end of train.py; read by distill.py and by whoever evaluates or fine-tunes. Parameter names are the
official ones, or those of the model's library, so checkpoint.load_backbone or that library reads such a file too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from backbone.checkpoint import save_atomically
from backbone.named_model import NamedDimensions, build_named, load_named_weights
from backbone.vit import VisionTransformer, VitDimensions

DEIT_FORMAT = "deit-classifier/1"
NAMED_FORMAT = "named-classifier/1"  # of timm or torchvision; its dimensions hold the name


@dataclass(frozen=True)
class ImageInput:
    """What a model expects of an image: RGB in [0, 1], minus mean, over std; and the crop it is evaluated with."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    eval_crop: float = 0.875


@dataclass(frozen=True)
class Classifier:
    """A model, what it expects of images, its class names by index, and how it was made.

    model is a VisionTransformer or a network of build_named: its `dimensions` rebuild it.
    """

    model: nn.Module
    input: ImageInput
    class_names: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def dimensions(self) -> VitDimensions | NamedDimensions:
        """Image size, class count and all else that rebuilds the model."""
        return self.model.dimensions


def save_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a model atomically."""
    weights = classifier.model.state_dict()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    metadata = {
        "format": DEIT_FORMAT if isinstance(classifier.dimensions, VitDimensions) else NAMED_FORMAT,
        "dimensions": json.dumps(asdict(classifier.dimensions)),
        "input": json.dumps(asdict(classifier.input)),
        "class_names": json.dumps(classifier.class_names),
        "record": json.dumps(classifier.record),
    }
    save_atomically(path, lambda temporary: save_file(weights, temporary, metadata))


def load_classifier(path: str | Path) -> Classifier:
    """Rebuild a model that backbone.train wrote, on the CPU, in evaluation mode.

    FileNotFoundError, ValueError for another file, or ImportError where the library of a named model is absent.
    """
    path = Path(path)
    metadata = read_metadata(path)
    if not is_classifier(metadata):
        raise ValueError(f"{path} does not say which model it holds: expected a file that backbone.train wrote")
    dimensions = json.loads(metadata["dimensions"])
    dimensions["image_size_hw"] = tuple(dimensions["image_size_hw"])
    if metadata["format"] == DEIT_FORMAT:
        model: nn.Module = VisionTransformer(VitDimensions(**dimensions))
        model.load_state_dict(load_file(path))
    else:
        named = NamedDimensions(**dimensions)
        model = build_named(named.name, named.num_classes, image_size_hw=named.image_size_hw).model
        load_named_weights(model, load_file(path), str(path))
    expected = json.loads(metadata["input"])
    return Classifier(
        model.eval(),
        ImageInput(tuple(expected["mean"]), tuple(expected["std"]), expected["eval_crop"]),
        tuple(json.loads(metadata["class_names"])),
        json.loads(metadata["record"]),
    )


def is_classifier(metadata: Mapping[str, str]) -> bool:
    """Whether a file that says this of itself is one that backbone.train wrote."""
    return metadata.get("format") in (DEIT_FORMAT, NAMED_FORMAT)


def read_metadata(path: str | Path) -> dict[str, str]:
    """What a .safetensors file says of itself; nothing for another kind of file.

    FileNotFoundError if it is absent, ValueError if it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}): fetch or save it again") from error
