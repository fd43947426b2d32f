import json

import numpy as np
import pytest
import torch
from detector_fixtures import write_tree
from pycocotools.coco import COCO

from layoutdeit.config import DataConfig, InputConfig
from layoutdeit.engines.preprocess import prepare_images
from layoutdeit.publaynet import PageDataset, RunSampler, evaluation_batches, read_annotations


def training_set(root, **options):
    config = DataConfig(root=str(root), crop_range_px=(60, 90), **options)
    return PageDataset(read_annotations(root / "train.json"), root / "train", config, seed=3, with_masks=True)


def add_outlines(root):
    """Give the first box of every page an outline: its upper left half."""
    content = json.loads((root / "train.json").read_text())
    seen = set()
    for row in content["annotations"]:
        if row["image_id"] not in seen:
            seen.add(row["image_id"])
            x, y, w, h = row["bbox"]
            row["segmentation"] = [[x, y, x + w, y, x, y + h]]
    (root / "train.json").write_text(json.dumps(content))


def test_samples_for_evaluation_are_untouched_pages(tmp_path):
    root = write_tree(tmp_path)
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", None)
    sample = dataset[0]
    assert sample.image.shape == (3, 130, 100) and sample.image.dtype == torch.uint8
    assert sample.target.boxes.shape == (3, 4) and sample.target.labels.dtype == torch.int64
    x0, y0, x1, y1 = sample.target.boxes[0].int().tolist()
    assert (sample.image[:, y0:y1, x0:x1] != 255).any() and (sample.image[:, : y0 - 1, x0:x1] == 255).all()
    assert dataset[5].target.boxes.shape == (0, 4)


def test_a_position_always_draws_the_same_augmentation(tmp_path):
    root = write_tree(tmp_path)
    dataset = training_set(root)
    first, again, other = dataset[(5, 0)], dataset[(5, 0)], dataset[(6, 0)]
    assert torch.equal(first.image, again.image) and torch.equal(first.target.boxes, again.target.boxes)
    assert first.image.shape != other.image.shape or not torch.equal(first.image, other.image)
    assert first.target.seed == again.target.seed != other.target.seed and first.target.to("cpu").seed is not None
    assert dataset[0].target.seed is None  # nothing is drawn in evaluation


def test_masks_are_pycocotools_own(tmp_path):
    root = write_tree(tmp_path)
    assert training_set(root)._sample(training_set(root)._page(0), 0).target.masks is None  # boxes only
    add_outlines(root)
    dataset = training_set(root)
    sample = dataset._sample(dataset._page(0), 0)
    truth = COCO(str(root / "train.json"))
    expected = [truth.annToMask(row) for row in truth.loadAnns(truth.getAnnIds(imgIds=[1]))]
    np.testing.assert_array_equal(sample.target.masks.numpy(), np.stack(expected).astype(bool))
    without = PageDataset(dataset.annotations, root / "train", None)
    assert without[0].target.masks is None


@pytest.mark.parametrize("augmentation", ["varied", "published"])
def test_masks_follow_the_page_through_augmentation(tmp_path, augmentation):
    root = write_tree(tmp_path)
    add_outlines(root)
    dataset = training_set(root, augmentation=augmentation, crop_probability=0.8)
    seen = 0
    for position in range(40):
        sample = dataset[(position, position % 5)]
        target, (height, width) = sample.target, sample.image.shape[-2:]
        if target.masks is None or not len(target.boxes):
            continue
        assert target.masks.shape == (len(target.boxes), height, width)
        for mask, (x0, y0, x1, y1) in zip(target.masks, target.boxes.tolist(), strict=True):
            rows, columns = mask.nonzero(as_tuple=True)
            if len(rows):
                assert rows.min() >= y0 - 1 and rows.max() <= y1 + 1
                assert columns.min() >= x0 - 1 and columns.max() <= x1 + 1
                seen += 1
    assert seen > 20


def test_pages_without_picture_are_left_out_and_counted(tmp_path):
    root = write_tree(tmp_path)
    for name in ("page0.png", "page3.png"):
        (root / "train" / name).unlink()
    dataset = training_set(root)
    assert len(dataset) == 4 and dataset.image_ids().tolist() == [2, 3, 5, 6]
    assert dataset[0].file_name == "page1.png"
    assert "2 pictures are not in" in dataset.report_lines()[-1] and "page0.png" in dataset.report_lines()[-1]
    for path in (root / "train").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="none of 6 pictures is in .*: expected page0.png there"):
        training_set(root)


def test_training_takes_another_page_for_a_broken_one(tmp_path):
    root = write_tree(tmp_path)
    (root / "train" / "page1.png").write_bytes(b"no picture")
    (root / "train" / "page2.png").write_bytes((root / "train" / "page0.png").read_bytes())  # of another size
    dataset = training_set(root)
    sample = dataset[(9, 1)]
    assert sample.file_name == "page3.png"
    assert "page1.png cannot be read" in sample.broken[0] and "page2.png has 100 x 130 pixels" in sample.broken[1]
    assert dataset[(9, 3)].broken == ()
    with pytest.raises(ValueError, match="page1.png cannot be read"):
        dataset[1]
    for path in (root / "train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="20 pictures in a row cannot be read"):
        dataset[(0, 0)]


def test_evaluation_batches_have_one_padded_size_and_every_page_once(tmp_path):
    root = write_tree(tmp_path, num_pages=30)  # heights 130 to 246, width 100
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", None)
    settings = InputConfig(short_side=96, long_side=160, train_short_sides=[96])
    found = evaluation_batches(dataset, settings, 4)
    assert sorted(index for batch in found for index in batch) == list(range(30))
    assert {len(batch) for batch in found} >= {4} and all(batch == sorted(batch) for batch in found)
    for batch in found:
        images = [dataset[index].image.float() / 255 for index in batch]
        options = {"mean": settings.mean, "std": settings.std, "size_divisor": 32}
        sides = {"short_side": settings.short_side, "long_side": settings.long_side}
        alone = {tuple(prepare_images([image], **sides, **options).images.shape[-2:]) for image in images}
        assert alone == {tuple(prepare_images(images, **sides, **options).images.shape[-2:])}
    assert [len(batch) for batch in evaluation_batches(dataset, settings, 1)] == [1] * 30


def batches(first_step=0, num_steps=7, rank=0, world_size=1, seed=0):
    return list(
        RunSampler(
            10,
            batch_size=4,
            first_step=first_step,
            num_steps=num_steps,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
    )


def test_every_epoch_sees_every_page_once():
    flat = [index for batch in batches(num_steps=5) for _, index in batch]
    assert sorted(flat[:10]) == sorted(flat[10:20]) == list(range(10))
    assert flat[:10] != flat[10:20]


def test_a_resumed_run_and_several_processes_draw_the_same_pages():
    whole = batches()
    assert batches(first_step=3) == whole[3:]
    halves = zip(batches(rank=0, world_size=2), batches(rank=1, world_size=2), strict=True)
    assert [sorted(a + b) for a, b in halves] == [sorted(batch) for batch in whole]
    assert batches(seed=1) != whole


def test_an_indivisible_batch_is_refused():
    with pytest.raises(ValueError, match="must be a multiple of the number of processes, 3"):
        batches(world_size=3)
