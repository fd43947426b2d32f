import json

import pytest
import torch
from detector_fixtures import debug_config
from safetensors import safe_open
from safetensors.torch import save_file

from layoutdeit.detector_file import is_model_file, read_model_file, save_model
from layoutdeit.engines import build_detector

POSITIONS = "pyramid.bottom_up.pos_embed"


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return build_detector(debug_config())


def test_trained_weights_are_stored_in_half_precision(tmp_path, detector):
    path = tmp_path / "mine.safetensors"
    save_model(path, detector.state_dict(), debug_config(), {"pages_seen": 3})
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor(POSITIONS).dtype == torch.float16
        assert json.loads(file.metadata()["labels"]) == ["text", "title", "list", "table", "figure"]
    config, record, state = read_model_file(path)
    assert config == debug_config() and record == {"pages_seen": 3}
    assert all(not tensor.is_floating_point() or tensor.dtype == torch.float32 for tensor in state.values())
    assert torch.equal(state[POSITIONS], detector.state_dict()[POSITIONS].half().float())


def test_weights_too_large_for_half_precision_keep_it_all(tmp_path, detector):
    state = detector.state_dict()
    state[POSITIONS] = torch.full_like(state[POSITIONS], 1e5)
    save_model(tmp_path / "mine.safetensors", state, debug_config(), {})
    read = read_model_file(tmp_path / "mine.safetensors")[2]
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


def test_full_precision_loses_no_bit(tmp_path, detector):
    path = tmp_path / "mine.safetensors"
    save_model(path, detector.state_dict(), debug_config(), {}, precision="float32")
    state = read_model_file(path)[2]
    assert state.keys() == detector.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in detector.state_dict().items())
    with pytest.raises(ValueError, match="unknown precision 'int8': use one of float16, float32"):
        save_model(path, detector.state_dict(), debug_config(), {}, precision="int8")


def test_positions_rule_travels_with_the_file(tmp_path):
    config = debug_config()
    config.backbone.position_resize = "scale_factor"
    detector = build_detector(config)
    save_model(tmp_path / "m.safetensors", detector.state_dict(), config, {}, precision="float32")
    rebuilt = build_detector(read_model_file(tmp_path / "m.safetensors")[0])
    assert rebuilt.backbone.dimensions.position_resize == "scale_factor"


def test_files_that_are_not_models_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file"):
        read_model_file(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        read_model_file(tmp_path / "broken.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a detector file"):
        read_model_file(tmp_path / "other.safetensors")
    names = ("none", "broken", "other")
    assert not any(is_model_file(tmp_path / f"{name}.safetensors") for name in names)
