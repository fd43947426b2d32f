"""CIFAR-10 and CIFAR-100 as their authors ship them, the Python and the binary version, read without unpickling.

The Python version's files are pickles, which could run code. `pickletools` only takes their stream of opcodes apart,
and the pixels, labels and names lie in it as plain strings and numbers. Source: cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIDE_PX = 32
_IMAGE_BYTES = 3 * SIDE_PX * SIDE_PX
_INTEGERS = ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1")


@dataclass(frozen=True)
class CifarFormat:
    """Where one version of one data set keeps its parts, below the folder `folder`."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str  # file of class names
    label: str = ""  # Python version: key of the labels in a batch
    names_key: str = ""  # Python version: key of the names
    label_bytes: int = 0  # binary version: bytes before an image's pixels, of which the last is the label


CIFAR_FORMATS = {
    "cifar10": (
        CifarFormat(
            folder="cifar-10-batches-py",
            train=tuple(f"data_batch_{part}" for part in range(1, 6)),
            test=("test_batch",),
            names="batches.meta",
            label="labels",
            names_key="label_names",
        ),
        CifarFormat(
            folder="cifar-10-batches-bin",
            train=tuple(f"data_batch_{part}.bin" for part in range(1, 6)),
            test=("test_batch.bin",),
            names="batches.meta.txt",
            label_bytes=1,
        ),
    ),
    "cifar100": (
        CifarFormat(
            folder="cifar-100-python",
            train=("train",),
            test=("test",),
            names="meta",
            label="fine_labels",
            names_key="fine_label_names",
        ),
        CifarFormat(
            folder="cifar-100-binary",
            train=("train.bin",),
            test=("test.bin",),
            names="fine_label_names.txt",
            label_bytes=2,
        ),
    ),
}


def find_cifar(name: str, root: Path) -> tuple[CifarFormat, Path] | None:
    """The version of `name` ("cifar10", "cifar100") at or below `root`, and its folder; None where there is none."""
    for version in CIFAR_FORMATS[name]:
        for folder in (root / version.folder, root):
            if (folder / version.train[0]).is_file():
                return version, folder
    return None


def read_cifar(version: CifarFormat, folder: Path, *, is_train: bool) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pixels (N, 32, 32, 3) uint8, labels (N,), class names. FileNotFoundError or ValueError name a broken file."""
    pixels, labels = [], []
    for name in version.train if is_train else version.test:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} lacks {name}: fetch {version.folder} again")
        part = _read_binary(folder / name, version) if version.label_bytes else _read_python(folder / name, version)
        pixels.append(part[0])
        labels.append(part[1])
    images = (
        np.concatenate(pixels).reshape(-1, 3, SIDE_PX, SIDE_PX).transpose(0, 2, 3, 1)
    )  # (N, 3, H, W) -> (N, H, W, 3)
    return np.ascontiguousarray(images), np.concatenate(labels), _read_names(folder / version.names, version)


def _read_binary(path: Path, version: CifarFormat) -> tuple[np.ndarray, np.ndarray]:
    content = np.fromfile(path, dtype=np.uint8)
    row = version.label_bytes + _IMAGE_BYTES
    if not len(content) or len(content) % row:
        raise ValueError(f"{path} has {len(content)} bytes, not a multiple of {row}: fetch it again")
    rows = content.reshape(-1, row)
    return rows[:, version.label_bytes :], rows[:, version.label_bytes - 1].astype(np.int64)


def _read_python(path: Path, version: CifarFormat) -> tuple[np.ndarray, np.ndarray]:
    values = _read_strings(path, {version.label, "data"})
    labels = np.array([value for value in values[version.label] if isinstance(value, int)], dtype=np.int64)
    pixels = max((_as_bytes(value) for value in values["data"] if isinstance(value, str | bytes)), key=len, default=b"")
    if not len(labels) or len(pixels) != len(labels) * _IMAGE_BYTES:
        raise ValueError(
            f"{path} has {len(pixels)} bytes of pixels for {len(labels)} labels {version.label!r}, expected "
            f"{_IMAGE_BYTES} each: fetch {version.folder} again"
        )
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, _IMAGE_BYTES), labels


def _read_names(path: Path, version: CifarFormat) -> tuple[str, ...]:
    """Class names, or none where their file is absent: they only label reports."""
    if not path.is_file():
        return ()
    if version.label_bytes:
        return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line)
    values = _read_strings(path, {version.names_key})[version.names_key]
    return tuple(_as_bytes(value).decode() for value in values if isinstance(value, str | bytes))


def _read_strings(path: Path, keys: set[str]) -> dict[str, list[int | str | bytes]]:
    """The numbers and strings that stand after each of `keys` and before the next known key of a CIFAR pickle."""
    known = {"data", "labels", "fine_labels", "coarse_labels", "batch_label", "filenames", "num_cases_per_batch"}
    known |= {"label_names", "fine_label_names", "coarse_label_names", "num_vis"}
    found: dict[str, list[int | str | bytes]] = {key: [] for key in keys}
    key = ""
    try:
        with path.open("rb") as file:
            for opcode, value, _ in pickletools.genops(file):
                if isinstance(value, str | bytes) and opcode.name != "GLOBAL":
                    text = value.decode("latin-1") if isinstance(value, bytes) else value
                    if text in known:
                        key = text
                        continue
                elif opcode.name not in _INTEGERS:
                    continue
                if key in keys:
                    found[key].append(value)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a whole CIFAR batch ({error}): fetch it again") from error
    return found


def _as_bytes(value: str | bytes) -> bytes:
    """Python 2 wrote pixels as a string, which pickletools shows as Latin-1, one character per byte."""
    return value if isinstance(value, bytes) else value.encode("latin-1", errors="replace")
