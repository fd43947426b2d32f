import json

import numpy as np
import pytest
from image_fixtures import write_cifar_binary, write_folders
from PIL import Image

from backbone.config import ImageDataConfig
from backbone.datasets import open_images


def save_image(path, colour=(10, 200, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), colour).convert(mode).save(path)


def test_class_folders_are_those_of_torchvision(tmp_path):
    from torchvision.datasets import ImageFolder

    write_folders(tmp_path)
    save_image(tmp_path / "train" / "class1" / "deeper" / "x.JPG".lower())
    (tmp_path / "train" / "class0" / "notes.txt").touch()
    images, reference = open_images(ImageDataConfig(root=str(tmp_path)), is_train=True), None
    reference = ImageFolder(tmp_path / "train")
    assert images.class_names == tuple(reference.classes) and images.num_classes == 3
    assert {images.name(i): int(images.labels[i]) for i in range(len(images))} == dict(reference.samples)
    assert images.read(0).mode == "RGB" and images.read(0).size == (40, 36)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "1"])
def test_any_colour_mode_becomes_rgb(tmp_path, mode):
    save_image(tmp_path / "train" / "a" / ("x.jpg" if mode in ("L", "CMYK") else "x.png"), mode=mode)
    assert open_images(ImageDataConfig(root=str(tmp_path)), is_train=True).read(0).mode == "RGB"


def test_cifar_comes_as_binary_or_as_class_folders(tmp_path):
    config = ImageDataConfig(root=str(tmp_path), format="cifar10")
    pixels, labels = write_cifar_binary(tmp_path / "cifar-10-batches-bin")
    images = open_images(config, is_train=True)
    assert len(images) == 35 and images.num_classes == 10 and len(open_images(config, is_train=False)) == 7
    assert np.array_equal(np.asarray(images.read(4)), pixels[4].transpose(1, 2, 0)) and images.labels[4] == labels[4]
    assert "image 4" in images.name(4)
    folders = write_folders(tmp_path / "folders")
    (folders / "val").rename(folders / "test")
    config = ImageDataConfig(root=str(folders), format="cifar10")
    assert len(open_images(config, is_train=True)) == 24 and len(open_images(config, is_train=False)) == 15


def write_inaturalist(root, *, with_supercategory: bool):
    categories = [{"id": i, "name": f"n{i}", "genus": f"g{i // 2}"} for i in range(4)]
    (root / "categories.json").write_text(json.dumps(categories))
    for split, ids in (("train", [2, 0, 3, 2]), ("val", [3, 2])):
        rows = [{"id": n, "file_name": f"{split}_images/Aves/{c}/{n}.jpg"} for n, c in enumerate(ids)]
        labels = [{"image_id": n, "category_id": c} for n, c in enumerate(ids)]
        (root / f"{split}2018.json").write_text(json.dumps({"images": rows, "annotations": labels}))
        for row in rows:
            name = row["file_name"] if with_supercategory else row["file_name"].replace("Aves/", "")
            save_image(root / name)


@pytest.mark.parametrize("with_supercategory", [True, False])
def test_inaturalist_numbers_classes_as_the_training_file_names_them(tmp_path, with_supercategory):
    write_inaturalist(tmp_path, with_supercategory=with_supercategory)
    config = ImageDataConfig(root=str(tmp_path), format="inat2018")
    train, val = open_images(config, is_train=True), open_images(config, is_train=False)
    assert train.class_names == ("n2", "n0", "n3") and train.labels.tolist() == [0, 1, 2, 0]
    assert val.labels.tolist() == [2, 0] and val.class_names == train.class_names
    assert train.read(3).size == (12, 9)
    genus = open_images(ImageDataConfig(root=str(tmp_path), format="inat2018", category="genus"), is_train=True)
    assert genus.class_names == ("g1", "g0") and genus.labels.tolist() == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="is data.category right"):
        open_images(ImageDataConfig(root=str(tmp_path), format="inat2018", category="colour"), is_train=True)


def test_label_files_are_lines_of_path_and_label(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "train.txt").write_text("a b/0.tif 3\n\nc/1.tif 0\n")
    (tmp_path / "labels" / "val.txt").write_text("c/1.tif 1\n")
    save_image(tmp_path / "images" / "a b" / "0.tif")
    config = ImageDataConfig(
        root=str(tmp_path),
        format="list",
        train_split="labels/train.txt",
        val_split="labels/val.txt",
        images_dir="images",
    )
    images = open_images(config, is_train=True)
    assert images.labels.tolist() == [3, 0] and images.num_classes == 4 and images.read(0).size == (12, 9)
    assert open_images(config, is_train=False).num_classes == 4
    (tmp_path / "labels" / "val.txt").write_text("c/1.tif 9\n")
    with pytest.raises(ValueError, match="label 9, the training set 4 classes"):
        open_images(config, is_train=False)
    (tmp_path / "labels" / "train.txt").write_text("x.tif cat\n")
    with pytest.raises(ValueError, match="line 1: expected `path label`"):
        open_images(config, is_train=True)


def test_broken_and_missing_images_are_named(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "train" / "class0" / "0.png").write_bytes(b"no image")
    whole = (tmp_path / "train" / "class0" / "1.png").read_bytes()
    (tmp_path / "train" / "class0" / "1.png").write_bytes(whole[: len(whole) // 2])
    images = open_images(ImageDataConfig(root=str(tmp_path)), is_train=True)
    (tmp_path / "train" / "class0" / "2.png").unlink()
    for index in range(3):
        with pytest.raises(ValueError, match=f"class0/{index}.png cannot be read"):
            images.read(index)


def test_missing_data_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="data.root=DIR, or --data DIR"):
        open_images(ImageDataConfig(root=str(tmp_path / "none")), is_train=True)
    with pytest.raises(FileNotFoundError, match="expected a folder of class folders, or cifar-10-batches-py"):
        open_images(ImageDataConfig(root=str(tmp_path), format="cifar10"), is_train=True)
    with pytest.raises(FileNotFoundError, match="expected iNaturalist"):
        open_images(ImageDataConfig(root=str(tmp_path), format="inat2019"), is_train=True)
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match="no images in"):
        open_images(ImageDataConfig(root=str(tmp_path)), is_train=True)
