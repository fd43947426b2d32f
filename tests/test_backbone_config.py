from pathlib import Path

import pytest

from backbone.config import DistillConfig, ImageTrainConfig, load_config
from backbone.deit import DEIT_SIZES

CONFIGS = sorted((Path(__file__).parents[1] / "configs" / "backbone").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_loads_and_opens_with_command_hardware_and_score(path):
    config = load_config(ImageTrainConfig, path, ["data.root=x", "output_dir=y"])
    assert config.model.name in DEIT_SIZES
    text = path.read_text()
    head = text[: text.index("\npublished:")]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"backbone.train configs/backbone/{path.name}" in head and "Made for" in head and "xpected" in head
    assert path.stem == "debug" or ("Not run here" in head and config.published.startswith("top-1"))
    assert config.run.batch_size % (8 * config.run.accumulate) == 0


def test_the_rows_of_the_cifar_table_differ_in_the_teacher_and_the_token_alone():
    """A student with another length, rate or crop would compare recipes, not distillation."""
    folder = CONFIGS[0].parent / "cifar10"
    rows = {}
    for path in sorted(folder.glob("*.yaml")):
        rows[path.stem] = load_config(ImageTrainConfig, path, ["data.root=x", "output_dir=y"])
        head = path.read_text().partition("\npublished:")[0]
        assert f"backbone.train configs/backbone/cifar10/{path.name} data.root=DATA" in head
        assert all(line.startswith("#") for line in head.splitlines()) and "Made for" in head and "Result" in head
    teacher = rows.pop("teacher")
    assert teacher.model.name not in DEIT_SIZES and len(rows) == 4
    kinds = {name: (row.distill.kind, bool(row.model.distilled)) for name, row in rows.items()}
    assert kinds == {
        "supervised": ("none", False),
        "soft": ("soft", False),
        "hard": ("hard", False),
        "hard_token": ("hard", True),
    }
    for row in rows.values():
        row.distill, row.model.distilled = DistillConfig(), None
        assert row == rows["supervised"] and row.augment == teacher.augment


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("deit_base_patch16_224", 1e-3),
        ("deit_base_patch16_384", 5e-6),
        ("deit_base_inat2018", 7.5e-5),
        ("deit_base_cifar10", 0.01),
    ],
)
def test_recipes_have_the_authors_rate_after_scaling(name: str, rate: float):
    path = next(path for path in CONFIGS if path.stem == name)
    config = load_config(ImageTrainConfig, path, ["data.root=x", "output_dir=y"])
    assert config.optim.rate_per_512 * config.run.batch_size / 512 == pytest.approx(rate, rel=1e-4)


def test_defaults_are_the_recipe_of_the_paper():
    config = ImageTrainConfig(output_dir="x")
    optim, augment, run = config.optim, config.augment, config.run
    assert (optim.name, optim.rate_per_512, optim.warmup_epochs, optim.final_rate) == ("adamw", 5e-4, 5, 1e-5)
    assert (optim.weight_decay, optim.ema_decay, config.model.drop_path) == (0.05, 0.99996, None)
    assert (augment.rand_augment, augment.erasing, augment.repeats) == ("rand-m9-mstd0.5-inc1", 0.25, 3)
    assert (augment.mixup, augment.cutmix, augment.switch, augment.label_smoothing) == (0.8, 1.0, 0.5, 0.1)
    assert (run.epochs, run.batch_size) == (300, 1024)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data.format=zip", "unknown data.format 'zip': use one of folder"),
        ("data.unreadable=maybe", "data.unreadable"),
        ("augment.flip=2", "augment.flip must be in"),
        ("augment.repeats=0", "augment.repeats"),
        ("augment.crop=none", "augment.crop"),
        ("optim.name=lamb", "optim.name"),
        ("augment.mixup=-1", "augment.mixup must be 0 or more"),
        ("optim.weight_decay=-1", "optim.weight_decay must be 0 or more, got -1"),
        ("optim.rate_per_512=nan", "optim.rate_per_512 must be 0 or more, got nan"),
        ("run.precision=foo", "unknown run.precision 'foo': use one of auto, 32-true"),
        ("run.max_minutes=-1", "run.max_minutes must be 0 or more"),
        ("distill.kind=firm", "distill.kind"),
        ("distill.kind=hard", "needs distill.weights"),
        ("distill.tau=0", "distill.tau"),
        ("distill.mean=[1,2,3]", "three numbers each"),
        ("run.accumulate=0", "run.accumulate must be 1"),
        ("model.drop_path=1.5", "model.drop_path"),
        ("model.nmae=x", "nmae"),
        ("data.root=[1", "cannot read 'data.root=\\[1'"),
    ],
)
def test_wrong_keys_and_values_are_named(override, named):
    with pytest.raises(ValueError, match=named):
        load_config(ImageTrainConfig, None, ["data.root=x", "output_dir=y", override])


def test_an_empty_text_empties_it():
    assert load_config(ImageTrainConfig, None, ["data.root=x", "output_dir=y", "data.val_split="]).data.val_split == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: {", "x.yaml is no YAML: .* line 2"),
        (b"\xff\xfe", "x.yaml is no YAML"),
        (b"[1, 2]", "x.yaml holds no"),
    ],
)
def test_file_that_is_no_configuration_says_so(tmp_path, content, message):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_config(ImageTrainConfig, tmp_path / "x.yaml", ["data.root=x", "output_dir=y"])
    assert "\n" not in str(caught.value)
