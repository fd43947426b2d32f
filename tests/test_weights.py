import json

import pytest
import torch
from detector_fixtures import blank_page, debug_config
from safetensors.torch import save_file

from layoutdeit.engines import build_detector
from layoutdeit.weights import (
    DEFAULT_MODEL,
    MODELS,
    file_sha256,
    is_model_file,
    load_model,
    read_model_file,
    resolve_model,
    save_model,
)


@pytest.fixture
def model_file(tmp_path):
    torch.manual_seed(0)
    detector = build_detector(debug_config())
    save_model(tmp_path / "mine.safetensors", detector.state_dict(), debug_config(), {"pages_seen": 3})
    return tmp_path / "mine.safetensors", detector


def test_a_file_alone_rebuilds_its_model(model_file):
    path, detector = model_file
    loaded = load_model(path)
    assert loaded.config == debug_config() and loaded.record == {"pages_seen": 3}
    assert loaded.info.name == "mine" and loaded.info.engine == "torchvision"
    assert loaded.info.sha256 == file_sha256(path) and len(loaded.info.sha256) == 64
    assert not loaded.detector.training
    for name, value in detector.state_dict().items():
        torch.testing.assert_close(loaded.detector.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    assert loaded.detector.predict([blank_page()])[0].boxes.shape[1] == 4


def test_weights_are_stored_in_half_precision(model_file):
    from safetensors import safe_open

    with safe_open(model_file[0], framework="pt") as file:
        assert file.get_tensor("pyramid.bottom_up.pos_embed").dtype == torch.float16
        assert json.loads(file.metadata()["labels"]) == ["text", "title", "list", "table", "figure"]


def test_files_that_are_not_models_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_model(tmp_path / "broken.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a detector file"):
        read_model_file(tmp_path / "other.safetensors")
    assert not is_model_file(tmp_path / "other.safetensors") and not is_model_file(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=f"unknown model 'best': use one of {DEFAULT_MODEL}"):
        resolve_model("best")


def test_the_shipped_model_is_whole_small_and_says_how_it_was_made():
    path = resolve_model(None)
    assert path.stat().st_size < 40_000_000
    assert file_sha256(path) == MODELS[DEFAULT_MODEL].sha256
    record = load_model().record
    assert record["pages_seen"] > 1000 and record["corpus"] and record["settings"]["seed"] is not None
