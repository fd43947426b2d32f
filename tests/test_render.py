import time
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from handmade_pdf import Sheet, filled, make_pdf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from placed_rectangles import Placed, extent, near_colour, placed_rectangles

from layoutdeit.frame import PageFrame
from layoutdeit.geometry import pixels_to_points
from layoutdeit.limits import MAX_PIXELS
from layoutdeit.pdf import open_document
from layoutdeit.render import RenderError, RenderTimeout, picture_size, render_with_pdfium, render_with_poppler

SIDE = st.floats(0, allow_infinity=False) | st.floats(0.01, 20_000)


def test_letter_page_at_100_dpi():
    assert picture_size((612, 792), dpi=100) == (850, 1100)


@settings(deadline=None)
@given(st.tuples(SIDE, SIDE), st.floats(1, 1200), st.integers(1, MAX_PIXELS))
@example((1e300, 1e300), 100.0, MAX_PIXELS)
@example((1e300, 1e-300), 100.0, MAX_PIXELS)
@example((14_400, 14_400), 300.0, MAX_PIXELS)
def test_no_page_takes_more_pixels_than_the_cap(size_pt, dpi, max_pixels):
    width, height = picture_size(size_pt, dpi=dpi, max_pixels=max_pixels)
    assert width >= 1 and height >= 1 and width * height <= max_pixels


def test_cap_keeps_the_shape():
    width, height = picture_size((14_400, 7_200), dpi=100)
    assert width / height == pytest.approx(2, rel=0.001) and width * height > 0.99 * MAX_PIXELS


@pytest.mark.parametrize(("dpi", "max_pixels"), [(0, 10), (-1, 10), (100, 0), (float("nan"), 10)])
def test_senseless_limits_are_errors(dpi, max_pixels):
    with pytest.raises(ValueError, match="positive"):
        picture_size((612, 792), dpi=dpi, max_pixels=max_pixels)


@settings(deadline=None, max_examples=25)
@given(placed_rectangles())
@example(Placed(Sheet(filled((40, 50, 90, 70)), (0, 0, 200, 300), (20, 30, 190, 280), 90), (40, 50, 90, 70)))
def test_both_renderers_show_the_rectangle_where_the_frame_says(pdftoppm, placed):
    with open_document(make_pdf(placed.sheet)) as document:
        expected = document.frame(0).to_display([placed.rect])
        # poppler takes a crop box larger than the media box for a mistake, so such pages are pdfium's
        sure_of_poppler = "poppler" if placed.is_cropped_inside else None
        pictures = [document.render(0, renderer=name) for name in (sure_of_poppler, "pdfium")]
        size_pt = document.page_size(0)
    assert pictures[0].image.size == pictures[1].image.size == picture_size(size_pt, dpi=100)
    for picture in pictures:
        found = extent(near_colour(picture.image, (0, 0, 0), 127))
        found = pixels_to_points(found, picture.image.size, size_pt)
        np.testing.assert_allclose(found, expected, atol=1.1 * 72 / 100, err_msg=picture.renderer)  # a pixel


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_renderers_agree_on_text_pixel_by_pixel_or_nearly(pdftoppm, rotate):
    content = filled((100, 200, 300, 230)) + filled((350, 600, 400, 700), 0.5)
    with open_document(make_pdf(Sheet(content, (50, 60, 450, 760), (60, 80, 440, 750), rotate))) as document:
        a, b = (np.asarray(document.render(0, renderer=name).image, float) for name in ("poppler", "pdfium"))
    assert a.shape == b.shape and abs(a - b).mean() < 1  # of 255: edges only


def test_each_axis_has_its_own_scale():
    """A size that is not the page's shape is filled, not letterboxed: the last rows and columns are the page's."""
    sheet = Sheet(filled((0, 0, 100, 10)), (0, 0, 100, 100))
    with pdfium.PdfDocument(make_pdf(sheet)) as pdf:
        page = pdf[0]
        picture = render_with_pdfium(page, (50, 200))
        page.close()
    np.testing.assert_array_equal(extent(near_colour(picture, (0, 0, 0), 10)), [[0, 180, 50, 200]])


def test_poppler_on_what_is_no_pdf(pdftoppm, tmp_path):
    path = tmp_path / "-not a pdf.pdf"
    path.write_bytes(b"%PDF-1.6 and then nothing")
    with pytest.raises(RenderError, match="poppler"):
        render_with_poppler(path, 0, (10, 10), poppler_dir=Path(pdftoppm).parent, seconds=20)


def test_poppler_is_stopped_in_time(tmp_path):
    """Whichever of its programs hangs: here the first, which says how many pages there are."""
    for name in ("pdfinfo", "pdftoppm"):
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 20\n")
        (tmp_path / name).chmod(0o755)
    start = time.perf_counter()
    with pytest.raises(RenderTimeout, match="more than 0.3 s"):
        render_with_poppler("/dev/null", 0, (10, 10), poppler_dir=tmp_path, seconds=0.3)
    assert time.perf_counter() - start < 10


def test_absurd_page_is_drawn_small(pdftoppm):
    sheet = Sheet(filled((0, 0, 1e6, 2e6)), (0, 0, 2e6, 2e6))
    with open_document(make_pdf(sheet)) as document:
        assert document.frame(0) == PageFrame(0, 0, 2e6, 2e6)
        for name in ("poppler", "pdfium"):
            picture = document.render(0, max_pixels=10_000, renderer=name)
            assert picture.image.size == (100, 100) and picture.dpi == pytest.approx(72 * 100 / 2e6)
            assert picture.image.getpixel((10, 50)) == (0, 0, 0) and picture.image.getpixel((90, 50)) == (255, 255, 255)
