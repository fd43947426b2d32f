import json
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
        ("detector.input.more_short_sides=[64]", "input.more_short_sides needs fit_to_ink"),
        ("detector.num_classes=3", "num_classes must be 5, as labels.py has them, got 3"),
        ("detector.input.train_short_sides=[]", r"input.train_short_sides needs sides from 1 px on, got \[\]"),
        ("detector.channels=0", "channels must be 1 or more, got 0"),
        ("detector.proposals.negative_iou=.8", "negative_iou must not be above proposals.positive_iou .0.7., got 0.8"),
        ("detector.proposals.aspect_ratios=[]", r"aspect_ratios needs numbers above 0, got \[\]"),
        ("detector.proposals.anchor_sizes=[0,1,2,3,4]", "anchor_sizes needs numbers above 0"),
        ("detector.proposals.nms_iou=2", r"proposals.nms_iou must be in \[0, 1\], got 2"),
        ("detector.heads.box_dim=0", "heads.box_dim must be 1 or more"),
        ("detector.heads.min_score=-1", "heads.min_score must be in"),
        ("data.crop_probability=7", r"data.crop_probability must be in \[0, 1\], got 7"),
        ("data.crop_range_px=[600,384]", r"data.crop_range_px needs two rising sides .*got \[600, 384\]"),
        ("data.num_workers=-1", "data.num_workers must be 0 or more"),
        ("optim.learning_rate=-1", "optim.learning_rate must be 0 or more, got -1"),
        ("optim.learning_rate=nan", "optim.learning_rate must be 0 or more, got nan"),
        ("optim.learning_rate=inf", "optim.learning_rate must be 0 or more, got inf"),
        ("optim.ema_decay=2", r"optim.ema_decay must be in \[0, 1\], got 2"),
        ("eval_every=-5", "eval_every must be 0 or more, got -5"),
        ("max_minutes=-1", "max_minutes must be 0 or more, got -1"),
        ("batch_size=0", "batch_size must be 1 or more, got 0"),
        ("precision=foo", "unknown precision 'foo': use one of auto, 32-true"),
        ("seed=", "seed: Incompatible value"),
    ],
)
def test_wrong_keys_and_values_are_named(override, named):
    with pytest.raises(ValueError, match=named):
        load_config(TrainConfig, None, ["data.root=x", "output_dir=y", override])


def test_an_empty_text_empties_it(tmp_path):
    (tmp_path / "a.yaml").write_text("data: {val_split: val}\ninit_from: x\n")
    config = load_config(
        TrainConfig, tmp_path / "a.yaml", ["data.root=x", "output_dir=y", "data.val_split=", "init_from="]
    )
    assert config.data.val_split == config.init_from == ""


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "give data.root=DIR and output_dir=DIR"),
        (["output_dir=y"], "give data.root=DIR:"),
        (["data.root=x", "output_dir="], "give output_dir=DIR:"),
    ],
)
def test_missing_values_are_asked_for(overrides, said):
    with pytest.raises(ValueError, match=said):
        load_config(TrainConfig, None, overrides)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration file"):
        load_config(TrainConfig, tmp_path / "none.yaml")


def test_a_detector_configuration_survives_its_dictionary():
    config = DetectorConfig(channels=48)
    config.proposals.anchor_sizes = [1, 2, 3, 4, 5]
    assert config_from_dict(DetectorConfig, asdict(config)) == config
    with pytest.raises(ValueError, match="colour"):
        config_from_dict(DetectorConfig, {"colour": 3})


def test_tuples_are_tuples_in_every_omegaconf():
    """2.3 gives lists; those of files, of overrides and of defaults are what the dataclass says."""
    config = load_config(TrainConfig, overrides=["output_dir=a", "data.root=b", "data.crop_range_px=[30,40]"])
    assert config.data.crop_range_px == (30, 40) and isinstance(config.detector.input.mean, tuple)
    again = config_from_dict(TrainConfig, json.loads(json.dumps(asdict(config))))
    assert again == config
