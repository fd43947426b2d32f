from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from layoutdeit.annotate import annotate_pdf
from layoutdeit.layout import DocumentLayout, ModelInfo, PageLayout, Region, SourceInfo
from layoutdeit.pdf import open_document
from layoutdeit.pdf_error import PdfError
from layoutdeit.upright_picture import EXIF_ORIENTATION


def picture(size=(200, 300), mode="RGB") -> Image.Image:
    """White paper, a black block at (20, 30, 120, 80)."""
    image = Image.new("L", size, 255)
    image.paste(0, (20, 30, 120, 80))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_scan_is_a_document_of_its_pixels(kind):
    with open_document(saved(picture(), kind), name="scan") as document:
        assert document.num_pages == 1 and document.page_size(0) == (200, 300) and document.words(0) == ()
        shown = document.render(0)
        assert (shown.renderer, shown.image.size, shown.image.mode) == ("pillow", (200, 300), "RGB")
        pixels = np.asarray(shown.image, int)
    assert abs(pixels - np.asarray(picture(), int)).max() < 40  # JPEG


def test_resolution_of_the_file_makes_points():
    for kind in ("PNG", "TIFF", "JPEG"):
        with open_document(saved(picture((850, 1100)), kind, dpi=(200, 100))) as document:
            assert document.page_size(0) == pytest.approx((306, 792), rel=1e-3)
            assert document.render(0, dpi=50).image.size == pytest.approx((212, 550), abs=1)


@pytest.mark.parametrize("dpi", [(1, 1), (0, 0), (100_000, 100_000)])
def test_incredible_resolution_is_not_believed(dpi):
    with open_document(saved(picture(), "TIFF", dpi=dpi)) as document:
        assert document.page_size(0) == (200, 300)


def test_tiff_has_a_page_per_frame():
    pages = [picture((100 + 10 * n, 300), mode) for n, mode in enumerate(("1", "L", "RGB", "CMYK"))]
    with open_document(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])) as document:
        assert document.num_pages == 4
        for index in (3, 0, 2, 1):
            assert document.page_size(index) == (100 + 10 * index, 300)
            image = document.render(index).image
            assert image.getpixel((50, 50)) == pytest.approx((0, 0, 0), abs=60)
            assert image.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_of_a_photograph_is_applied(kind):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # shown, it is turned a quarter clockwise
    with open_document(saved(picture(), kind, exif=exif)) as document:
        assert document.page_size(0) == (300, 200)
        for _ in range(2):  # a TIFF is decoded once
            image = document.render(0).image
            assert image.size == (300, 200) and image.getpixel((245, 70))[0] < 60 and image.getpixel((10, 10))[0] > 200


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_deep_greys_are_brought_to_eight_bits(mode):
    image = Image.fromarray(np.full((40, 30), 32768, np.uint16 if mode == "I;16" else np.int32))
    with open_document(saved(image, "TIFF")) as document:
        assert document.render(0).image.getpixel((5, 5)) == pytest.approx((128,) * 3, abs=1)


def test_transparent_paper_is_white():
    with open_document(saved(Image.new("RGBA", (30, 40), (0, 0, 0, 0)), "PNG")) as document:
        assert document.render(0).image.getextrema() == ((255, 255),) * 3


def test_frames_that_are_no_pages_are_one_page():
    frames = [picture(), picture()]
    with open_document(saved(frames[0], "PNG", save_all=True, append_images=frames[1:])) as document:
        assert document.num_pages == 1


def test_damaged_frame_does_not_cost_the_others():
    data = bytearray(saved(picture(), "PNG"))
    data[60:80] = bytes(20)
    with open_document(bytes(data)) as document:
        with pytest.raises(PdfError) as caught:
            document.render(0)
        assert caught.value.code == "render"
    with pytest.raises(PdfError) as caught:
        open_document(saved(picture(), "PNG")[:20])
    assert caught.value.code == "corrupt"


def test_annotated_scan_is_a_pdf_of_its_size():
    pages = [picture((850, 1100)), picture((400, 200))]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], dpi=(200, 100))
    with open_document(data, name="scan.tif") as document:
        sizes = [document.page_size(index) for index in range(2)]
        region = Region("figure", 0.9, (20, 20, 60, 60))
        source = SourceInfo(document.name, document.sha256, 2)
        page = PageLayout(2, *sizes[1], (region,))
        file = BytesIO()
        annotate_pdf(document, DocumentLayout(source, ModelInfo("none", "", "none"), (page,)), file)
    with open_document(file.getvalue()) as document:
        np.testing.assert_allclose([document.page_size(index) for index in range(2)], sizes, atol=0.5)
        assert document.render(1).image.getpixel((3, 3)) == (255, 255, 255)
