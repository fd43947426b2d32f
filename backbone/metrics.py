"""Scores of a classifier, counted so that any number of processes and any order of images give the same numbers.

Sits at the end of the data path: loop.evaluate feeds a `Tally` with logits and labels and returns its `Metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from lightning.fabric import Fabric

# Losses are summed as whole multiples of this: integers add up alike in any order, floats do not.
LOSS_QUANTUM = 2.0**-24


@dataclass(frozen=True)
class ClassMetrics:
    """One class: how many of its images were seen, and how many of them the model's first guess got right."""

    num_images: int
    num_correct: int

    @property
    def top1(self) -> float:
        """Share in [0, 1]; nan where the class had no image."""
        return self.num_correct / self.num_images if self.num_images else float("nan")


@dataclass(frozen=True)
class Metrics:
    """Scores over all images of all processes; nan for all three where there was none.

    top1, top5: shares in [0, 1] of images whose label is the first guess, or among the first five (all of them where
    there are fewer classes). loss: mean cross-entropy in nats, nan where a logit was not finite or an image has
    several right labels. per_class: by class index; of images with several right labels, none is counted there.
    """

    top1: float
    top5: float
    loss: float
    num_images: int
    per_class: tuple[ClassMetrics, ...]

    def __str__(self) -> str:
        """`top-1 72.20 %  top-5 91.10 %  loss 1.2345  50000 images`."""
        return (
            f"top-1 {100 * self.top1:.2f} %  top-5 {100 * self.top5:.2f} %  loss {self.loss:.4f}  "
            f"{self.num_images} images"
        )


class Tally:
    """Counts of right guesses and the sum of losses, in integers on the model's device."""

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        if num_classes < 1:
            raise ValueError(f"a classifier has at least one class, got {num_classes}")
        self.num_classes = num_classes
        # rows: right at first guess, right among five, loss in quanta, images, images without a usable loss
        self._sums = torch.zeros(5, dtype=torch.int64, device=device)
        self._per_class = torch.zeros(2, num_classes, dtype=torch.int64, device=device)  # images, right ones

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch. logits (B, K); labels (B,) class indices, or (B, K) bool: any True class is right.

        Rows of (B, K) without a True are not counted (ImageNet-ReaL leaves such images out, arXiv:2006.07159).
        ValueError for another number of classes or a label out of range.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise ValueError(f"expected logits (B, {self.num_classes}), got {tuple(logits.shape)}")
        logits, labels = logits.float(), labels.to(logits.device)
        if labels.ndim == 2:
            self._update_with_sets(logits, labels)
            return
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise ValueError(f"labels {int(labels.min())}..{int(labels.max())} do not fit {self.num_classes} classes")
        guesses = logits.topk(min(5, self.num_classes), dim=1).indices  # (B, K) -> (B, 5)
        is_right = guesses == labels[:, None]  # (B, 5)
        losses = F.cross_entropy(logits, labels, reduction="none").double()  # (B,)
        is_finite = losses.isfinite()
        quanta = (losses.where(is_finite, 0) / LOSS_QUANTUM).round().long()
        num_images = torch.tensor(len(labels), device=logits.device)
        counts = [is_right[:, 0].sum(), is_right.sum(), quanta.sum(), num_images]
        self._sums += torch.stack([*counts, (~is_finite).sum()])
        ones = torch.ones_like(labels)
        self._per_class[0].scatter_add_(0, labels, ones)
        self._per_class[1].scatter_add_(0, labels, is_right[:, 0].long())

    def metrics(self, fabric: Fabric | None = None) -> Metrics:
        """The scores so far, over all processes of `fabric`, all of which must call this."""
        counts = torch.cat([self._sums, self._per_class.flatten()])
        if fabric is not None and fabric.world_size > 1:
            counts = fabric.all_reduce(counts.clone(), reduce_op="sum")
        sums, per_class = counts[:5].tolist(), counts[5:].reshape(2, -1).tolist()
        first, five, quanta, num_images, num_without_loss = sums
        whole = num_images or float("nan")
        return Metrics(
            top1=first / whole,
            top5=five / whole,
            loss=float("nan") if num_without_loss else quanta * LOSS_QUANTUM / whole,
            num_images=num_images,
            per_class=tuple(ClassMetrics(seen, right) for seen, right in zip(*per_class, strict=True)),
        )

    def _update_with_sets(self, logits: Tensor, is_label: Tensor) -> None:
        guesses = logits.topk(min(5, self.num_classes), dim=1).indices  # (B, K) -> (B, 5)
        is_counted = is_label.any(dim=1)  # (B,)
        is_right = is_label.gather(1, guesses) & is_counted[:, None]  # (B, 5)
        num_images = is_counted.sum()
        counts = [is_right[:, 0].sum(), is_right.any(dim=1).sum(), torch.zeros_like(num_images), num_images, num_images]
        self._sums += torch.stack(counts)
