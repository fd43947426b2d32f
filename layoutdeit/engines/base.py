"""The contract between an engine and everything around it: `Detector`, `Target`, `Detections`.

Images are float tensors (3, H, W), RGB in [0, 1], of any sizes; the engine resizes, pads and normalises them.
Boxes are xyxy in pixels of the given image. Labels are 1..5 (see labels.py); 0 is background and never leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbone.vit import VisionTransformer


@dataclass(frozen=True)
class Target:
    """What is on a training image. boxes (N, 4) float, labels (N,) int64 in 1..5, masks (N, H, W) bool or None.

    N may be 0. Without masks the mask head takes each box as its region's outline. seed (32 bits) makes an engine's
    draws for this image its own, the same in whatever company and process; None: they are torch's next.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None = None
    seed: int | None = None

    def to(self, device: torch.device | str) -> Target:
        """The same target on another device."""
        masks = None if self.masks is None else self.masks.to(device)
        return Target(self.boxes.to(device), self.labels.to(device), masks, self.seed)


@dataclass(frozen=True)
class Detections:
    """What was found on an image, best first. boxes (N, 4) float, labels (N,) int64, scores (N,) in 0..1.

    masks is (N, H, W) bool in the frame of the image, or None where masks were not asked for.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor | None = None

    def cpu(self) -> Detections:
        """The same detections on the CPU."""
        masks = None if self.masks is None else self.masks.cpu()
        return Detections(self.boxes.cpu(), self.labels.cpu(), self.scores.cpu(), masks)


class Detector(nn.Module):
    """A trainable region detector. Subclasses implement the two verbs; both accept images of differing sizes."""

    engine: str
    precision = "fp32"  # of predict: fp32, or another that precision.py has made it ready for

    @property
    def backbone(self) -> VisionTransformer:
        """The DeiT under the pyramid, to start from a checkpoint or to look into."""
        raise NotImplementedError(f"{type(self).__name__} does not tell its backbone")

    def arithmetic(self) -> AbstractContextManager:
        """What predict runs under: autocast to bf16, or whatever the caller has set up."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(next(self.parameters()).device.type, dtype=torch.bfloat16)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Return the named losses, each a scalar, of a training batch."""
        raise RuntimeError(f"{type(self).__name__} does not implement forward")

    def predict(self, images: Sequence[Tensor], *, masks: bool = False) -> list[Detections]:
        """Return one `Detections` per image, without gradients and whatever the training mode was."""
        raise RuntimeError(f"{type(self).__name__} does not implement predict")
