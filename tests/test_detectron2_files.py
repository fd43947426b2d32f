import pickle

import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.detector_file import read_model_file, save_model
from layoutdeit.detectron2_files import SETTINGS_ENTRY, convert_file
from layoutdeit.engines import build_detector


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    state = build_detector(debug_config()).state_dict()
    save_model(tmp_path / "mine.safetensors", state, debug_config(), {"pages_seen": 3})
    return tmp_path / "mine.safetensors"


def test_there_and_back_is_the_same_file(model, tmp_path):
    assert "197 tensors" not in convert_file(model, tmp_path / "mine.pth")
    line = convert_file(tmp_path / "mine.pth", tmp_path / "back.safetensors")
    assert "half precision" in line and "published" not in line
    assert read_model_file(tmp_path / "back.safetensors")[:2] == read_model_file(model)[:2]
    first, second = read_model_file(model)[2], read_model_file(tmp_path / "back.safetensors")[2]
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
    assert (tmp_path / "back.safetensors").stat().st_size == model.stat().st_size


def test_single_precision_stays(model, tmp_path):
    config, record, state = read_model_file(model)
    state["rpn.head.cls_logits.bias"] = torch.full_like(state["rpn.head.cls_logits.bias"], 1 / 3)
    save_model(tmp_path / "fine.safetensors", state, config, record, half=False)
    convert_file(tmp_path / "fine.safetensors", tmp_path / "fine.pth")
    assert "single precision" in convert_file(tmp_path / "fine.pth", tmp_path / "back.safetensors")
    assert torch.equal(
        read_model_file(tmp_path / "back.safetensors")[2]["rpn.head.cls_logits.bias"], state["rpn.head.cls_logits.bias"]
    )


def test_the_pth_is_detectron2_s_and_holds_no_objects(model, tmp_path):
    convert_file(model, tmp_path / "mine.pth")
    content = torch.load(tmp_path / "mine.pth", weights_only=True)
    assert content.keys() == {"model", SETTINGS_ENTRY} and isinstance(content[SETTINGS_ENTRY], str)
    assert "roi_heads.box_predictor.cls_score.weight" in content["model"]


def test_settings_come_from_another_model_where_a_pth_has_none(model, tmp_path):
    convert_file(model, tmp_path / "mine.pth")
    weights = torch.load(tmp_path / "mine.pth", weights_only=True)["model"]
    torch.save({"model": weights, "iteration": 7}, tmp_path / "trained.pth")
    convert_file(tmp_path / "trained.pth", tmp_path / "out.safetensors", like=str(model))
    config, record, _ = read_model_file(tmp_path / "out.safetensors")
    assert config == debug_config() and record["converted_from"] == "trained.pth" and len(record["sha256"]) == 64


def test_what_cannot_be_converted_says_so_and_leaves_nothing(model, tmp_path):
    other = debug_config()
    other.channels = 8
    save_model(tmp_path / "other.safetensors", build_detector(other).state_dict(), other, {})
    convert_file(model, tmp_path / "mine.pth")
    out = tmp_path / "out.safetensors"
    for source, like, message in (
        (tmp_path / "none.pth", None, "no weights at"),
        (tmp_path / "mine.pth", str(tmp_path / "other.safetensors"), "do not fit their settings: .*is .*, needs"),
        (tmp_path / "model.pkl", None, "is a pickle, never opened"),
        (tmp_path / "model.onnx", None, "cannot convert model.onnx to out.safetensors: use"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            convert_file(source, out, like=like)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": print}))
    with pytest.raises(ValueError, match="never read because they could run code|not a whole PyTorch file"):
        convert_file(tmp_path / "evil.pth", out)
    assert not out.exists()
    with pytest.raises(ValueError, match=r"is a PyTorch file: python -m layoutdeit.weights convert"):
        read_model_file(tmp_path / "mine.pth")
