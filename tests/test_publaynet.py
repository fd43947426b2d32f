import json

import numpy as np
import pytest
import torch
from detector_fixtures import write_tree

from layoutdeit.config import DataConfig
from layoutdeit.publaynet import PageDataset, RunSampler, read_annotations, read_image


def write_coco(path, annotations, *, images=None):
    images = images or [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return path


def row(box, *, image_id=7, category_id=1, **more):
    return {"id": 1, "image_id": image_id, "category_id": category_id, "bbox": box, "iscrowd": 0, **more}


def test_boxes_are_read_as_xyxy_by_page(tmp_path):
    annotations = read_annotations(write_tree(tmp_path) / "train.json")
    truth = json.loads((tmp_path / "train.json").read_text())
    assert len(annotations) == 6 and annotations.num_dropped == 0
    for page, image in enumerate(truth["images"]):
        rows = [r for r in truth["annotations"] if r["image_id"] == image["id"]]
        mine = annotations.boxes[annotations.offsets[page] : annotations.offsets[page + 1]]
        expected = np.array([[x, y, x + w, y + h] for x, y, w, h in (r["bbox"] for r in rows)]).reshape(-1, 4)
        np.testing.assert_allclose(mine, expected)


def test_odd_boxes_are_cut_or_counted(tmp_path):
    rows = [
        row([-10, -10, 60, 40]),  # sticks out: cut
        row([120, 10, 5, 5]),  # outside
        row([10, 10, 0, 5]),  # empty
        row([10, 10, 5, 5], category_id=9),
        row([10, 10, 5, 5], image_id=99),
        row([10, 10, 5, 5], iscrowd=1),
    ]
    annotations = read_annotations(write_coco(tmp_path / "a.json", rows))
    assert annotations.boxes.tolist() == [[0, 0, 50, 30]]
    assert annotations.num_dropped == 5


def test_no_annotations_and_no_images(tmp_path):
    empty_page = read_annotations(write_coco(tmp_path / "a.json", []))
    assert len(empty_page) == 1 and empty_page.offsets.tolist() == [0, 0]
    (tmp_path / "b.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert len(read_annotations(tmp_path / "b.json")) == 0


def test_wrong_files_say_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected PubLayNet's tree"):
        read_annotations(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="not a COCO annotation file"):
        read_annotations(tmp_path / "list.json")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="broken.jpg cannot be read"):
        read_image(tmp_path / "broken.jpg")


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
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", DataConfig(root=str(root)), seed=3)
    first, again, other = dataset[(5, 0)], dataset[(5, 0)], dataset[(6, 0)]
    assert torch.equal(first.image, again.image) and torch.equal(first.target.boxes, again.target.boxes)
    assert first.image.shape != other.image.shape or not torch.equal(first.image, other.image)


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
