import numpy as np
import pytest
from detector_fixtures import write_tree
from PIL import Image

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.pictures import find_missing, read_image


def test_missing_pictures_are_found_by_listing_subfolders_too(tmp_path):
    root = write_tree(tmp_path)
    text = (root / "train.json").read_text().replace("page1.png", "sub/page1.png").replace("page2.png", "no/page2.png")
    (root / "train.json").write_text(text)
    (root / "train" / "sub").mkdir()
    (root / "train" / "page1.png").rename(root / "train" / "sub" / "page1.png")
    (root / "train" / "page4.png").unlink()
    annotations = read_annotations(root / "train.json")
    assert find_missing(annotations, root / "train").tolist() == [2, 4]
    with pytest.raises(FileNotFoundError, match="no folder of pictures"):
        find_missing(annotations, root / "elsewhere")


def test_pictures_of_any_mode_are_rgb(tmp_path):
    for mode in ("L", "RGBA", "P", "1"):
        Image.new(mode, (5, 3)).save(tmp_path / f"{mode}.png")
        image = read_image(tmp_path / f"{mode}.png")
        assert image.shape == (3, 5, 3) and image.dtype == np.uint8


def test_broken_pictures_are_named(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content in {"text.jpg": b"no picture", "half.jpg": whole[: len(whole) // 2], "empty.png": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read as an image"):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.jpg")
