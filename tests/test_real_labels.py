import json

import pytest
import torch

from backbone.real_labels import read_real_labels


def write(folder, content) -> str:
    path = folder / "real.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_labels_follow_the_number_in_the_name(tmp_path):
    real = read_real_labels(write(tmp_path, [[2], [], [0, 3]]), num_classes=4)
    names = [f"val/n{number}/ILSVRC2012_val_0000000{number}.JPEG" for number in (3, 1, 2)]
    expected = [[True, False, False, True], [False, False, True, False], [False] * 4]
    assert torch.equal(real.is_label(names), torch.tensor(expected))
    assert real.is_label([]).shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/0.png", "0.png is no ILSVRC2012_val_"),
        ("ILSVRC2012_val_00000009.JPEG", "is image 9, --real has labels for 2"),
    ],
)
def test_names_without_labels_are_refused(tmp_path, name, said):
    real = read_real_labels(write(tmp_path, [[0], [1]]), num_classes=2)
    with pytest.raises(ValueError, match=said):
        real.check_names(["ILSVRC2012_val_00000001.JPEG", name])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"1": [0]}, "expected a list with a list of labels per image, got a dict"),
        ([[0], 1], "entry 1: expected a list of class indices, got 1"),
        ([[0], ["cat"]], "entry 1: expected a list of class indices"),
        ([[0, 5]], r"entry 0: labels \[0, 5\] do not fit the model's 5 classes"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    with pytest.raises(ValueError, match=said):
        read_real_labels(write(tmp_path, content), num_classes=5)


def test_absent_and_broken_files_are_sentences(tmp_path):
    with pytest.raises(FileNotFoundError, match="no ReaL labels at"):
        read_real_labels(tmp_path / "none.json", 5)
    (tmp_path / "broken.json").write_bytes(b"\xff[[")
    with pytest.raises(ValueError, match="broken.json is not JSON"):
        read_real_labels(tmp_path / "broken.json", 5)
