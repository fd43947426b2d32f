"""The network of a training configuration: a DeiT of ours, or a classifier of timm's or torchvision's by its name."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from backbone.config import DEIT_ONLY, ImageTrainConfig, ModelConfig
from backbone.deit import DEIT_SIZES, build_deit
from backbone.published import load_into
from backbone.vit import VisionTransformer

log = logging.getLogger(__name__)
DROP_PATH = 0.1  # Table 9 of arXiv:2012.12877


def build_model(config: ImageTrainConfig, num_classes: int) -> nn.Module:
    """The configured network, filled from model.init_from where that is given; says in words what was taken.

    Its `dimensions` are VitDimensions or NamedDimensions. num_classes: of the data, if the configuration names none.
    """
    wanted, num_classes = config.model, config.model.num_classes or num_classes
    if wanted.name in DEIT_SIZES:
        return _build_deit(wanted, num_classes)
    return _build_named(wanted, num_classes)


def _build_deit(wanted: ModelConfig, num_classes: int) -> VisionTransformer:
    changes: dict[str, object] = {"num_classes": num_classes}
    if wanted.image_size is not None:
        changes["image_size_hw"] = (wanted.image_size, wanted.image_size)
    for name in ("patch_size", "embed_dim", "depth", "num_heads", "distilled"):
        if getattr(wanted, name) is not None:
            changes[name] = getattr(wanted, name)
    model = build_deit(
        wanted.name,
        drop_path=DROP_PATH if wanted.drop_path is None else wanted.drop_path,
        activation_checkpointing=wanted.activation_checkpointing,
        **changes,
    )
    if wanted.init_from:
        report = load_into(model, wanted.init_from)
        log.info("weights from %s\n%s", wanted.init_from, report)
    return model


def _build_named(wanted: ModelConfig, num_classes: int) -> nn.Module:
    from backbone.checkpoint import load_state_dict_file
    from backbone.named_model import build_named, check_image_size, start_from

    if given := [name for name in DEIT_ONLY if getattr(wanted, name)]:
        raise ValueError(
            f"model.{given[0]} is for a DeiT only, and {wanted.name!r} is none of {', '.join(DEIT_SIZES)}: leave it out"
        )
    size_hw = None if wanted.image_size is None else (wanted.image_size, wanted.image_size)
    model = build_named(wanted.name, num_classes, image_size_hw=size_hw).model
    if getattr(model, "aux_logits", False):
        raise ValueError(f"{wanted.name} trains with auxiliary heads, which the loss does not know: use another")
    check_image_size(model, model.dimensions.image_size_hw[0], "model.image_size")
    if wanted.init_from:
        report = start_from(model, load_state_dict_file(Path(wanted.init_from)), wanted.init_from)
        log.info("weights from %s\n%s", wanted.init_from, report)
    return model
