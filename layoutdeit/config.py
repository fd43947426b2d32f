"""Settings of the detector and of its training, one dataclass per concern, each field described.

`DetectorConfig` travels inside the model file, so that a file alone rebuilds its model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from omegaconf import MISSING

from backbone.config import TRAINING_PRECISIONS, check_choice, check_range
from layoutdeit.labels import NUM_CLASSES


@dataclass
class BackboneConfig:
    """The DeiT under the pyramid."""

    name: str = "deit_base_patch16_224"  # a row of backbone.deit.DEIT_SIZES
    grid_size_px: tuple[int, int] = (224, 224)  # height and width that the position grid belongs to
    position_resize: str = "size"  # how positions reach another size: a rule of backbone.pos_embed.RESIZE_RULES
    drop_path: float = 0.1  # stochastic depth of the last block, training only
    activation_checkpointing: bool = False  # recompute blocks in the backward pass: less memory, more time


@dataclass
class InputConfig:
    """How a page picture becomes the model's input."""

    short_side: int = 800  # pixels of the short side at inference
    more_short_sides: list[int] = field(default_factory=list)  # further looks at the page, whose boxes have less weight
    long_side: int = 1333  # pixels; the long side is never longer
    train_short_sides: list[int] = field(
        default_factory=lambda: [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
    )
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # subtracted from RGB in [0, 1]
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)  # divided by

    def __post_init__(self) -> None:
        if not self.train_short_sides or min(self.train_short_sides) < 1:
            raise ValueError(f"input.train_short_sides needs sides from 1 px on, got {self.train_short_sides}")


@dataclass
class ProposalConfig:
    """The region proposal network (arXiv:1506.01497, with FPN arXiv:1612.03144)."""

    anchor_sizes: list[int] = field(default_factory=lambda: [32, 64, 128, 256, 512])  # px, one per stride 4..64
    aspect_ratios: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0])  # height / width
    positive_iou: float = 0.7  # an anchor above this is a region
    negative_iou: float = 0.3  # an anchor below this is background
    anchors_per_image: int = 256  # sampled for the loss
    train_candidates: int = 2000  # kept per level before NMS in training
    train_proposals: int = 1000  # handed to the heads in training
    candidates: int = 1000  # kept per level before NMS at inference
    proposals: int = 1000  # handed to the heads at inference
    nms_iou: float = 0.7

    def __post_init__(self) -> None:
        for name in ("positive_iou", "negative_iou", "nms_iou"):
            check_range(f"proposals.{name}", getattr(self, name), 0, 1)
        for name in ("anchors_per_image", "train_candidates", "train_proposals", "candidates", "proposals"):
            check_range(f"proposals.{name}", getattr(self, name), 1)
        if self.negative_iou > self.positive_iou:
            raise ValueError(
                f"proposals.negative_iou must not be above proposals.positive_iou ({self.positive_iou}), "
                f"got {self.negative_iou}"
            )
        for name in ("anchor_sizes", "aspect_ratios"):
            values = getattr(self, name)
            if not values or not all(0 < value < math.inf for value in values):
                raise ValueError(f"proposals.{name} needs numbers above 0, got {list(values)}")


@dataclass
class HeadConfig:
    """The box and mask heads (arXiv:1703.06870)."""

    canonical_box_size: int = 224  # px; a box of this size is pooled from stride 16 (FPN eq. 1)
    box_dim: int = 1024  # width of the two fully connected layers
    rois_per_image: int = 512  # sampled for the loss
    positive_fraction: float = 0.25  # of which at most this share are regions
    positive_iou: float = 0.5  # a proposal at or above this is a region
    cascade_ious: list[float] = field(default_factory=list)  # per stage, [.5, .6, .7]; empty: no cascade
    mask_dim: int = 256  # channels of the mask head's convolutions
    mask_layers: int = 4  # 3x3 convolutions before the upsampling; 0 builds no mask head
    min_score: float = 0.05  # lowest score predict returns
    nms_iou: float = 0.5  # per class
    detections_per_page: int = 100

    def __post_init__(self) -> None:
        for name in ("positive_fraction", "positive_iou", "min_score", "nms_iou"):
            check_range(f"heads.{name}", getattr(self, name), 0, 1)
        for name in ("canonical_box_size", "box_dim", "rois_per_image", "mask_dim", "detections_per_page"):
            check_range(f"heads.{name}", getattr(self, name), 1)
        check_range("heads.mask_layers", self.mask_layers, 0)
        ious = self.cascade_ious
        if ious and not (2 <= len(ious) <= 3 and ious[0] == self.positive_iou and sorted(ious) == list(ious)):
            raise ValueError(
                f"heads.cascade_ious needs two or three rising values, the first heads.positive_iou "
                f"({self.positive_iou}), got {list(ious)}"
            )


