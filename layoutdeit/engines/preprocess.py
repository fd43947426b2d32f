"""Page pictures become one padded, normalised batch; boxes and masks travel to its frame and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutdeit.config import InputConfig
from layoutdeit.engines.base import Target
from layoutdeit.engines.given_frame import boxes_in_batch_frame
from layoutdeit.pyramid import SIZE_DIVISOR


@dataclass(frozen=True)
class ModelInput:
    """A batch as the network sees it.

    images (B, 3, H, W) normalised and padded with 0 at the right and bottom; sizes_hw the content's size in it;
    scales_xy, per image, batch pixels per pixel of the given image.
    """

    images: Tensor
    sizes_hw: list[tuple[int, int]]
    scales_xy: list[tuple[float, float]]


def resized_size_hw(size_hw: tuple[int, int], short_side: int, long_side: int) -> tuple[int, int]:
    """Size with the short side as asked, unless the long side would pass its limit; at least 1 px each."""
    scale = min(short_side / min(size_hw), long_side / max(size_hw))
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def page_input(
    images: Sequence[Tensor], settings: InputConfig, short_side: int | Sequence[int] | None = None
) -> ModelInput:
    """The batch for a detector with these settings; short_side: see prepare_images, None for that of the settings."""
    return prepare_images(
        images,
        short_side=settings.short_side if short_side is None else short_side,
        long_side=settings.long_side,
        mean=settings.mean,
        std=settings.std,
        size_divisor=SIZE_DIVISOR,
    )


def prepare_images(
    images: Sequence[Tensor],
    *,
    short_side: int | Sequence[int],
    long_side: int,
    mean: Sequence[float],
    std: Sequence[float],
    size_divisor: int,
) -> ModelInput:
    """Resize (bilinear, antialiased: body text survives), normalise and pad. images: each (3, H, W) in [0, 1].

    short_side: pixels, one for all images or one for each.
    """
    if not images:
        raise ValueError("expected at least one image, got none")
    short_sides = [short_side] * len(images) if isinstance(short_side, int) else short_side
    mean_column = torch.tensor(mean, device=images[0].device).view(3, 1, 1)
    std_column = torch.tensor(std, device=images[0].device).view(3, 1, 1)
    resized, sizes, scales = [], [], []
    for image, side in zip(images, short_sides, strict=True):
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"images need the shape (3, H, W), got {tuple(image.shape)}")
        h, w = image.shape[-2:]
        size = resized_size_hw((h, w), side, long_side)
        if size != (h, w):
            image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
        resized.append((image - mean_column) / std_column)
        sizes.append(size)
        scales.append((size[1] / w, size[0] / h))
    height = _round_up(max(h for h, _ in sizes), size_divisor)
    width = _round_up(max(w for _, w in sizes), size_divisor)
    batch = resized[0].new_zeros(len(resized), 3, height, width)
    for slot, image in zip(batch, resized, strict=True):
        slot[:, : image.shape[1], : image.shape[2]] = image
    return ModelInput(batch, sizes, scales)


def prepare_targets(targets: Sequence[Target], inputs: ModelInput, *, masks: bool) -> list[Target]:
    """Targets in the batch's frame. With `masks` and none given, a region's mask is its box."""
    prepared = []
    for target, scale_xy, size_hw in zip(targets, inputs.scales_xy, inputs.sizes_hw, strict=True):
        boxes = boxes_in_batch_frame(target.boxes.float(), scale_xy)
        outlines = None
        if masks and target.masks is not None and len(boxes):
            outlines = F.interpolate(target.masks[:, None].float(), size=size_hw)[:, 0] >= 0.5
        elif masks:
            outlines = _masks_of_boxes(boxes, size_hw)
        prepared.append(Target(boxes, target.labels, outlines, target.seed))
    return prepared


def _masks_of_boxes(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    rows = torch.arange(size_hw[0], device=boxes.device) + 0.5
    columns = torch.arange(size_hw[1], device=boxes.device) + 0.5
    inside_y = (rows >= boxes[:, 1:2]) & (rows < boxes[:, 3:4])  # (N, H)
    inside_x = (columns >= boxes[:, 0:1]) & (columns < boxes[:, 2:3])  # (N, W)
    return inside_y[:, :, None] & inside_x[:, None, :]  # (N, H, W)


def _round_up(value: int, divisor: int) -> int:
    return -(-value // divisor) * divisor
