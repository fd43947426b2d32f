"""Several models as one, of files that were trained apart."""

from __future__ import annotations

import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.detector_file import read_model_file, save_model
from layoutdeit.engines import build_detector
from layoutdeit.weight_average import average_models
from layoutdeit.weights import load_model, main


@pytest.fixture
def models(tmp_path):
    paths = []
    for seed in range(3):
        torch.manual_seed(seed)
        path = tmp_path / f"m{seed}.safetensors"
        save_model(path, build_detector(debug_config()).state_dict(), debug_config(), {"pages_seen": seed})
        paths.append(path)
    return paths


def test_weights_are_the_mean_and_the_record_names_all(models, tmp_path):
    target = tmp_path / "mean.safetensors"
    average_models(models, target)
    config, record, mean = read_model_file(target)
    states = [read_model_file(path)[2] for path in models]
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, sum(state[name] for state in states) / 3, rtol=1e-3, atol=1e-3)
    assert config == debug_config() and record["pages_seen"] == 2
    assert record["average_of"] == [load_model(path).info.sha256 for path in models]
    assert load_model(target).detector.predict([torch.rand(3, 90, 70)])


def test_command_line(models, tmp_path, capsys):
    target = tmp_path / "mean.safetensors"
    arguments = ["average", *map(str, models), "-o", str(target)]
    assert main(arguments) == 0 and "the mean of 3 models" in capsys.readouterr().out
    assert main(arguments) == 1 and "is there already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    for wrong, said in (
        (["average", str(models[0]), "-o", str(tmp_path / "x.safetensors")], "two models or more"),
        (["average", str(models[0]), "none", "-o", str(tmp_path / "x.safetensors")], "none"),
        (["average", *map(str, models), "-o", str(tmp_path / "x.onnx")], "expected a name in .safetensors"),
    ):
        assert main(wrong) == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_other_networks_have_no_mean(models, tmp_path):
    config = debug_config()
    config.channels *= 2
    save_model(tmp_path / "wide.safetensors", build_detector(config).state_dict(), config, {})
    with pytest.raises(ValueError, match="different networks"):
        average_models([models[0], tmp_path / "wide.safetensors"], tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="two models or more"):
        average_models(models[:1], tmp_path / "x.safetensors")
