import numpy as np
import pytest
from PIL import Image
from placed_rectangles import extent, near_colour

from layoutdeit.draw import draw_regions, place_tag
from layoutdeit.labels import LABELS, label_by_name
from layoutdeit.layout import PageError, PageLayout, Region


def white(width=600, height=800, colour="white"):
    return Image.new("RGB", (width, height), colour)


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.name)
@pytest.mark.parametrize("scale", [1, 2.5])
def test_border_is_on_the_box_at_every_scale(label, scale):
    page = PageLayout(1, 600, 800, (Region(label.name, 0.9, (100, 200, 300, 260)),))
    picture = draw_regions(white(round(600 * scale), round(800 * scale)), page, tags=False)
    found = extent(near_colour(picture, label.colour, 3))
    np.testing.assert_allclose(found, np.array([[100, 200, 300, 260]]) * scale, atol=1)


def test_axes_are_scaled_apart():
    page = PageLayout(1, 600, 800, (Region("text", 0.9, (100, 200, 300, 260)),))
    picture = draw_regions(white(300, 1600), page, tags=False)
    found = extent(near_colour(picture, label_by_name("text").colour, 3))
    np.testing.assert_allclose(found, [[50, 400, 150, 520]], atol=1)


def test_fill_lets_the_page_through():
    page = PageLayout(1, 600, 800, (Region("figure", 0.9, (100, 100, 300, 300)),))
    on_white, on_black = draw_regions(white(), page), draw_regions(white(colour="black"), page)
    assert min(on_white.getpixel((200, 200))) > 200 and max(on_black.getpixel((200, 200))) < 50
    assert on_white.getpixel((200, 200)) != (255, 255, 255)
    assert on_white.getpixel((400, 400)) == (255, 255, 255)


def test_tag_stands_on_the_box_and_fits_the_page():
    page = PageLayout(1, 600, 800, (Region("title", 0.93, (100, 200, 300, 260)), Region("list", 1.0, (0, 0, 8, 8))))
    changed = extent(~near_colour(draw_regions(white(), page), (255, 255, 255), 5))
    assert changed[0, 0] == 0 and changed[0, 1] == 0
    only_first = draw_regions(white(), PageLayout(1, 600, 800, page.regions[:1]))
    x0, y0, x1, y1 = extent(~near_colour(only_first, (255, 255, 255), 5))[0]
    assert (x0, x1, y1) == (100, 300, 260) and 185 <= y0 < 195


def test_place_tag():
    assert place_tag((100, 50, 300, 90), (40, 10), (600, 800)) == (260, 40, 300, 50)
    assert place_tag((100, 4, 300, 90), (40, 10), (600, 800)) == (260, 4, 300, 14)  # no room above
    assert place_tag((0, 50, 20, 90), (40, 10), (600, 800)) == (0, 40, 40, 50)  # narrower than its tag
    assert place_tag((595, 50, 640, 90), (40, 10), (600, 800)) == (560, 40, 600, 50)


def test_the_given_picture_stays_as_it_was():
    given = white()
    draw_regions(given, PageLayout(1, 600, 800, (Region("text", 0.9, (0, 0, 600, 800)),)))
    assert given.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_pictures_of_other_modes_become_rgb(mode):
    assert draw_regions(white().convert(mode), PageLayout(1, 600, 800)).mode == "RGB"


def test_page_without_regions_is_its_picture():
    empty = draw_regions(white(), PageLayout(1, 0, 0, error=PageError("render", "damaged.")))
    assert empty.tobytes() == white().tobytes()


def test_degenerate_boxes_and_tiny_pictures_do_not_fail():
    page = PageLayout(
        1, 600, 800, (Region("text", 0.9, (10, 10, 10, 10)), Region("text", 0.9, (599.9, 799.9, 600, 800)))
    )
    assert draw_regions(white(), page).size == (600, 800)
    assert draw_regions(white(1, 1), page).size == (1, 1)
