"""Weights from files: read safely, fitted in words, written whole or not at all."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from backbone.checkpoint import (
    KeyReport,
    load_backbone,
    load_checkpoint_file,
    load_state_dict_file,
    load_torch_file,
    save_atomically,
)
from backbone.pos_embed import resize_position_grid
from backbone.vit import VisionTransformer, VitDimensions


def build(**changes: object) -> VisionTransformer:
    """A tiny model on a 4x4 grid with weights of its own."""
    dimensions = {"image_size_hw": (32, 32), "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 3}
    return VisionTransformer(VitDimensions(**{**dimensions, "num_classes": 5, **changes}))


def assert_accounted_for(report: KeyReport, model: VisionTransformer, state_dict: dict[str, Tensor]) -> None:
    """Every key of the file and every parameter of the model appears in the report, once."""
    assert sorted([*report.used, *report.resized, *report.dropped]) == sorted(state_dict)
    assert sorted([*report.used, *report.resized, *report.missing]) == sorted(model.state_dict())


@pytest.mark.parametrize("distilled", [False, True])
def test_same_model_takes_everything(distilled: bool):
    model, weights = build(distilled=distilled), build(distilled=distilled).state_dict()
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert not report.resized and not report.dropped and not report.missing
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_heads_of_another_class_count_are_dropped_in_words():
    model, weights = build(num_classes=3, distilled=True), build(distilled=True).state_dict()
    before = model.head.weight.clone()
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert (
        set(report.dropped) == {"head.weight", "head.bias", "head_dist.weight", "head_dist.bias"} == {*report.missing}
    )
    assert "5 classes, the model has 3" in str(report)
    assert torch.equal(model.head.weight, before)


def test_model_without_head_takes_the_body():
    model, weights = build(num_classes=0), build().state_dict()
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert report.dropped == dict.fromkeys(["head.weight", "head.bias"], "the model has no such head")
    assert not report.missing


def test_plain_weights_fill_a_distilled_model_but_for_the_token():
    model, weights = build(distilled=True), build().state_dict()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert set(report.missing) == {"dist_token", "head_dist.weight", "head_dist.bias"}
    assert "position keeps its initial value" in report.resized["pos_embed"]
    assert torch.equal(model.dist_token, before["dist_token"])
    assert torch.equal(model.pos_embed[:, 1], before["pos_embed"][:, 1])
    assert torch.equal(model.pos_embed[:, 0], weights["pos_embed"][:, 0])
    assert torch.equal(model.pos_embed[:, 2:], weights["pos_embed"][:, 1:])


def test_distilled_weights_fill_a_plain_model_without_the_token():
    model, weights = build(), build(distilled=True).state_dict()
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert report.dropped["dist_token"] == "the model has no distillation token"
    assert torch.equal(model.pos_embed[:, 1:], weights["pos_embed"][:, 2:])
    assert torch.equal(model.pos_embed[:, 0], weights["pos_embed"][:, 0])


@pytest.mark.parametrize("distilled", [False, True])
def test_positions_are_resized_to_a_page(distilled: bool):
    model = build(image_size_hw=(64, 40), distilled=distilled)
    weights = build(distilled=distilled).state_dict()
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert report.resized == {"pos_embed": "grid 4x4 to 8x5"}
    expected = resize_position_grid(weights["pos_embed"], (4, 4), (8, 5), num_prefix_tokens=2 if distilled else 1)
    assert torch.equal(model.pos_embed, expected)


def test_grid_that_is_not_square_is_kept_or_asked_for():
    page = build(image_size_hw=(48, 32)).state_dict()  # 6x4
    assert not load_backbone(build(image_size_hw=(48, 32)), page).resized
    with pytest.raises(ValueError, match=r"24 positions is not square: say which with grid_hw"):
        load_backbone(build(), page)
    assert load_backbone(build(), page, grid_hw=(6, 4)).resized == {"pos_embed": "grid 6x4 to 4x4"}
    with pytest.raises(ValueError, match=r"expected positions of shape \(1, 36"):
        load_backbone(build(), page, grid_hw=(7, 5))


def test_grid_of_two_meanings_is_asked_for():
    """16 positions fill a 4x4 and an 8x2 grid alike: taking them as they are would scramble the rows."""
    square = build().state_dict()
    with pytest.raises(ValueError, match="4x4 or 8x2: say which"):
        load_backbone(build(image_size_hw=(64, 16)), square)
    assert "4x4 to 8x2" in str(load_backbone(build(image_size_hw=(64, 16)), square, grid_hw=(4, 4)))


def test_unknown_keys_and_spare_blocks_are_listed():
    model, weights = build(), {**build(depth=3).state_dict(), "fc_norm.weight": torch.ones(12)}
    report = load_backbone(model, weights)
    assert_accounted_for(report, model, weights)
    assert report.dropped["fc_norm.weight"] == "unknown to the model"
    assert report.dropped["blocks.2.norm1.weight"] == "the model has only 2 blocks"


@pytest.mark.parametrize("changes", [{"embed_dim": 24}, {"depth": 1}, {"patch_size": 4, "image_size_hw": (16, 16)}])
def test_another_model_is_an_error_that_says_which_and_changes_nothing(changes: dict[str, object]):
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        ValueError, match="another model: build one with embed_dim=(12|24), depth=[12], patch_size=[48]"
    ):
        load_backbone(model, build(**changes).state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("weights", [{}, {"layer1.0.conv1.weight": torch.ones(1)}])
def test_weights_of_something_else_are_an_error(weights: dict[str, Tensor]):
    with pytest.raises(ValueError, match="no DeiT weights with official names"):
        load_backbone(build(), weights)


def test_half_precision_weights_fill_a_full_precision_model():
    model = build(image_size_hw=(48, 32))
    load_backbone(model, {name: tensor.half() for name, tensor in build().state_dict().items()})
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_report_reads_as_lines():
    report = KeyReport(("a", "b"), dropped={"c": "too old", "d": "too old"}, missing={"e": "new"})
    assert str(report) == "used: 2 keys as they are\ndropped: c, d (too old)\nmissing: e (new)"


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.bin"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files_round_trip(tmp_path: Path, name: str, wrapped: bool):
    weights = build().state_dict()
    if name.endswith(".safetensors"):
        save_file(weights, tmp_path / name)
    else:
        torch.save({"model": weights, "epoch": 3} if wrapped else weights, tmp_path / name)
    loaded = load_state_dict_file(tmp_path / name)
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


def test_file_that_could_run_code_is_refused(tmp_path: Path):
    torch.save({"model": build().state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="objects besides tensors.*save only the tensors"):
        load_state_dict_file(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("keep", [0, 1, 100, 2000])
def test_cut_file_is_an_error_with_its_path(tmp_path: Path, name: str, keep: int):
    path = tmp_path / name
    save = save_file if name.endswith(".safetensors") else torch.save
    save(build().state_dict(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=name):
        load_state_dict_file(path)


@pytest.mark.parametrize("load", [load_state_dict_file, load_checkpoint_file, load_torch_file])
@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>not found</html>",
        b"hello, this is text",
        b".\n",
        b"captcha\nwanted\n",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x80\x02",
        b"\x80\x02h\x05.",
        b"PK\x03\x04 no archive",
        bytes(range(256)) * 4,
    ],
)
def test_file_of_another_kind_is_an_error_with_its_path(tmp_path: Path, load, content: bytes):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pth is not a whole PyTorch file \(.+\): fetch or save it again"):
        load(tmp_path / "w.pth")


def test_what_is_wrong_with_a_file_is_shown_with_the_remedy(tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"it begins with b'<html>'\): delete it"):
        load_torch_file(tmp_path / "w.pth", mmap=True, remedy="delete it")
    torch.save({"step": 3}, tmp_path / "w.pth")
    assert load_torch_file(tmp_path / "w.pth", mmap=True) == {"step": 3}
    with pytest.raises(FileNotFoundError):
        load_torch_file(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, {"model": {"lr": 0.1}}])
def test_file_without_weights_is_an_error(tmp_path: Path, content: object):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="expected tensors by name"):
        load_state_dict_file(tmp_path / "w.pth")


def test_missing_or_unknown_file_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*w\.pth"):
        load_state_dict_file(tmp_path / "w.pth")
    (tmp_path / "w.onnx").touch()
    with pytest.raises(ValueError, match=r"format of .*w\.onnx: use \.safetensors"):
        load_state_dict_file(tmp_path / "w.onnx")


def test_atomic_save_makes_the_folder_and_leaves_only_the_file(tmp_path: Path):
    path = tmp_path / "runs" / "x" / "last.pth"
    for content in ("old", "new"):
        save_atomically(path, lambda temporary, content=content: temporary.write_text(content))
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["last.pth"]


def test_failed_save_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "last.pth"
    path.write_text("old")

    def write_half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_atomically(path, write_half)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["last.pth"]


def test_kill_during_a_save_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "last.pth"
    path.write_text("old")
    code = (
        "import os, signal, sys\nfrom backbone.checkpoint import save_atomically\n"
        "def write(p):\n    p.write_text('ne')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "save_atomically(sys.argv[1], write)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=root).returncode == -9
    assert path.read_text() == "old"
