"""Configuration files: a YAML file and key=value overrides, read into a dataclass and checked.

Each job declares a dataclass whose fields are described where they stand; `load_config` only fills it. Unknown keys
and wrong types are errors that name the key. The job declared here is training on images, one dataclass per concern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

ConfigT = TypeVar("ConfigT")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # Lightning Fabric's names
TRAINING_PRECISIONS = ("auto", *PRECISIONS)  # auto: bf16-mixed where that is quicker, otherwise 32-true


def load_config(schema: type[ConfigT], path: str | Path | None = None, overrides: Sequence[str] = ()) -> ConfigT:
    """Fill the dataclass `schema` from a YAML file, then from overrides: "data.root=/data"; "key=" empties a text.

    FileNotFoundError for a missing file; ValueError for one that is no YAML, or names the key of an unknown one, a
    wrong type, a missing mandatory value or a value that the dataclass's own check refuses.
    """
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(f"no configuration file at {path}: see configs/ for those that exist")
    for override in overrides:
        if "=" not in override:
            raise ValueError(f"expected key=value, got {override!r}")
    try:
        config = OmegaConf.structured(schema)
        if path is not None:
            config = OmegaConf.merge(config, _read_yaml(path))
        config = OmegaConf.merge(config, *(_read_override(schema, line) for line in overrides))
        if missing := sorted(OmegaConf.missing_keys(config)):  # every mandatory value of ours is a folder
            raise ValueError(f"give {' and '.join(f'{key}=DIR' for key in missing)}: nothing else tells where that is")
        return _with_tuples(OmegaConf.to_object(config))
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if error.full_key else ""
        where = f" (in {path})" if path is not None else ""
        raise ValueError(f"{key}{str(error).splitlines()[0]}{where}") from error


def _read_yaml(path: str | Path) -> DictConfig:
    try:
        values = OmegaConf.load(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {_in_one_line(error)}") from error
    if not isinstance(values, DictConfig):
        raise ValueError(f"{path} holds no configuration: expected key: value, got a list")
    return values


def _read_override(schema: type, override: str) -> DictConfig:
    try:
        return OmegaConf.from_dotlist([_with_text(schema, override)])
    except yaml.YAMLError as error:
        raise ValueError(f"cannot read {override!r}: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def config_from_dict(schema: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Rebuild a dataclass, nested ones too, from `dataclasses.asdict`'s output. ValueError as `load_config`."""
    try:
        config = OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.create(values))
        return _with_tuples(OmegaConf.to_object(config))
    except OmegaConfBaseException as error:
        raise ValueError(f"{error.full_key or 'configuration'}: {str(error).splitlines()[0]}") from error


def check_choice(key: str, value: str, choices: Sequence[str]) -> None:
    """ValueError that names the key unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"unknown {key} {value!r}: use one of {', '.join(choices)}")


def check_range(key: str, value: float, low: float, high: float = math.inf) -> None:
    """ValueError that names the key unless the value is a finite number from low to high."""
    if not (math.isfinite(value) and low <= value <= high):
        expected = f"in [{low}, {high}]" if high < math.inf else f"{low} or more"
        raise ValueError(f"{key} must be {expected}, got {value}")


def _with_tuples(config: Any) -> Any:
    """The same configuration: OmegaConf 2.3, which detectron2's hydra needs, leaves lists where 2.4 has tuples."""
    hints = get_type_hints(type(config))
    for each in fields(config):
        value, hint = getattr(config, each.name), hints[each.name]
        if is_dataclass(value):
            _with_tuples(value)
        elif isinstance(value, list) and tuple in map(get_origin, (hint, *get_args(hint))):
            setattr(config, each.name, tuple(value))
    return config


def _with_text(schema: type, override: str) -> str:
    """An override, an empty one of a text field made an empty text, which YAML would read as none at all."""
    key, _, value = override.partition("=")
    *parents, name = key.split(".")
    for parent in parents:
        schema = get_type_hints(schema).get(parent) if is_dataclass(schema) else None
    if value.strip() or not is_dataclass(schema) or get_type_hints(schema).get(name) is not str:
        return override
    is_mandatory = any(each.name == name and each.default is MISSING for each in fields(schema))
    return f"{key}={MISSING if is_mandatory else repr('')}"


