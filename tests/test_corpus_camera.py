"""The camera: light faults, and boxes that stay on their ink."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from layoutdeit.corpus.camera import CLEAN_SHARE, Exposure, draw_exposure, expose, jpeg_bytes, picture_boxes


def white_page_with_block() -> Image.Image:
    pixels = np.full((400, 300, 3), 255, np.uint8)
    pixels[100:140, 60:240] = 0
    return Image.fromarray(pixels)


def test_clean_exposure_leaves_the_page_alone():
    page = white_page_with_block()
    assert expose(page, Exposure(72, 90), random.Random(0)) is page


def test_boxes_scale_with_resolution_and_stay_inside():
    boxes = picture_boxes([[30, 40, 60, 80], [-5, 0, 900, 20]], Exposure(144, 90), (300, 400))
    assert boxes.tolist() == [[60, 80, 120, 160], [0, 0, 300, 40]]


@pytest.mark.parametrize("angle", [-0.7, 0.7])
def test_turned_box_holds_the_turned_ink(angle):
    exposure = Exposure(72, 90, angle=angle)
    picture = np.asarray(expose(white_page_with_block(), exposure, random.Random(0)).convert("L"))
    ys, xs = np.nonzero(picture < 128)
    (box,) = picture_boxes([[60, 100, 240, 140]], exposure, (300, 400))
    assert box == pytest.approx([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], abs=1.5)


def test_no_boxes_stay_no_boxes():
    assert picture_boxes(np.zeros((0, 4)), Exposure(100, 90, angle=0.5), (300, 400)).shape == (0, 4)


def test_faults_are_seeded_and_light():
    exposure = Exposure(72, 60, blur=0.5, noise=6, contrast=0.8, brightness=-12, paper=(0.97, 0.93, 0.85), grey=True)
    first = expose(white_page_with_block(), exposure, random.Random(5))
    assert first.tobytes() == expose(white_page_with_block(), exposure, random.Random(5)).tobytes()
    pixels = np.asarray(first.convert("L"), dtype=float)
    assert pixels[200:].mean() - pixels[105:135, 70:230].mean() > 100


def test_about_half_the_exposures_are_clean():
    rng = random.Random(1)
    exposures = [draw_exposure(rng) for _ in range(600)]
    clean = sum(e == Exposure(e.dpi, e.jpeg_quality) for e in exposures) / len(exposures)
    assert abs(clean - CLEAN_SHARE) < 0.08
    assert all(60 <= e.dpi <= 115 and 50 <= e.jpeg_quality <= 95 and abs(e.angle) <= 0.7 for e in exposures)


def test_jpeg_opens_at_its_size():
    data = jpeg_bytes(white_page_with_block(), Exposure(72, 75))
    assert Image.open(io.BytesIO(data)).size == (300, 400)
