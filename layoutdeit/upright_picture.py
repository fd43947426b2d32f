"""A stored picture as people see it: upright, RGB on white, deep greys brought to 8 bits. Pillow only.

Analyses, training and evaluation read pictures through it, so that a model sees one page alike everywhere.
"""

from __future__ import annotations

from PIL import Image

EXIF_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # EXIF orientations that lie on their side


def _orientation(image: Image.Image) -> int | None:
    """How the stored picture must be turned to be shown; None for TIFF, which Pillow measures and decodes upright."""
    return None if image.format == "TIFF" else image.getexif().get(EXIF_ORIENTATION)


def is_turned(image: Image.Image) -> bool:
    """Whether the picture is stored lying on its side: width and height change places when it is shown."""
    return _orientation(image) in TURNED


def upright(image: Image.Image, size_px: tuple[int, int] | None = None) -> Image.Image:
    """The picture as displayed, RGB on white, of `size_px` (width, height); None: of its own size.

    Raises what Pillow raises on damaged files.
    """
    turn = ORIENTATIONS.get(_orientation(image))
    if size_px is None:
        picture = _smooth(image)
    else:
        stored = size_px[::-1] if is_turned(image) else size_px
        image.draft("RGB", stored)  # a JPEG is decoded no larger than need be
        picture = _smooth(image)
        if picture.size != stored:  # before colours are converted: a large scan would take its memory several times
            picture = picture.resize(stored, Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture = _flat(picture)
    return picture.transpose(turn) if turn is not None else picture


def rgb_on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB as it is stored, not turned: see-through parts white, greys of 16 or 32 bits scaled to 8."""
    return _flat(_smooth(image))


def _flat(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA"):
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert("RGB")


def _smooth(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be resized smoothly, greys of 16 or 32 bits brought to 8 and not cut off."""
    if image.mode.startswith("I;16"):
        image = image.convert("I")
    if image.mode in ("I", "F"):
        high = max(image.getextrema()[1], 1)
        white = 255 if high <= 255 else 65535 if high <= 65535 else high
        return image.point(lambda value: value * (255 / white) + 0).convert("L")
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert({"1": "L", "P": "RGB", "PA": "RGBA"}.get(image.mode, image.mode))


ORIENTATIONS = {  # EXIF 2.32, tag 0x0112
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
