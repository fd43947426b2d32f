"""Shadows are found and taken off, pictures on the page are no shadows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from source_tree import ROOT

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.even_light import even_light, find_light
from layoutdeit.geometry import iou
from layoutdeit.ink import find_ink
from layoutdeit.layout import PageLayout
from layoutdeit.pdf import open_document


def paper(height: int = 800, width: int = 600, level: int = 250) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def printed() -> np.ndarray:
    """Twenty lines of words, and a dark photograph over a quarter of the page."""
    picture = paper()
    for top in range(60, 760, 35):
        for left in range(40, 540, 60):
            picture[top : top + 9, left : left + 45] = 30
    picture[420:760, 320:580] = 90
    return picture


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("darkest", [0.8, 0.55])
@pytest.mark.parametrize("side", ["below", "corner", "fold"])
def test_a_shadow_is_taken_off_and_the_print_stays(side, darkest):
    down, across = np.mgrid[0:1:800j, 0:1:600j]
    depth = {"below": down, "corner": (across + down) / 2, "fold": (2 * across - 1) ** 2}[side]
    light = 1 - (1 - darkest) * depth
    shaded = (printed() * light[..., None]).astype(np.uint8)
    found = find_light(shaded.min(axis=2))
    assert np.abs(found - 250 * light).mean() < 6 and np.abs(found - 250 * light).max() < 25
    even = even_light(tensor(shaded))
    assert (even.amax() <= 1) and torch.quantile((even - tensor(printed())).abs()[:, ::4, ::4].flatten(), 0.99) < 0.1
    as_shown = (even * 255).byte().permute(1, 2, 0).numpy()
    assert np.array_equal(find_ink(as_shown).along_x, find_ink(printed()).along_x)


def test_negatives_and_grey_paper_become_dark_on_white():
    page = tensor(printed())
    assert torch.equal(even_light(1 - page), 1 - (1 - page))
    dim = even_light(0.5 * page)
    assert torch.allclose(dim[:, 0, 0], torch.tensor(245 / 255), atol=0.01) and dim[:, 64, 60].max() < 0.15
    assert even_light(tensor(paper(level=20))).min() > 0.9, "a blank slide"
    both = even_light(1 - 0.6 * page - 0.4)  # a negative whose ground is black, its print grey
    assert both[:, 0, 0].min() > 0.9 and both[:, 64, 60].max() < 0.5


def test_pages_dark_on_white_stay_as_they_are_whatever_is_on_them():
    photograph = paper()
    photograph[100:760, 30:570] = 60  # most of the page
    half = paper()
    half[:, 300:] = np.linspace(250, 30, 300, dtype=np.uint8)[None, :, None]  # a picture of a gradient
    noise = np.random.default_rng(0).integers(0, 200, (800, 600, 1), dtype=np.uint8).repeat(3, axis=2)  # a photograph
    coloured = paper() * np.array([1, 0.7, 0.4])
    pictures = (paper(), printed(), paper(4, 4), paper(800, 30), photograph, half, noise, coloured)
    for picture in pictures:
        image = tensor(picture.astype(np.uint8))
        assert even_light(image) is image


@pytest.mark.parametrize("high", [120, 250])
def test_what_brightens_from_black_is_a_picture_and_no_shadow(high):
    """Its light would be what is divided by, nought and less."""
    fall = np.linspace(0, high, 800).astype(np.uint8)[:, None, None]
    image = tensor(np.broadcast_to(fall, (800, 600, 3)).copy())
    assert even_light(image) is image


@pytest.fixture(scope="module")
def sample() -> tuple[LayoutAnalyzer, Image.Image, PageLayout]:
    """The shipped model, a page of the sample paper, and what is found on it."""
    analyzer = LayoutAnalyzer()
    with open_document(ROOT / "layoutdeit" / "assets" / "sample.pdf") as document:
        picture = document.render(0).image
    return analyzer, picture, analyzer.analyze_image(picture)


@pytest.mark.parametrize("light", ["shadow", "dim", "negative"])
def test_the_shipped_model_finds_the_same_in_bad_light(light, sample):
    analyzer, picture, wanted = sample
    pixels = np.asarray(picture).astype(np.float64)
    fall = 1 - 0.45 * np.linspace(0, 1, pixels.shape[0])[:, None, None]
    changed = {"shadow": pixels * fall, "dim": 0.5 * pixels, "negative": 255 - pixels}[light]
    found = analyzer.analyze_image(Image.fromarray(changed.astype(np.uint8)))
    assert len(wanted.regions) > 5
    overlaps = iou(*(np.array([region.box for region in page.regions]) for page in (wanted, found)))
    assert (overlaps.max(axis=1) > 0.8).mean() >= 0.8
