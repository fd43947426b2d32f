import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image

from backbone.augment import BatchMixer, EvalTransform, TrainTransform, seeded
from backbone.config import AugmentConfig


def picture(width: int = 50, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_seed_fixes_the_image_and_leaves_the_generators_alone():
    transform = TrainTransform(AugmentConfig(), 32)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first, again, other = (transform(picture(), seed) for seed in ((0, 7), (0, 7), (0, 8)))
    assert first.shape == (3, 32, 32) and torch.equal(first, again) and not torch.equal(first, other)
    assert states[0] == random.getstate() and states[1] == np.random.get_state()[1].tolist()
    assert torch.equal(states[2], torch.get_rng_state())


def test_the_parts_are_timm_s_with_the_recipe_s_numbers():
    parts = {type(part).__name__: part for part in TrainTransform(AugmentConfig(), 224)._transform.transforms}
    assert parts["RandomResizedCropAndInterpolation"].scale == (0.08, 1.0)
    operations = parts["RandAugment"].ops
    assert len(operations) == 15 and {op.magnitude for op in operations} == {9}
    assert {op.magnitude_std for op in operations} == {0.5}
    erasing = parts["RandomErasing"]
    assert erasing.probability == 0.25 and erasing.per_pixel
    plain = TrainTransform(AugmentConfig(rand_augment="", erasing=0, flip=0, crop="padded"), 32)._transform.transforms
    assert [type(part).__name__ for part in plain] == ["RandomCrop", "ColorJitter", "MaybeToTensor", "Normalize"]


def test_the_strongest_posterization_is_black_and_not_an_error():
    randaugment = TrainTransform(AugmentConfig(), 32)._transform.transforms[2]
    posterize = next(op for op in randaugment.ops if "Posterize" in op.name)
    posterize.prob, posterize.magnitude, posterize.magnitude_std = 1.0, 10, 0
    assert np.asarray(posterize(picture())).max() == 0


def test_a_transform_can_be_sent_to_another_process():
    transform = pickle.loads(pickle.dumps(TrainTransform(AugmentConfig(), 32)))
    assert torch.equal(transform(picture(), (3,)), TrainTransform(AugmentConfig(), 32)(picture(), (3,)))


@pytest.mark.parametrize("size_wh", [(50, 40), (20, 64)])
def test_evaluation_resizes_the_short_side_and_cuts_the_centre(size_wh):
    from torchvision.transforms.functional import InterpolationMode, center_crop, normalize, resize, to_tensor

    image, config = picture(*size_wh), AugmentConfig()
    transform = EvalTransform(config, 28)
    expected = center_crop(resize(image, transform.resize_px, InterpolationMode.BICUBIC), 28)
    assert transform.resize_px == 32
    torch.testing.assert_close(transform(image), normalize(to_tensor(expected), config.mean, config.std))


def test_published_evaluation_sizes():
    """As the DeiT code: 256 for 224, 438 for 384."""
    assert [EvalTransform(AugmentConfig(), size).resize_px for size in (224, 384)] == [256, 438]


def test_cifar_is_upscaled_bicubic_as_the_authors_did():
    assert TrainTransform(AugmentConfig(), 224)(picture(32, 32), (0, 0)).shape == (3, 224, 224)
    assert EvalTransform(AugmentConfig(), 224)(picture(32, 32)).shape == (3, 224, 224)


def test_mixing_is_seeded_and_targets_follow_the_pixels():
    mixer = BatchMixer(AugmentConfig(label_smoothing=0.0, mixup=0.0), num_classes=2)
    images = torch.cat([torch.zeros(2, 3, 16, 16), torch.ones(2, 3, 16, 16)])
    labels = torch.tensor([0, 0, 1, 1])
    mixed, targets = mixer(images.clone(), labels, (1, 2))
    again, _ = mixer(images.clone(), labels, (1, 2))
    other, _ = mixer(images.clone(), labels, (1, 3))
    assert torch.equal(mixed, again) and not torch.equal(mixed, other)
    # CutMix of black and white pictures: the share of white is the target of class 1.
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), targets[:, 1], atol=1e-6, rtol=0)


def test_mixup_and_cutmix_are_switched_half_of_the_time():
    mixer = BatchMixer(AugmentConfig(), num_classes=2)
    images = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)])
    kinds = [mixer(images.clone(), torch.tensor([0, 1]), (step,))[0][0].unique().numel() for step in range(200)]
    cut = [index for index in range(200) if kinds[index] == 2]
    assert 50 < len(cut) < 150


def test_without_mixing_labels_are_smoothed():
    mixer = BatchMixer(AugmentConfig(mixup=0.0, cutmix=0.0), num_classes=4)
    images, targets = mixer(torch.ones(1, 3, 8, 8), torch.tensor([2]), (0,))
    torch.testing.assert_close(targets, torch.tensor([[0.025, 0.025, 0.925, 0.025]]))
    assert torch.equal(images, torch.ones(1, 3, 8, 8))


def test_an_odd_batch_is_refused():
    with pytest.raises(ValueError, match="even number of images, got 3"):
        BatchMixer(AugmentConfig(), 2)(torch.ones(3, 3, 8, 8), torch.zeros(3, dtype=torch.long), (0,))


def test_seeds_reach_all_three_generators():
    drawn = []
    for seed in ((1, 2), (1, 2), (2, 1)):
        with seeded(*seed):
            drawn.append((random.random(), np.random.rand(), float(torch.rand(()))))
    assert drawn[0] == drawn[1] and all(a != b for a, b in zip(drawn[0], drawn[2], strict=True))
