"""The teacher and its loss; formulas are written out again from arXiv:2012.12877, sec. 4, and the released code."""

import pytest
import torch
from timm.loss import SoftTargetCrossEntropy

from backbone.augment import BatchMixer
from backbone.config import AugmentConfig, DistillConfig
from backbone.distill import Teacher, build_teacher, distillation_loss
from backbone.model_file import Classifier, ImageInput, save_classifier
from backbone.named_model import build_named
from backbone.vit import VisionTransformer, VitDimensions

DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=5)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    _, targets = BatchMixer(AugmentConfig(), 5)(torch.rand(6, 3, 8, 8), torch.randint(5, (6,)), (0,))
    return torch.randn(6, 5), torch.randn(6, 5), torch.randn(6, 5), targets  # class, token, teacher


def distill(kind: str, **options) -> DistillConfig:
    return DistillConfig(kind=kind, weights="x", **options)


def test_without_teacher_it_is_timm_s_soft_target_loss(batch):
    logits, token, _, targets = batch
    plain = SoftTargetCrossEntropy()
    torch.testing.assert_close(distillation_loss(logits, targets, None, DistillConfig()), plain(logits, targets))
    both = (plain(logits, targets) + plain(token, targets)) / 2
    torch.testing.assert_close(distillation_loss((logits, token), targets, None, DistillConfig()), both)


@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 1.0])
def test_hard_distillation_is_equation_3(batch, has_token, alpha):
    logits, token, teacher, targets = batch
    student = token if has_token else logits
    labels_part = -(targets * logits.log_softmax(1)).sum(1).mean()
    teacher_part = -student.log_softmax(1)[range(6), teacher.argmax(1)].mean()
    loss = distillation_loss((logits, token) if has_token else logits, targets, teacher, distill("hard", alpha=alpha))
    torch.testing.assert_close(loss, (1 - alpha) * labels_part + alpha * teacher_part)


@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize(("mean", "count"), [("elements", 30), ("images", 6)])
def test_soft_distillation_is_equation_2_and_the_released_code_divides_by_elements(batch, has_token, mean, count):
    logits, token, teacher, targets = batch
    student, tau = token if has_token else logits, 3.0
    p, q = (teacher / tau).softmax(1), (student / tau).softmax(1)
    divergence = (p * (p.log() - q.log())).sum() * tau * tau / count
    labels_part = -(targets * logits.log_softmax(1)).sum(1).mean()
    config = distill("soft", alpha=0.1, tau=tau, soft_mean=mean)
    loss = distillation_loss((logits, token) if has_token else logits, targets, teacher, config)
    torch.testing.assert_close(loss, 0.9 * labels_part + 0.1 * divergence)


class Echo(torch.nn.Module):
    """Keeps the images it was shown."""

    def forward(self, images):
        self.seen = images
        return images.mean(dim=(2, 3))


def test_teacher_sees_its_own_normalisation_and_size():
    raw = torch.rand(2, 3, 16, 16)
    ours = AugmentConfig()
    images = (raw - torch.tensor(ours.mean).view(3, 1, 1)) / torch.tensor(ours.std).view(3, 1, 1)
    echo = Echo()
    teacher = Teacher(echo, images_mean=ours.mean, images_std=ours.std, mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))
    teacher(images)
    expected = (raw - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.2, 0.1]).view(3, 1, 1)
    torch.testing.assert_close(echo.seen, expected, atol=1e-5, rtol=1e-5)
    teacher.input_size = 24
    teacher(images)
    assert echo.seen.shape == (2, 3, 24, 24)


def test_teacher_stays_frozen_and_in_evaluation_mode():
    classifier = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.Flatten())
    teacher = Teacher(classifier, images_mean=[0] * 3, images_std=[1] * 3, mean=[0] * 3, std=[1] * 3)
    teacher.train()
    before = classifier[1].running_mean.clone()
    assert not teacher(torch.rand(4, 3, 2, 2)).requires_grad and not classifier[1].training
    assert torch.equal(before, classifier[1].running_mean)
    assert not [parameter for parameter in teacher.parameters() if parameter.requires_grad]


def build(config: DistillConfig, num_classes: int = 5, image_size: int = 32) -> Teacher:
    return build_teacher(config, AugmentConfig(), num_classes=num_classes, image_size=image_size)


