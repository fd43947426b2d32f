"""One page is seen alike by analyses, training and evaluation, whatever file it is stored in."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from layoutdeit.pdf import open_document
from layoutdeit.pictures import read_image
from layoutdeit.upright_picture import EXIF_ORIENTATION, ORIENTATIONS, TURNED, is_turned, rgb_on_white, upright


def page_picture() -> Image.Image:
    """40 x 60 px: black in its upper left, grey in its lower right quarter."""
    grey = np.full((60, 40), 255, np.uint8)
    grey[:30, :20], grey[30:, 20:] = 0, 128
    return Image.fromarray(grey)


def stored_pictures() -> dict[str, bytes]:
    """The same page in files that readers take differently."""
    page = page_picture()
    deep = Image.fromarray(np.asarray(page).astype(np.uint16) * 257)
    clear = Image.new("RGBA", page.size, (0, 0, 0, 0))
    clear.paste(page.convert("RGBA"), mask=page.point(lambda value: 255 * (value < 255)))
    palette = page.convert("P")
    files = {"deep.png": deep, "deep.tiff": deep, "clear.png": clear, "grey.png": page, "palette.png": palette}
    saved = {name: encoded(picture, name) for name, picture in files.items()}
    for orientation, turn in ORIENTATIONS.items():
        back = {
            Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
            Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        }
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        saved[f"turned{orientation}.png"] = encoded(page.transpose(back.get(turn, turn)), "x.png", exif=exif)
    return saved


def encoded(picture: Image.Image, name: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, name.rpartition(".")[2].upper(), **options)
    return file.getvalue()


@pytest.mark.parametrize("name", stored_pictures())
def test_training_and_analysis_see_the_page_as_people_do(name, tmp_path):
    (tmp_path / name).write_bytes(data := stored_pictures()[name])
    trained = read_image(tmp_path / name)
    with open_document(data, name=name) as document:
        analysed = np.asarray(document.render(0).image)
    assert np.array_equal(trained, analysed)
    np.testing.assert_allclose(trained, np.asarray(page_picture().convert("RGB")), atol=1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_annotations_of_the_pixels_as_stored_keep_them_so(orientation, tmp_path):
    data = stored_pictures()[f"turned{orientation}.png"]
    (tmp_path / "page.png").write_bytes(data)
    with Image.open(tmp_path / "page.png") as image:
        stored, lies = np.asarray(image.convert("RGB")), is_turned(image)
    assert lies == (orientation in TURNED)
    for size_wh in [(60, 40), (40, 60)]:
        seen = read_image(tmp_path / "page.png", size_wh)
        as_stored = lies and size_wh == (60, 40)
        assert np.array_equal(seen, stored if as_stored else read_image(tmp_path / "page.png"))


def test_pictures_in_memory_are_flattened_and_not_turned():
    with Image.open(BytesIO(stored_pictures()["turned6.png"])) as image:
        assert rgb_on_white(image).size == (60, 40) and upright(image).size == (40, 60)
    with Image.open(BytesIO(stored_pictures()["clear.png"])) as image:
        assert rgb_on_white(image).getpixel((35, 5)) == (255, 255, 255)
