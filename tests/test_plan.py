import pytest

from backbone.config import ImageTrainConfig, load_config
from backbone.deit import deit_dimensions
from backbone.named_model import NamedDimensions
from backbone.plan import half_life, make_plan

IMAGENET = {"num_images": 1_281_167, "steps_per_epoch": 1251, "world_size": 16}


def plan_of(*overrides: str, size: int = 224, distilled: bool = False, **numbers):
    config = load_config(ImageTrainConfig, None, ["output_dir=x", "data.root=x", *overrides])
    dims = deit_dimensions("deit_base_patch16_224", image_size_hw=(size, size), distilled=distilled)
    return make_plan(config, dims, **{**IMAGENET, **numbers})


def test_the_published_recipe_has_no_warning_and_its_numbers():
    plan = plan_of("published=top-1 81.8 %")
    text = str(plan)
    assert plan.warnings == ()
    for part in (
        "1024 images a step = 16 processes x 1 passes x 64",
        "rate: 0.001 = 0.0005 x 1024 / 512",
        "427008 of 1281167 images, 3 times each",
        "300 epochs, 375300 steps",
        "half-life 17328 steps",
        "short side to 256 px bicubic, centre 224 px",
        "published: top-1 81.8 %",
    ):
        assert part in text


HARD = ("distill.kind=hard", "distill.weights=t.pth", "distill.teacher=regnety_160")


@pytest.mark.parametrize(
    ("overrides", "numbers", "said"),
    [
        ((), {"world_size": 4}, "DeiT-S at 4 x 256 was reported to end at 75 %"),
        (("run.batch_size=3072",), {"world_size": 48}, "the batch counts repeats"),
        (("run.batch_size=480",), {"world_size": 8}, "batch 480, published 1024"),
        (("data.format=cifar10",), {"size": 32}, "CIFAR at 32 px gives 2x2 patches"),
        (("data.format=cifar10", "augment.crop=padded"), {}, "does not upscale"),
        (("augment.crop=padded",), {"source_size_px": 100}, "surrounds images of 100 px"),
        (("run.epochs=1",), {}, "keeps much of its start: half-life 17328 of 1251 steps"),
        (("run.epochs=1",), {}, "warm-up lasts 5 of 1 epochs"),
        (("optim.rate_per_512=1e-6",), {}, "rate ends above its peak"),
        (HARD, {"distilled": True, "teacher_size_px": 384}, "trained at 384 px, is shown 224 px"),
        (HARD, {"teacher_size_px": 224}, "without the token"),
        ((), {"distilled": True}, "a distillation token without a teacher"),
    ],
)
def test_traps_are_named(overrides, numbers, said):
    plan = plan_of(*overrides, **numbers)
    assert any(said in warning for warning in plan.warnings), plan
    assert "warning: " in str(plan)


def test_a_teacher_is_described():
    assert "teacher: regnety_160, hard, alpha 0.5" in str(plan_of(*HARD, distilled=True))
    soft = plan_of("distill.kind=soft", "distill.weights=t.safetensors", distilled=True)
    assert "teacher: t.safetensors, soft, alpha 0.5, tau 3, mean over elements" in str(soft)


def test_a_classifier_of_a_library_is_described_without_patches():
    """The traps of DeiT's published scores on CIFAR are not its own."""
    config = load_config(
        ImageTrainConfig, None, ["output_dir=x", "data.root=x", "model.name=resnet10t", "data.format=cifar10"]
    )
    plan = make_plan(config, NamedDimensions("resnet10t", (48, 48), 10), **IMAGENET)
    assert "model: resnet10t of timm or torchvision, 48 px, 10 classes" in str(plan)
    assert not [warning for warning in plan.warnings if "CIFAR" in warning or "token" in warning]


def test_half_life_halves():
    assert 0.9 ** half_life(0.9) == pytest.approx(0.5)
