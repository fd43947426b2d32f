"""Classifiers of timm and torchvision by name: a network that train.py trains like a DeiT, or a teacher.

The libraries only build the network, with random weights: nothing is downloaded. Such a model says what rebuilds it in
its `dimensions`, as a VisionTransformer does, and keeps the parameter names of its library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class NamedDimensions:
    """All that is needed to rebuild a classifier of a library; stored in its file. image_size_hw: px it is trained at.

    What other code asks of VitDimensions is here too: no distillation token, and no limit on image sizes that is known.
    """

    name: str
    image_size_hw: tuple[int, int]
    num_classes: int

    @property
    def distilled(self) -> bool:
        """Only our DeiT has the token."""
        return False


@dataclass(frozen=True)
class NamedModel:
    """A network with random weights, and the normalisation that its library's weights expect: RGB in [0, 1]."""

    model: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]


def build_named(name: str, num_classes: int, *, image_size_hw: tuple[int, int] | None = None) -> NamedModel:
    """Build a classifier of timm's or torchvision's; image_size_hw: px it is used at, none for its library's.

    ValueError for an unknown name, ImportError where timm is absent.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"the classifier {name!r} needs timm: pip install 'layoutdeit[train]'") from error
    import torchvision

    if timm.is_model(name):
        model = timm.create_model(name, pretrained=False, num_classes=num_classes)
        expected = model.pretrained_cfg
        mean, std, size = expected["mean"], expected["std"], expected["input_size"][-1]
    elif name in torchvision.models.list_models(module=torchvision.models):
        model = torchvision.models.get_model(name, weights=None, num_classes=num_classes)
        transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        mean, std, size = transforms.mean, transforms.std, transforms.crop_size[0]
    else:
        raise ValueError(f"unknown classifier {name!r}: neither timm nor torchvision has one of that name")
    model.dimensions = NamedDimensions(name, image_size_hw or (size, size), num_classes)
    return NamedModel(model.to(memory_format=torch.channels_last), tuple(mean), tuple(std))  # faster for convolutions


def load_named_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Fill a classifier of `build_named` strictly. ValueError names another class count, or what does not fit."""
    if count := _other_class_count(model, weights):
        raise ValueError(
            f"the classifier {model.dimensions.name} of {source} knows {count} classes, "
            f"the data set has {model.dimensions.num_classes}: a teacher must be trained on the same classes"
        )
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        first = " ".join(line.strip() for line in str(error).splitlines()[1:3])[:300]
        raise ValueError(f"{source} holds no weights of {model.dimensions.name}: {first}") from error


def start_from(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> str:
    """Fill a classifier to fine-tune it, its head left as it is where the class count differs; says what was taken.

    ValueError where anything else does not fit.
    """
    own, count = model.state_dict(), _other_class_count(model, weights)
    kept = _misfits(own, weights) if count else []
    load_named_weights(model, {**weights, **{name: own[name] for name in kept}}, source)
    if not kept:
        return f"used: {len(weights)} keys as they are"
    return (
        f"used: {len(weights) - len(kept)} keys as they are\n"
        f"dropped: {', '.join(kept)} ({count} classes, the model has {model.dimensions.num_classes})"
    )


def check_image_size(model: nn.Module, image_size: int, use: str) -> None:
    """Show a classifier an empty picture before hours of training start.

    ValueError with the setting `use` where it refuses the size or does not answer with a vector of logits.
    """
    was_training, num_classes = model.training, model.dimensions.num_classes
    try:
        with torch.no_grad():
            logits = model.eval()(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{model.dimensions.name} refuses images of {image_size} px ({error}): set {use} to a size it takes"
        ) from error
    model.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (1, num_classes):
        raise ValueError(f"{model.dimensions.name} does not answer with {num_classes} logits: use a classifier")


def _misfits(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    return [name for name in own if name in weights and own[name].shape != weights[name].shape]


def _other_class_count(model: nn.Module, weights: Mapping[str, Tensor]) -> int:
    """Classes of the weights where they differ from the model's in nothing but those; otherwise 0."""
    own = model.state_dict()
    counts = {(_rows(own[name]), _rows(weights[name])) for name in _misfits(own, weights)}
    if len(counts) != 1 or own.keys() != weights.keys():
        return 0
    ours, theirs = counts.pop()
    return theirs if ours == model.dimensions.num_classes else 0


def _rows(tensor: Tensor) -> int:
    return len(tensor) if tensor.ndim else 0
