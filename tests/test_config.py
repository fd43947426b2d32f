from dataclasses import asdict
from pathlib import Path

import pytest

from backbone.config import config_from_dict, load_config
from layoutdeit.config import DetectorConfig, TrainConfig

CONFIGS = sorted((Path(__file__).parents[1] / "configs" / "detector").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_loads_and_opens_with_its_command(path):
    config = load_config(TrainConfig, path, ["data.root=x", "output_dir=y"])
    assert config.data.root == "x" and config.num_steps > 0
    head = path.read_text()[:1200]
    assert head.startswith("#") and f"configs/detector/{path.name}" in head


def test_overrides_win_and_keep_their_types(tmp_path):
    (tmp_path / "a.yaml").write_text("num_steps: 5\ndetector: {channels: 64}\n")
    config = load_config(
        TrainConfig,
        tmp_path / "a.yaml",
        ["output_dir=y", "data.root=x", "detector.channels=32", "optim.learning_rate=1e-3"],
    )
    assert (config.num_steps, config.detector.channels, config.optim.learning_rate) == (5, 32, 1e-3)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("detector.chanels=3", "chanels"),
        ("batch_size=many", "batch_size"),
        ("optim=3", "OptimConfig"),
        ("batch_size", "expected key=value"),
        ("detector.proposals.anchor_sizes=[1,2]", "anchor_sizes needs 5"),
        ("detector.input.short_side=2000", "short_side 2000"),
    ],
)
def test_wrong_keys_and_values_are_named(override, named):
    with pytest.raises(ValueError, match=named):
        load_config(TrainConfig, None, ["data.root=x", "output_dir=y", override])


def test_missing_values_and_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="data.root"):
        load_config(TrainConfig, None, ["output_dir=y"])
    with pytest.raises(FileNotFoundError, match="no configuration file"):
        load_config(TrainConfig, tmp_path / "none.yaml")


def test_a_detector_configuration_survives_its_dictionary():
    config = DetectorConfig(channels=48)
    config.proposals.anchor_sizes = [1, 2, 3, 4, 5]
    assert config_from_dict(DetectorConfig, asdict(config)) == config
    with pytest.raises(ValueError, match="colour"):
        config_from_dict(DetectorConfig, {"colour": 3})
