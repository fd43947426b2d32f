"""What the backbone looks at: where on a page the tokens of a DeiT, or those of a region, attend to.

The weights of one block, averaged over its heads. They say where information was fetched from, not why.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from layoutdeit.engines.base import Detector
from layoutdeit.engines.preprocess import page_input

CLASS, DISTILLATION = "class token", "distillation token"
DARKEST = 0.12  # what is left of a page's brightness where nothing is attended to
BRIGHT_SHARE = 0.99  # quantile of the weights that is shown in full: a single patch often outshines all others
Box = tuple[float, float, float, float]


def token_names(detector: Detector) -> tuple[str, ...]:
    """The prefix tokens that the detector's backbone has."""
    return (CLASS, DISTILLATION) if detector.backbone.dimensions.distilled else (CLASS,)


@torch.inference_mode()
def attention_map(detector: Detector, image: Tensor, source: str | Box, *, block: int | None = None) -> np.ndarray:
    """Where a token of `token_names`, or the patches of a box, attend to in a block, by default the last one.

    image (3, H, W), RGB in [0, 1]; a box is xyxy in its pixels. -> (rows, columns) of the patches on the page, summing
    to 1 at most: the rest went to prefix tokens and to the padding. ValueError for an unknown token or block.
    """
    vit, settings = detector.backbone, detector.config.input
    inputs = page_input([image.to(vit.cls_token.device)], settings)
    patch, num_prefix = vit.dimensions.patch_size, vit.dimensions.num_prefix_tokens
    rows, columns = (side // patch for side in inputs.images.shape[-2:])
    if isinstance(source, str):
        if source not in token_names(detector):
            raise ValueError(f"no {source!r} here: the backbone has {', '.join(token_names(detector))}")
        queries = [token_names(detector).index(source)]
    else:
        queries = [num_prefix + index for index in _patches_in(source, inputs.scales_xy[0], patch, (rows, columns))]
    was_training = vit.training
    vit.eval()
    try:
        index = len(vit.blocks) - 1 if block is None else block
        with detector.arithmetic():
            weights = vit.attention_weights(inputs.images, index, torch.tensor(queries, device=inputs.images.device))
    finally:
        vit.train(was_training)
    grid = weights.float().mean(dim=(0, 1, 2))[num_prefix:].reshape(rows, columns)  # (1, h, R, N) -> (rows, columns)
    height, width = inputs.sizes_hw[0]
    return grid[: -(-height // patch), : -(-width // patch)].cpu().numpy()


def _patches_in(box: Box, scale_xy: tuple[float, float], patch: int, grid_hw: tuple[int, int]) -> Sequence[int]:
    """Indices of the patches that a box covers, at least one, by rows."""
    (first_column, last_column), (first_row, last_row) = (
        (min(int(box[axis] * scale / patch), count - 1), min(int(box[axis + 2] * scale / patch), count - 1))
        for axis, scale, count in ((0, scale_xy[0], grid_hw[1]), (1, scale_xy[1], grid_hw[0]))
    )
    return [
        row * grid_hw[1] + column
        for row in range(max(first_row, 0), last_row + 1)
        for column in range(max(first_column, 0), last_column + 1)
    ]


def draw_attention(picture: Image.Image, weights: np.ndarray) -> Image.Image:
    """The page as the backbone looks at it, bright where it attends most. weights (rows, columns): an attention map."""
    brightest = np.quantile(weights, BRIGHT_SHARE)
    share = np.clip(weights / brightest, 0, 1) if brightest > 0 else np.zeros_like(weights)
    light = Image.fromarray((255 * (DARKEST + (1 - DARKEST) * share)).astype(np.uint8))
    light = light.resize(picture.size, Image.Resampling.BICUBIC)
    return Image.composite(picture.convert("RGB"), Image.new("RGB", picture.size), light)