DATA_FORMATS = ("folder", "cifar10", "cifar100", "inat2018", "inat2019", "list")


# Fields of ModelConfig that a classifier of timm's or torchvision's has not.
DEIT_ONLY = ("patch_size", "embed_dim", "depth", "num_heads", "distilled", "drop_path", "activation_checkpointing")


@dataclass
class ModelConfig:
    """The network: a published size of DeiT with any dimension changed, or a classifier by name, a teacher to be."""

    name: str = "deit_base_patch16_224"  # a row of backbone.deit.DEIT_SIZES, or what timm or torchvision calls it
    image_size: int | None = None  # px, height and width; none: that of the name
    patch_size: int | None = None  # px
    embed_dim: int | None = None
    depth: int | None = None
    num_heads: int | None = None
    distilled: bool | None = None  # with a distillation token (arXiv:2012.12877, sec. 4)
    num_classes: int = 0  # 0: as many as the data set has
    drop_path: float | None = None  # stochastic depth of the last block, training only; none: .1
    activation_checkpointing: bool = False  # recompute blocks in the backward pass: less memory, more time
    init_from: str = ""  # weights to fine-tune: heads of other class counts are replaced, positions resized

    def __post_init__(self) -> None:
        if self.drop_path is not None:
            check_range("model.drop_path", self.drop_path, 0, 1)
        check_range("model.num_classes", self.num_classes, 0)


@dataclass
class ImageDataConfig:
    """The images and how they are read."""

    root: str = MISSING  # folder of the data set
    format: str = "folder"  # one of DATA_FORMATS; datasets.py says what each expects
    train_split: str = "train"  # folder: of classes; list: label file below root
    val_split: str = "val"  # the same, evaluated; empty: no evaluation
    images_dir: str = ""  # list: the folder below root that the paths of a label file start from
    category: str = "name"  # inat: what makes a class: name, genus, family, order, class, phylum or kingdom
    num_workers: int = 4  # loader processes per training process
    unreadable: str = "skip"  # a broken image: skip (logged, counted, in training replaced) or error

    def __post_init__(self) -> None:
        check_choice("data.format", self.format, DATA_FORMATS)
        check_choice("data.unreadable", self.unreadable, ("skip", "error"))
        check_range("data.num_workers", self.num_workers, 0)


