from collections import Counter

import numpy as np
import pytest
import torch
from image_fixtures import write_folders
from timm.data.distributed_sampler import RepeatAugSampler
from torch.utils.data import DataLoader

from backbone.augment import EvalTransform, TrainTransform
from backbone.batches import EpochSampler, ImageDataset, ShareSampler, collate
from backbone.config import AugmentConfig, ImageDataConfig
from backbone.datasets import open_images


def all_indices(sampler: EpochSampler) -> list[int]:
    return [index for batch in sampler for _, index in batch]


def test_repeats_show_a_third_of_the_images_three_times_on_one_process():
    """As the original RASampler: 1000 images keep 768, of 256 different ones."""
    sampler = EpochSampler(1000, batch_size=64, seed=0, repeats=3)
    counts = Counter(all_indices(sampler))
    assert sampler.steps_per_epoch == len(sampler) == 12
    assert len(counts) == 256 and set(counts.values()) == {3}


@pytest.mark.parametrize(("num_images", "world_size"), [(600, 4), (700, 1), (2000, 2)])
def test_repeats_are_those_of_the_original_sampler(num_images, world_size):
    """timm carries the DeiT code's RASampler; unshuffled it shows which place of the permutation comes when."""
    permutation = np.random.default_rng((4, 0)).permutation(num_images)
    place_of = {int(image): place for place, image in enumerate(permutation)}
    for rank in range(world_size):
        original = RepeatAugSampler(range(num_images), world_size, rank, shuffle=False, num_repeats=3)
        ours = EpochSampler(num_images, batch_size=32, seed=4, repeats=3, rank=rank, world_size=world_size)
        places = [place_of[index] for index in all_indices(ours)]
        whole_batches = len(original) * world_size // 32 * 32 // world_size  # its loader drops the last batch
        assert places == list(original)[:whole_batches]


def test_epochs_differ_and_a_seed_fixes_them():
    sampler = EpochSampler(40, batch_size=8, seed=1)
    first = all_indices(sampler)
    sampler.start_at(1, 0)
    second = all_indices(sampler)
    assert sorted(first) == sorted(second) == list(range(40)) and first != second
    again = EpochSampler(40, batch_size=8, seed=1)
    again.start_at(1, 3)
    assert all_indices(again) == second[24:] and len(again) == 2


def test_accumulation_and_processes_change_no_step():
    whole = list(EpochSampler(32, batch_size=16, seed=2))
    parts = [list(EpochSampler(32, batch_size=16, seed=2, accumulate=2, rank=r, world_size=2)) for r in range(2)]
    assert len(parts[0]) == 4 and len(parts[0][0]) == 4
    for step in range(2):
        found = {key for share in parts for batch in share[2 * step : 2 * step + 2] for key in batch}
        assert found == set(whole[step])
    positions = [position for batch in whole for position, _ in batch]
    assert positions == list(range(32))


def test_impossible_batches_are_refused():
    with pytest.raises(ValueError, match="multiple of processes x accumulate, 2 x 3"):
        EpochSampler(32, batch_size=8, seed=0, accumulate=3, world_size=2)
    with pytest.raises(ValueError, match="32 training images do not fill a batch of 64"):
        EpochSampler(32, batch_size=64, seed=0)


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("num_images", [0, 1, 10])
def test_shares_hold_every_image_once(world_size, num_images):
    shares = [ShareSampler(num_images, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(index for share in shares for index in share) == list(range(num_images))
    assert sum(map(len, shares)) == num_images


def open_training(tmp_path):
    return open_images(ImageDataConfig(root=str(tmp_path)), is_train=True)


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path):
    dataset = ImageDataset(open_training(write_folders(tmp_path)), TrainTransform(AugmentConfig(), 16), seed=3)
    batches = []
    for workers in (0, 2):
        sampler = EpochSampler(len(dataset), batch_size=8, seed=3)
        batches.append(list(DataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=collate)))
    for alone, together in zip(*batches, strict=True):
        assert torch.equal(alone.images, together.images) and torch.equal(alone.labels, together.labels)
        assert alone.names == together.names and alone.images.shape == (8, 3, 16, 16)


def test_copies_of_an_image_are_augmented_differently(tmp_path):
    dataset = ImageDataset(open_training(write_folders(tmp_path)), TrainTransform(AugmentConfig(), 16))
    assert not torch.equal(dataset[(0, 5)].image, dataset[(1, 5)].image)
    assert torch.equal(dataset[(0, 5)].image, dataset[(0, 5)].image)


def test_unreadable_images_are_replaced_in_training_and_left_out_of_evaluation(tmp_path):
    write_folders(tmp_path)
    broken = tmp_path / "train" / "class0" / "3.png"
    broken.write_bytes(b"broken")
    images = open_training(tmp_path)
    training = ImageDataset(images, TrainTransform(AugmentConfig(), 16))
    sample, again = training[(9, 3)], training[(9, 3)]
    assert sample.image is not None and sample.name != str(broken) and sample.name == again.name
    assert torch.equal(sample.image, again.image) and str(broken) in sample.unreadable[0]
    evaluation = ImageDataset(images, EvalTransform(AugmentConfig(), 16))
    batch = collate([evaluation[index] for index in range(2, 5)])
    assert len(batch.images) == len(batch.labels) == len(batch.names) == 2 and len(batch.unreadable) == 1
    assert len(collate([evaluation[3]]).labels) == 0
    with pytest.raises(ValueError, match=r"3\.png cannot be read"):
        ImageDataset(images, EvalTransform(AugmentConfig(), 16), unreadable="error")[3]


def test_nothing_but_broken_images_stops(tmp_path):
    write_folders(tmp_path, num_classes=1, train=2)
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(ValueError, match="17 images drawn in a row cannot be read"):
        ImageDataset(open_training(tmp_path), TrainTransform(AugmentConfig(), 16))[(0, 0)]
