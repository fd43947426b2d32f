"""Pages as if printed in black on white and lit evenly: shadows, dim scans and negatives made like other pages.

A detector trained on white pages finds little under a shadow and nothing on grey paper or a dark background, and what
is ink cannot be told by one threshold there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Grey levels of 255.
DARK = 110  # a darker ground with brighter print is a negative
DIM, DARKEST, WHITE = 190, 40, 245  # grey paper is made white; darker than the second it is no paper
PRINT = 45  # by which print differs from its ground
FLAT, MIN_FLAT = 20, 0.5  # from the middle of a page's pixels, and how many of them lie so close to it

PAPER_PERCENTILE = 80  # of the grey levels of a page, or a square of it: most of it is paper
SQUARE = 1 / 12  # of the page's short side, the squares in which paper is looked for
MIN_SIDE, MIN_SQUARES = 8, 20  # of a square in pixels looked at, and squares; fewer tell no shadow
EVEN = 25  # grey levels of 255 by which the paper of an evenly lit page differs from end to end
NEAR_PAPER = 20  # grey levels from the light as it is thought to fall, within which a square is paper
MIN_PAPER = 0.5  # of the squares, that must be paper, or the page is taken as evenly lit
PLANS = ((1, 1, 1, 2), (2, 2, 2, 2))  # degrees of the light, one after the other: from a side; from both, as at a fold


def even_light(image: Tensor) -> Tensor:
    """A page picture (3, H, W) in 0..1, dark on white and evenly lit; itself where it is so already."""
    return _brightened(_without_shadow(_positive(image)))


def _positive(image: Tensor) -> Tensor:
    """Its negative where a page is a flat dark ground, with bright print or nothing on it."""
    grey = _thin(image).mean(axis=0)
    ground = np.median(grey)
    is_negative = ground < DARK and (grey > ground + PRINT).sum() >= (grey < ground - PRINT).sum()
    return 1 - image if is_negative and _is_flat(grey, ground) else image


def _brightened(image: Tensor) -> Tensor:
    """With its paper made white where that is flat and grey; coloured paper is bright in one of its colours."""
    grey = _thin(image).max(axis=0)
    ground = np.median(grey)
    return (image * (WHITE / ground)).clamp_(max=1) if DARKEST < ground < DIM and _is_flat(grey, ground) else image


def _without_shadow(image: Tensor) -> Tensor:
    light = find_light((image.amin(dim=0) * 255).byte().cpu().numpy())
    if light is None:
        return image
    gain = torch.from_numpy(light.max() / light).to(image)
    return (image * gain).clamp_(max=1)


def _thin(image: Tensor) -> np.ndarray:
    """Every fourth pixel of a picture (3, H, W) across and down, in grey levels of 255."""
    return (image[:, ::4, ::4] * 255).cpu().numpy()


def _is_flat(grey: np.ndarray, ground: float) -> bool:
    """Whether most of a page is of one brightness, and its margins too: paper, and no picture on it."""
    is_ground = np.abs(grey - ground) < FLAT
    margins = np.concatenate([is_ground[[0, -1]].ravel(), is_ground[:, [0, -1]].ravel()])
    return bool(min(is_ground.mean(), margins.mean()) >= MIN_FLAT)


def find_light(darkest: np.ndarray) -> np.ndarray | None:
    """How bright paper is at each pixel of a page (H, W) uint8, as (H, W) float32; None on an evenly lit page.

    A parabola through the brightness of squares, without those that are dark for another reason, as pictures are.
    """
    thin = darkest[::2, ::2]
    height, width = thin.shape
    side = round(SQUARE * min(height, width))
    num_down, num_across = height // max(1, side), width // max(1, side)
    if side < MIN_SIDE or num_down * num_across < MIN_SQUARES:
        return None
    squares = thin[: num_down * side, : num_across * side].reshape(num_down, side, num_across, side)
    levels = np.percentile(squares, PAPER_PERCENTILE, axis=(1, 3)).ravel()  # (S,)
    y, x = (np.mgrid[:num_down, :num_across].reshape(2, -1) + 0.5) * side / np.array([[height], [width]])
    is_near = np.abs(levels - np.percentile(levels, PAPER_PERCENTILE)) < NEAR_PAPER
    weights, is_paper = max((_follow(x, y, levels, is_near, plan) for plan in PLANS), key=lambda found: found[1].sum())
    if is_paper.mean() < MIN_PAPER:
        return None
    on_paper = (_terms(x, y, 2) @ weights)[is_paper]
    if np.ptp(on_paper) < EVEN or on_paper.min() < DARKEST:  # nearly black: what it is divided by
        return None
    down, across = ((np.arange(size) + 0.5) / size for size in darkest.shape)
    a, b, c, d, e, f = weights  # of 1, x, y, xx, xy, yy
    surface = (a + c * down + f * down**2)[:, None] + (b * across + d * across**2)[None] + e * np.outer(down, across)
    return np.clip(surface, on_paper.min(), on_paper.max()).astype(np.float32)


def _follow(
    x: np.ndarray, y: np.ndarray, levels: np.ndarray, is_paper: np.ndarray, degrees: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (6,) of the light over squares (S,) and which of them are paper, from those that surely are outwards."""
    weights = np.zeros(6)
    for degree in degrees:
        if is_paper.sum() < MIN_PAPER / 2 * len(levels):
            return weights, np.zeros_like(is_paper)
        terms = _terms(x, y, degree)
        weights = np.linalg.lstsq(terms[is_paper], levels[is_paper], rcond=None)[0]
        is_paper = np.abs(levels - terms @ weights) < NEAR_PAPER
    return weights, is_paper


def _terms(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """(S, 3) of a plane, (S, 6) of a paraboloid."""
    terms = [np.ones_like(x), x, y]
    return np.stack(terms if degree == 1 else [*terms, x * x, x * y, y * y], axis=1)