@dataclass
class DetectorConfig:
    """A whole detector. The defaults are the published DeiT-B one (arXiv:2203.02378, its detectron2 configuration)."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    channels: int = 256  # of every pyramid level
    input: InputConfig = field(default_factory=InputConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    heads: HeadConfig = field(default_factory=HeadConfig)
    num_classes: int = NUM_CLASSES  # without background
    fit_to_ink: bool = False  # take shadows off (even_light.py), move found boxes to print and rules (fit.py)

    def __post_init__(self) -> None:
        check_range("channels", self.channels, 1)
        if self.num_classes != NUM_CLASSES:
            raise ValueError(f"num_classes must be {NUM_CLASSES}, as labels.py has them, got {self.num_classes}")
        if len(self.proposals.anchor_sizes) != 5:
            raise ValueError(
                f"proposals.anchor_sizes needs 5 sizes, for strides 4, 8, 16, 32, 64, got {self.proposals.anchor_sizes}"
            )
        if not 0 < self.input.short_side <= self.input.long_side:
            raise ValueError(f"input.short_side {self.input.short_side} must be in 1..long_side {self.input.long_side}")
        if self.input.more_short_sides and not self.fit_to_ink:
            raise ValueError("input.more_short_sides needs fit_to_ink, which makes one box of those that agree")
        for side in self.input.more_short_sides:
            check_range("input.more_short_sides", side, 1, self.input.long_side)

    @property
    def looks(self) -> list[int]:
        """The short sides at which a page is looked at; without fit_to_ink the first alone."""
        return [self.input.short_side, *(self.input.more_short_sides if self.fit_to_ink else ())]


@dataclass
class DataConfig:
    """The pages: a PubLayNet tree (train/, val/, train.json, val.json), whole or part."""

    root: str = MISSING  # folder of the tree
    train_split: str = "train"  # NAME.json and the folder NAME/
    val_split: str = ""  # evaluated every eval_every steps; empty: no evaluation during training
    num_workers: int = 1  # loader processes per training process
    augmentation: str = "varied"  # varied: crop, stretch and shade; published: the published run's crop and no more
    crop_probability: float = 0.5  # share of pages cut to a random part first
    crop_range_px: tuple[int, int] = (384, 600)  # sides of that part

    def __post_init__(self) -> None:
        check_choice("data.augmentation", self.augmentation, ("varied", "published"))
        check_range("data.num_workers", self.num_workers, 0)
        check_range("data.crop_probability", self.crop_probability, 0, 1)
        low, high = self.crop_range_px
        if not 1 <= low <= high:
            raise ValueError(f"data.crop_range_px needs two rising sides from 1 px on, got {list(self.crop_range_px)}")


@dataclass
class OptimConfig:
    """AdamW with warm-up and cosine decay."""

    learning_rate: float = 4e-4  # peak, for the whole batch as configured
    weight_decay: float = 0.05
    warmup_steps: int = 1000
    final_ratio: float = 0.0  # learning rate at the end, as a share of the peak
    schedule: str = "warmup_cosine"  # cosine after warm-up; detectron2: warm-up from .01, cosine from step 0
    layer_decay: float = 1.0  # rate of each backbone block as a share of the next one's (arXiv:2106.08254, sec. 3.1)
    decay_vectors: bool = False  # weight decay on biases, norms, positions and tokens too, as the published run had it
    clip_norm: float = 1.0  # norm of the whole model's gradient; 0: no clipping
    ema_decay: float = 0.0  # average of the weights used for evaluation and export; 0: the weights themselves

    def __post_init__(self) -> None:
        check_choice("optim.schedule", self.schedule, ("warmup_cosine", "detectron2"))
        for name in ("learning_rate", "weight_decay", "warmup_steps", "clip_norm"):
            check_range(f"optim.{name}", getattr(self, name), 0)
        check_range("optim.final_ratio", self.final_ratio, 0, 1)
        check_range("optim.ema_decay", self.ema_decay, 0, 1)
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"optim.layer_decay must be above 0 and at most 1, got {self.layer_decay}")


@dataclass
class TrainConfig:
    """A training job: `python -m layoutdeit.train FILE.yaml key=value ...`."""

    output_dir: str = MISSING  # checkpoints, log and the finished model.safetensors
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    engine: str = "torchvision"  # what runs the detector: a name of layoutdeit.engines.ENGINES
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init_from: str = ""  # a detector of ours by name or file; or, for the backbone alone, what backbone.published reads
    keep_detector: bool = False  # take the detector's settings from the model of init_from; those above are not read
    num_steps: int = 60_000
    batch_size: int = 16  # pages per step over all processes
    precision: str = "auto"  # one of backbone.config.TRAINING_PRECISIONS; 32-true for exact runs
    seed: int = 0
    devices: int = 1  # processes on this machine; under torchrun its own count is taken
    strategy: str = "ddp"  # several processes: ddp, each with the whole model; fsdp, each with a share (sharding.py)
    checkpoint_every: int = 500  # steps
    eval_every: int = 0  # steps; 0: only at the end, and only with data.val_split
    num_pictures: int = 4  # validation pages drawn with what was found on them, at every evaluation
    log_every: int = 20  # steps
    tensorboard: bool = True  # write a TensorBoard log too, where that package is installed
    max_minutes: float = 0.0  # stop cleanly, resumable, after this long; 0: no limit

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "devices", "checkpoint_every", "log_every"):
            check_range(name, getattr(self, name), 1)
        for name in ("eval_every", "num_pictures", "max_minutes"):
            check_range(name, getattr(self, name), 0)
        check_choice("precision", self.precision, TRAINING_PRECISIONS)
        check_choice("strategy", self.strategy, ("ddp", "fsdp"))
        if self.strategy == "fsdp" and self.engine != "torchvision":
            raise ValueError(f"strategy=fsdp cuts the torchvision engine alone, got engine={self.engine}: use ddp")
        if self.keep_detector and not self.init_from:
            raise ValueError("keep_detector needs init_from: the model whose detector to keep")