@dataclass
class AugmentConfig:
    """Training and evaluation transforms. The defaults are Table 9 of arXiv:2012.12877, column DeiT-B."""

    repeats: int = 3  # copies of an image in an epoch that stays as long (arXiv:1902.05509); 1: none
    crop: str = "resized"  # resized: a random part, bicubic to image_size; padded: 4 px of border, for small images
    min_area: float = 0.08  # smallest share of the image that a resized crop keeps
    flip: float = 0.5  # probability of a horizontal flip
    rand_augment: str = "rand-m9-mstd0.5-inc1"  # timm's notation; empty: none
    color_jitter: float = 0.3  # only without rand_augment, as timm does
    erasing: float = 0.25  # probability of random erasing with noise per pixel
    mixup: float = 0.8  # alpha of Mixup; 0: none
    cutmix: float = 1.0  # alpha of CutMix; 0: none
    switch: float = 0.5  # probability of CutMix where both are on
    mix_probability: float = 1.0  # share of batches that are mixed
    label_smoothing: float = 0.1
    eval_crop: float = 0.875  # evaluation: short side to image_size / eval_crop, bicubic, then the centre
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # subtracted from RGB in [0, 1]: ImageNet's
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)  # divided by

    def __post_init__(self) -> None:
        check_choice("augment.crop", self.crop, ("resized", "padded"))
        for name in ("flip", "erasing", "switch", "mix_probability", "label_smoothing"):
            check_range(f"augment.{name}", getattr(self, name), 0, 1)
        check_range("augment.min_area", self.min_area, 0.001, 1)
        check_range("augment.eval_crop", self.eval_crop, 0.1, 1)
        check_range("augment.repeats", self.repeats, 1)
        check_range("augment.mixup", self.mixup, 0)
        check_range("augment.cutmix", self.cutmix, 0)

    @property
    def mixes(self) -> bool:
        """Whether batches are mixed at all."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)


@dataclass
class ImageOptimConfig:
    """Optimiser and schedule. The defaults are Table 9 of arXiv:2012.12877, column DeiT-B."""

    name: str = "adamw"  # or sgd, with momentum .9
    rate_per_512: float = 5e-4  # peak learning rate = this x batch_size / 512
    final_rate: float = 1e-5  # learning rate that the cosine ends at, not scaled
    warmup_epochs: float = 5.0  # linear from 0
    weight_decay: float = 0.05  # of matrices; none on biases, norms, positions and tokens
    clip_norm: float = 0.0  # norm of the whole gradient; 0: no clipping
    ema_decay: float = 0.99996  # moving average of the weights, evaluated and saved beside them; 0: none
    ema_warmup: bool = False  # let the decay grow with the steps done, so that a short run forgets its start

    def __post_init__(self) -> None:
        check_choice("optim.name", self.name, ("adamw", "sgd"))
        check_range("optim.ema_decay", self.ema_decay, 0, 1)
        for name in ("rate_per_512", "final_rate", "warmup_epochs", "weight_decay", "clip_norm"):
            check_range(f"optim.{name}", getattr(self, name), 0)


@dataclass
class DistillConfig:
    """The teacher and its loss (arXiv:2012.12877, sec. 4)."""

    kind: str = "none"  # none, soft or hard
    teacher: str = ""  # a timm or torchvision classifier by name; empty: `weights` is a file that backbone.train wrote
    weights: str = ""  # the teacher's weights: a .safetensors or PyTorch file; nothing is downloaded
    alpha: float = 0.5  # share of the teacher in the loss
    tau: float = 3.0  # temperature, soft only
    soft_mean: str = "elements"  # soft only: elements, as the released code divides, or images, as eq. 2 does
    input_size: int = 0  # px the teacher's images are resized to; 0: the student's
    mean: list[float] = field(default_factory=list)  # what the teacher expects; empty: as its source says
    std: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_choice("distill.kind", self.kind, ("none", "soft", "hard"))
        check_choice("distill.soft_mean", self.soft_mean, ("elements", "images"))
        check_range("distill.alpha", self.alpha, 0, 1)
        if not 0 < self.tau < math.inf:
            raise ValueError(f"distill.tau must be above 0, got {self.tau}")
        if len(self.mean) not in (0, 3) or len(self.std) != len(self.mean):
            raise ValueError("distill.mean and distill.std are three numbers each, or both empty")
        if self.kind != "none" and not self.weights:
            raise ValueError(f"distill.kind={self.kind} needs distill.weights, a file: nothing is downloaded")


@dataclass
class RunConfig:
    """How long, how large, how often."""

    epochs: int = 300
    batch_size: int = 1024  # images per step over all processes; repeats count like other images
    accumulate: int = 1  # forward passes a process splits its share of the batch into
    precision: str = "auto"  # one of TRAINING_PRECISIONS; 32-true for exact runs
    devices: int = 1  # processes on this machine; under torchrun its own count is taken
    num_nodes: int = 1  # machines, under torchrun
    strategy: str = "ddp"  # several processes: ddp, each with the whole model; fsdp, each with a share (sharding.py)
    seed: int = 0
    checkpoint_every: int = 500  # steps, besides the end of every epoch
    evaluate_every: int = 1  # epochs; the last one is always evaluated
    log_every: int = 50  # steps
    max_minutes: float = 0.0  # stop cleanly, resumable, after this long; 0: no limit

    def __post_init__(self) -> None:
        check_choice("run.strategy", self.strategy, ("ddp", "fsdp"))
        check_choice("run.precision", self.precision, TRAINING_PRECISIONS)
        check_range("run.max_minutes", self.max_minutes, 0)
        counts = ("epochs", "batch_size", "accumulate", "devices", "num_nodes")
        for name in (*counts, "checkpoint_every", "evaluate_every", "log_every"):
            check_range(f"run.{name}", getattr(self, name), 1)


@dataclass
class ImageTrainConfig:
    """A training job: `python -m backbone.train FILE.yaml key=value ...`."""

    output_dir: str = MISSING  # checkpoint, log and the finished models
    published: str = "no published score"  # what the recipe reached in its source, for the plan
    model: ModelConfig = field(default_factory=ModelConfig)
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: ImageOptimConfig = field(default_factory=ImageOptimConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    run: RunConfig = field(default_factory=RunConfig)
