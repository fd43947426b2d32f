"""What a training run is about to do, in words and numbers, before it does it; with the traps others fell into.

Made by train.py from the configuration and the data; nothing here changes the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backbone.config import ImageTrainConfig
from backbone.named_model import NamedDimensions
from backbone.vit import VitDimensions

# facebookresearch/deit, issue 16: DeiT-S on 4 processes of 256 ended at 75.2 %, the authors' 16 of 64 at 79.8 %.
LARGE_PROCESS_BATCH = 256
PUBLISHED_BATCH = 1024  # issue 40 there: DeiT-B at 480 ended about 3 % lower, its rate scaled as here


@dataclass(frozen=True)
class Plan:
    """Lines that describe a run, and warnings about it."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        """One line each, warnings last."""
        return "\n".join([*self.lines, *(f"warning: {text}" for text in self.warnings)])


def make_plan(
    config: ImageTrainConfig,
    dims: VitDimensions | NamedDimensions,
    *,
    num_images: int,
    steps_per_epoch: int,
    world_size: int,
    source_size_px: int | None = None,
    teacher_size_px: int | None = None,
) -> Plan:
    """Describe a run.

    source_size_px: side of the data set's images where all are alike; teacher_size_px: what the teacher was trained at.
    """
    run, optim, augment = config.run, config.optim, config.augment
    peak = optim.rate_per_512 * run.batch_size / 512
    num_steps = steps_per_epoch * run.epochs
    per_pass = run.batch_size // (world_size * run.accumulate)
    size_px = dims.image_size_hw[0]
    distinct = math.ceil(steps_per_epoch * run.batch_size / augment.repeats)
    lines = [
        f"model: {_model_in_words(config.model.name, dims)}",
        f"batch: {run.batch_size} images a step = {world_size} processes x {run.accumulate} passes x {per_pass}",
        f"rate: {peak:.4g} = {optim.rate_per_512:.4g} x {run.batch_size} / 512, "
        f"{optim.warmup_epochs:g} epochs warm-up, cosine to {optim.final_rate:.4g}"
        f"; {optim.name}, weight decay {optim.weight_decay:g}",
        f"epoch: {steps_per_epoch} steps show {distinct} of {num_images} images, {_times(augment.repeats)}",
        f"length: {run.epochs} epochs, {num_steps} steps, {num_steps * run.batch_size} images",
        f"average: {_average_in_words(optim.ema_decay)}",
        f"evaluation: short side to {int(size_px / augment.eval_crop)} px bicubic, centre {size_px} px",
        f"teacher: {_teacher_in_words(config)}",
        f"published: {config.published}",
    ]
    warnings = [
        *_batch_warnings(config, per_pass),
        *_length_warnings(config, peak, num_steps),
        *_image_warnings(config, dims, source_size_px, teacher_size_px),
    ]
    return Plan(tuple(lines), tuple(warnings))


def half_life(decay: float) -> float:
    """Steps after which a weight counts half in a moving average of this decay, 0 < decay < 1."""
    return math.log(0.5) / math.log(decay)


def _times(repeats: int) -> str:
    return f"{repeats} times each; the batch counts every copy" if repeats > 1 else "once each"


def _average_in_words(decay: float) -> str:
    return f"decay {decay:g}, half-life {half_life(decay):.0f} steps" if 0 < decay < 1 else "none"


def _model_in_words(name: str, dims: VitDimensions | NamedDimensions) -> str:
    size, classes = f"{dims.image_size_hw[0]} px", f"{dims.num_classes} classes"
    if isinstance(dims, NamedDimensions):
        return f"{name} of timm or torchvision, {size}, {classes}"
    return f"{name}, {size}, patches of {dims.patch_size}, {classes}" + (", distillation token" * dims.distilled)


def _teacher_in_words(config: ImageTrainConfig) -> str:
    distill = config.distill
    if distill.kind == "none":
        return "none"
    soft = f", tau {distill.tau:g}, mean over {distill.soft_mean}" if distill.kind == "soft" else ""
    return f"{distill.teacher or distill.weights}, {distill.kind}, alpha {distill.alpha:g}{soft}"


def _batch_warnings(config: ImageTrainConfig, per_pass: int) -> list[str]:
    run, augment = config.run, config.augment
    found = []
    if augment.mixes and per_pass >= LARGE_PROCESS_BATCH:
        found.append(
            f"{per_pass} images share one Mixup or CutMix draw: DeiT-S at 4 x 256 was reported to end at 75 % instead "
            f"of 79.8 % (facebookresearch/deit, issue 16); the published runs have 64 a pass: raise run.accumulate"
        )
    is_from_scratch = run.epochs >= 100 and not config.model.init_from
    if is_from_scratch and run.batch_size != PUBLISHED_BATCH:
        found.append(
            f"batch {run.batch_size}, published {PUBLISHED_BATCH}: the rate is scaled, the score may still differ "
            f"(facebookresearch/deit, issue 40)"
        )
    if augment.repeats > 1 and run.batch_size == augment.repeats * PUBLISHED_BATCH:
        found.append(
            f"the batch counts repeats: the published {PUBLISHED_BATCH} images of a step already are "
            f"{augment.repeats} copies of about {PUBLISHED_BATCH // augment.repeats}; do not multiply it"
        )
    return found


def _length_warnings(config: ImageTrainConfig, peak: float, num_steps: int) -> list[str]:
    optim, found = config.optim, []
    if 0 < optim.ema_decay < 1 and not optim.ema_warmup and 4 * half_life(optim.ema_decay) > num_steps:
        found.append(
            f"the average keeps much of its start: half-life {half_life(optim.ema_decay):.0f} of {num_steps} steps; "
            f"set optim.ema_warmup=true or a lower optim.ema_decay"
        )
    if optim.final_rate > peak:
        found.append(f"the rate ends above its peak: optim.final_rate {optim.final_rate:.3g} > {peak:.3g}")
    if optim.warmup_epochs >= config.run.epochs:
        found.append(f"warm-up lasts {optim.warmup_epochs:g} of {config.run.epochs} epochs: the peak is never reached")
    return found


def _image_warnings(
    config: ImageTrainConfig,
    dims: VitDimensions | NamedDimensions,
    source_size_px: int | None,
    teacher_size_px: int | None,
) -> list[str]:
    size_px, found = dims.image_size_hw[0], []
    if config.data.format.startswith("cifar") and size_px < 224 and isinstance(dims, VitDimensions):
        found.append(
            f"CIFAR at {size_px} px gives {dims.grid_hw[0]}x{dims.grid_hw[1]} patches: the published 99.1 and 90.8 "
            f"come from images upscaled to 224 px; set model.image_size=224"
        )
    elif config.data.format.startswith("cifar") and config.augment.crop == "padded":
        found.append("augment.crop=padded does not upscale CIFAR's 32 px: use resized")
    elif source_size_px is not None and config.augment.crop == "padded" and source_size_px < size_px:
        found.append(f"augment.crop=padded surrounds images of {source_size_px} px with black up to {size_px} px")
    if config.distill.kind != "none":
        shown = config.distill.input_size or size_px
        if teacher_size_px is not None and teacher_size_px != shown:
            found.append(
                f"the teacher was trained at {teacher_size_px} px, is shown {shown} px: see distill.input_size"
            )
        if not dims.distilled:
            found.append("distilling without the token: the paper's best rows have it (Table 3); model.distilled=true")
    elif dims.distilled:
        found.append("a distillation token without a teacher learns the labels: set distill.kind")
    return found