def test_a_model_of_ours_teaches_at_any_size_in_patches(tmp_path):
    expected = ImageInput((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    model = VisionTransformer(DEBUG).eval()
    save_classifier(tmp_path / "t.safetensors", Classifier(model, expected, tuple("abcde"), {}))
    config = DistillConfig(kind="hard", weights=str(tmp_path / "t.safetensors"))
    teacher = build(config, image_size=48)
    raw = torch.rand(1, 3, 32, 32)
    images = (raw - torch.tensor(AugmentConfig().mean).view(3, 1, 1)) / torch.tensor(AugmentConfig().std).view(3, 1, 1)
    seen = (raw - torch.tensor(expected.mean).view(3, 1, 1)) / torch.tensor(expected.std).view(3, 1, 1)
    torch.testing.assert_close(teacher(images), model(seen), atol=1e-4, rtol=1e-4)
    assert teacher.trained_size == 32
    with pytest.raises(ValueError, match="knows 5 classes, the data set has 7"):
        build(config, num_classes=7)
    with pytest.raises(ValueError, match="refuses images of 36 px .*set distill.input_size"):
        build(config, image_size=36)


@pytest.mark.parametrize(("library", "name"), [("timm", "resnet10t"), ("torchvision", "squeezenet1_1")])
def test_timm_and_torchvision_classifiers_teach_by_name(tmp_path, library, name):
    import timm
    import torchvision

    make = timm.create_model if library == "timm" else torchvision.models.get_model
    torch.save(make(name, num_classes=5).state_dict(), tmp_path / "t.pth")
    config = DistillConfig(kind="hard", teacher=name, weights=str(tmp_path / "t.pth"))
    teacher = build(config, image_size=64)
    assert teacher(torch.rand(2, 3, 64, 64)).shape == (2, 5) and teacher.trained_size in (176, 224)
    with pytest.raises(ValueError, match="knows 5 classes, the data set has 10: a teacher must be trained"):
        build(config, num_classes=10, image_size=64)
    with pytest.raises(ValueError, match="holds no weights of resnet18"):
        build(DistillConfig(kind="hard", teacher="resnet18", weights=str(tmp_path / "t.pth")))


def test_the_file_of_a_trained_convnet_teaches_alone(tmp_path):
    """Name, classes, size and normalisation are its own; nothing of them is configured again."""
    model = build_named("resnet10t", 5, image_size_hw=(32, 32)).model.eval()
    expected = ImageInput((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    save_classifier(tmp_path / "t.safetensors", Classifier(model, expected, tuple("abcde"), {}))
    teacher = build(DistillConfig(kind="soft", weights=str(tmp_path / "t.safetensors")))
    raw = torch.rand(2, 3, 32, 32)
    images = (raw - torch.tensor(AugmentConfig().mean).view(3, 1, 1)) / torch.tensor(AugmentConfig().std).view(3, 1, 1)
    seen = (raw - torch.tensor(expected.mean).view(3, 1, 1)) / torch.tensor(expected.std).view(3, 1, 1)
    torch.testing.assert_close(teacher(images), model(seen), atol=1e-4, rtol=1e-4)
    assert teacher.trained_size == 32
    with pytest.raises(ValueError, match="knows 5 classes, the data set has 7: a teacher must be trained"):
        build(DistillConfig(kind="soft", weights=str(tmp_path / "t.safetensors")), num_classes=7)


def test_teacher_of_one_size_asks_for_it(tmp_path):
    import timm

    name = "deit_tiny_patch16_224"
    torch.save(timm.create_model(name, num_classes=5).state_dict(), tmp_path / "t.pth")
    options = {"kind": "hard", "teacher": name, "weights": str(tmp_path / "t.pth")}
    with pytest.raises(ValueError, match="refuses images of 64 px"):
        build(DistillConfig(**options), image_size=64)
    assert build(DistillConfig(**options, input_size=224), image_size=64)(torch.rand(1, 3, 64, 64)).shape == (1, 5)


def test_unknown_teacher_and_absent_file_are_sentences(tmp_path):
    with pytest.raises(ValueError, match="unknown classifier 'regnetz_9000'"):
        build(distill("hard", teacher="regnetz_9000"))
    with pytest.raises(FileNotFoundError, match="no model file at"):
        build(DistillConfig(kind="hard", weights=str(tmp_path / "none.safetensors")))
