import sys

import pytest
from image_fixtures import write_folders

from backbone.loading_speed import find_images, loading_speed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("images"), num_classes=2, train=2, val=1)


def test_images_are_found_at_any_depth(folder, tmp_path):
    images = find_images(folder)
    assert len(images) == 6 and images.read(0).mode == "RGB"
    assert len(find_images(folder / "val" / "class1")) == 1
    with pytest.raises(FileNotFoundError, match="give --data a folder of images"):
        find_images(folder / "none")
    with pytest.raises(ValueError, match="no images in"):
        find_images(tmp_path)


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_few_images_go_round(folder, is_training, workers):
    images = find_images(folder)
    speed = loading_speed(images, is_training=is_training, workers=workers, batch_size=4, seconds=0, size_px=32)
    assert speed > 0


def test_an_unreadable_image_and_a_missing_package_are_said(folder, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="a.png cannot be read as an image"):
        loading_speed(find_images(tmp_path), is_training=False, workers=0, batch_size=1, seconds=0)
    monkeypatch.setitem(sys.modules, "timm.data.transforms_factory", None)
    with pytest.raises(ImportError, match="needs timm"):
        loading_speed(find_images(folder), is_training=True, workers=0, batch_size=1, seconds=0)
