"""Learning from a teacher (arXiv:2012.12877, sec. 4): a frozen classifier, and the loss that follows it.

Used by loop.py: the teacher sees the very images the student sees, cropped, erased and mixed, but normalised its own
way. Its weights always come from a file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbone.checkpoint import load_state_dict_file
from backbone.config import AugmentConfig, DistillConfig
from backbone.model_file import load_classifier
from backbone.named_model import build_named, load_named_weights


class Teacher(nn.Module):
    """A frozen classifier fed images that were normalised for another model.

    images_mean, images_std: how the images given are normalised; mean, std: what the classifier expects.
    input_size: px the images are resized to, 0 for none; trained_size: px it was trained at, if known.
    """

    def __init__(
        self,
        classifier: nn.Module,
        *,
        images_mean: Sequence[float],
        images_std: Sequence[float],
        mean: Sequence[float],
        std: Sequence[float],
        input_size: int = 0,
        trained_size: int | None = None,
    ) -> None:
        super().__init__()
        self.trained_size = trained_size
        self.classifier = classifier.requires_grad_(False).eval()
        self.input_size = input_size
        ours, theirs = torch.tensor([images_mean, images_std]), torch.tensor([mean, std])  # each (2, 3)
        scale, shift = ours[1] / theirs[1], (ours[0] - theirs[0]) / theirs[1]
        self.register_buffer("scale", scale.reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.reshape(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> Teacher:
        """Stay as it is: batch norm must keep its statistics, stochastic depth stay off."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, H, W), normalised for the student -> logits (B, K)."""
        images = images * self.scale + self.shift
        if self.input_size and images.shape[-2:] != (self.input_size, self.input_size):
            size = (self.input_size, self.input_size)
            images = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        return self.classifier(images).float()


def build_teacher(config: DistillConfig, augment: AugmentConfig, *, num_classes: int, image_size: int) -> Teacher:
    """Build and try the teacher of a configuration. ValueError for another class count or an image size it refuses."""
    if config.teacher:
        named = build_named(config.teacher, num_classes)
        classifier, mean, std = named.model, named.mean, named.std
        load_named_weights(classifier, load_state_dict_file(config.weights), config.weights)
    else:
        ours = load_classifier(config.weights)
        classifier, mean, std = ours.model, ours.input.mean, ours.input.std
    teacher = Teacher(
        classifier,
        images_mean=augment.mean,
        images_std=augment.std,
        mean=config.mean or mean,
        std=config.std or std,
        input_size=config.input_size,
        trained_size=classifier.dimensions.image_size_hw[0],
    )
    _try(teacher, config, num_classes, image_size)
    return teacher


def distillation_loss(
    outputs: Tensor | tuple[Tensor, Tensor], targets: Tensor, teacher_logits: Tensor | None, config: DistillConfig
) -> Tensor:
    """The loss of a batch, a scalar. targets (B, K), rows summing to 1; teacher_logits (B, K), or None without teacher.

    outputs: class logits (B, K), or the pair with the distillation token's. The token's logits follow the teacher
    (eq. 3 of arXiv:2012.12877); without the token, or without a teacher, the class logits do all the work (eq. 2).
    """
    logits, token_logits = (outputs, outputs) if isinstance(outputs, Tensor) else outputs
    loss = F.cross_entropy(logits, targets)
    if config.kind == "none" or teacher_logits is None:
        # A token without a teacher learns the labels as well, so that a distilled model can be fine-tuned alone.
        return loss if isinstance(outputs, Tensor) else (loss + F.cross_entropy(token_logits, targets)) / 2
    if config.kind == "hard":
        from_teacher = F.cross_entropy(token_logits, teacher_logits.argmax(dim=1))
    else:
        tau = config.tau
        divergence = F.kl_div(
            F.log_softmax(token_logits / tau, dim=1),
            F.log_softmax(teacher_logits / tau, dim=1),
            reduction="sum",
            log_target=True,
        )
        # The released code divides by B*K, eq. 2 of the paper by B: with 1000 classes, a thousand times more.
        count = token_logits.numel() if config.soft_mean == "elements" else len(token_logits)
        from_teacher = divergence * tau**2 / count
    return (1 - config.alpha) * loss + config.alpha * from_teacher


def _try(teacher: Teacher, config: DistillConfig, num_classes: int, image_size: int) -> None:
    """Show the teacher an empty picture before hours of training start."""
    name = config.teacher or config.weights
    try:
        logits = teacher(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        shown = config.input_size or image_size
        raise ValueError(
            f"the teacher {name} refuses images of {shown} px ({error}): "
            f"set distill.input_size to the size it was trained at"
        ) from error
    if logits.ndim != 2 or logits.shape[1] != num_classes:
        raise ValueError(
            f"the teacher {name} knows {logits.shape[-1]} classes, the data set has {num_classes}: "
            f"a teacher must be trained on the same classes"
        )
