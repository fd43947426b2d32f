"""CIFAR files without unpickling. The test writes pickles as the authors' are written; only tests may import pickle."""

import pickle

import numpy as np
import pytest
from image_fixtures import write_cifar_binary

from backbone.cifar import find_cifar, read_cifar


def write_cifar100_python(folder, num_images: int, protocol: int):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, size=(num_images, 3072), dtype=np.uint8)
    labels = rng.integers(0, 100, size=num_images).tolist()
    content = {
        "filenames": [f"{index}.png" for index in range(num_images)],
        "batch_label": "training batch 1 of 1",
        "fine_labels": labels,
        "coarse_labels": [label // 5 for label in labels],
        "data": data,
    }
    for name in ("train", "test"):
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    names = {"fine_label_names": ["apple", "bear"], "coarse_label_names": ["fruit"]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=protocol))
    return data, labels


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("num_images", [1, 300])
def test_python_version_is_read_as_a_pickle_would(tmp_path, protocol, num_images):
    data, labels = write_cifar100_python(tmp_path / "cifar-100-python", num_images, protocol)
    version, folder = find_cifar("cifar100", tmp_path)
    pixels, read_labels, names = read_cifar(version, folder, is_train=True)
    assert np.array_equal(pixels, data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    assert read_labels.tolist() == labels and names == ("apple", "bear")


def test_python_2_pickles_with_short_strings_are_read(tmp_path):
    """As the authors' files: SHORT_BINSTRING keys and a BINSTRING of pixels, which Python 3 no longer writes."""
    pixels = np.random.default_rng(3).integers(0, 256, size=(2, 3072), dtype=np.uint8)
    raw = pixels.tobytes()
    numbers = b"(K\x07K\x09e"  # MARK 7 9 APPENDS
    stream = b"\x80\x02}q\x01(U\x04dataq\x02T" + len(raw).to_bytes(4, "little") + raw
    stream += b"U\x06labelsq\x03]q\x04" + numbers + b"u."
    assert pickle.loads(stream, encoding="latin-1") == {"data": raw.decode("latin-1"), "labels": [7, 9]}
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(stream)
    version, folder = find_cifar("cifar10", tmp_path)
    read, labels, names = read_cifar(version, folder, is_train=False)
    assert np.array_equal(read, pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    assert labels.tolist() == [7, 9] and names == ()


def test_code_in_a_pickle_does_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "attacked"), "w"))

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(pickle.dumps({"data": Attack(), "fine_labels": [1]}))
    version, folder = find_cifar("cifar100", tmp_path)
    with pytest.raises(ValueError, match="bytes of pixels for 1 labels"):
        read_cifar(version, folder, is_train=True)
    assert not (tmp_path / "attacked").exists()


def test_binary_version_is_read(tmp_path):
    pixels, labels = write_cifar_binary(tmp_path / "cifar-10-batches-bin")
    version, folder = find_cifar("cifar10", tmp_path)
    read, read_labels, _ = read_cifar(version, folder, is_train=True)
    assert np.array_equal(read, pixels.transpose(0, 2, 3, 1)) and np.array_equal(read_labels, labels)


def test_cut_or_absent_files_are_named(tmp_path):
    assert find_cifar("cifar10", tmp_path) is None
    folder = tmp_path / "cifar-10-batches-bin"
    write_cifar_binary(folder)
    (folder / "data_batch_3.bin").write_bytes(b"12345")
    version, _ = find_cifar("cifar10", folder)
    with pytest.raises(ValueError, match=r"data_batch_3\.bin has 5 bytes"):
        read_cifar(version, folder, is_train=True)
    (folder / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks test_batch\.bin"):
        read_cifar(version, folder, is_train=False)
    write_cifar100_python(tmp_path / "cifar-100-python", 3, 2)
    path = tmp_path / "cifar-100-python" / "train"
    path.write_bytes(path.read_bytes()[:500])
    version, folder = find_cifar("cifar100", tmp_path)
    with pytest.raises(ValueError, match="not a whole CIFAR batch"):
        read_cifar(version, folder, is_train=True)
