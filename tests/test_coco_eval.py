import contextlib
import io
import json

import numpy as np
import pytest
import torch
from detector_fixtures import write_tree
from pycocotools import mask as mask_codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.coco_eval import (
    PUBLISHED_BOX_AP,
    clean_results,
    detections_to_coco,
    evaluate_detections,
    format_metrics,
    load_truth,
    match_detections,
    metrics_of,
    metrics_to_dict,
)
from layoutdeit.engines.base import Detections
from layoutdeit.labels import LABELS


def truth_as_results(path):
    """The annotations themselves, as perfect results."""
    rows = json.loads(path.read_text())["annotations"]
    return [{"image_id": r["image_id"], "category_id": r["category_id"], "bbox": r["bbox"], "score": 0.9} for r in rows]


def shaken_results(path, seed=0):
    rng = np.random.default_rng(seed)
    results = truth_as_results(path)
    for row in results:
        row["bbox"] = (np.array(row["bbox"]) + rng.normal(0, 2.5, 4)).tolist()
        row["score"] = float(rng.random())
        if rng.random() < 0.15:
            row["category_id"] = int(rng.integers(1, 6))
    return results


def test_perfect_results_score_one_and_absent_classes_none(tmp_path):
    path = write_tree(tmp_path, num_pages=3) / "train.json"
    metrics = evaluate_detections(path, truth_as_results(path))
    present = {r["category_id"] for r in truth_as_results(path)}
    assert metrics["overall"].ap == pytest.approx(1)
    for label in LABELS:
        expected = 1 if label.id in present else None
        assert metrics[label.name].ap == (expected and pytest.approx(expected))


def reference_numbers(path, results, iou_type, image_ids=None):
    """AP, AP50 and AP75 from pycocotools used directly: overall, and class by class."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        found = truth.loadRes([dict(row) for row in results])
        numbers = []
        for class_ids in ([label.id for label in LABELS], *([label.id] for label in LABELS)):
            reference = COCOeval(truth, found, iou_type)
            reference.params.catIds = class_ids
            if image_ids is not None:
                reference.params.imgIds = image_ids
            reference.evaluate()
            reference.accumulate()
            reference.summarize()
            numbers.append(reference.stats[:3].tolist())
    return numbers


def with_masks(results, path):
    """Each result with its box, moved by three pixels, as its mask."""
    sizes = {i["id"]: (i["height"], i["width"]) for i in json.loads(path.read_text())["images"]}
    rows = []
    for row in results:
        x, y, w, h = row["bbox"]
        polygon = [x + 3, y, x + w + 3, y, x + w + 3, y + h, x + 3, y + h]
        runs = mask_codec.merge(mask_codec.frPyObjects([polygon], *sizes[row["image_id"]]))
        rows.append({**row, "segmentation": {"size": runs["size"], "counts": runs["counts"].decode()}})
    return rows


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("image_ids", [None, [3, 4, 9, 20]])
def test_numbers_are_pycocotools_own(tmp_path, iou_type, image_ids):
    path = write_tree(tmp_path, num_pages=30) / "train.json"
    results = with_masks(shaken_results(path), path)
    metrics = metrics_of(match_detections(load_truth(path), results, iou_type=iou_type, image_ids=image_ids))
    expected = reference_numbers(path, results, iou_type, image_ids)
    for name, row in zip(("overall", *(label.name for label in LABELS)), expected, strict=True):
        mine = [-1 if value is None else value for value in metrics[name].to_dict().values()]
        assert mine == pytest.approx(row, abs=1e-12)
    assert 0.1 < metrics["overall"].ap < 0.9
    assert "id" not in results[0]  # entries stay as they were


def test_what_a_file_lacks_is_filled_in(tmp_path):
    path = write_tree(tmp_path, num_pages=10) / "train.json"
    results = with_masks(shaken_results(path), path)
    whole = [evaluate_detections(path, results, iou_type=kind) for kind in ("bbox", "segm")]
    content = json.loads(path.read_text())
    for number, row in enumerate(content["annotations"]):
        row["iscrowd"] = row["area"] = None
        if number % 2:
            del row["iscrowd"], row["area"]
        row["segmentation"] = [None, [], [[1, 2]]][number % 3]
    del content["annotations"][0]["segmentation"]
    content["categories"] = []
    content["annotations"] += [{"id": 900, "image_id": 1, "category_id": 1, **box} for box in ({}, {"bbox": [1, 2]})]
    path.write_text(json.dumps(content))
    assert [evaluate_detections(path, results, iou_type=kind) for kind in ("bbox", "segm")] == whole


@pytest.mark.parametrize("numbering", ["from zero", "by page", "none"])
def test_how_annotations_are_numbered_does_not_matter(tmp_path, numbering):
    """pycocotools takes equal ids for one region, and a match with id 0 for none."""
    path = write_tree(tmp_path, num_pages=6) / "train.json"
    results = shaken_results(path)
    expected = evaluate_detections(path, results)
    content = json.loads(path.read_text())
    by_page: dict[int, int] = {}
    for number, row in enumerate(content["annotations"]):
        if numbering == "none":
            del row["id"]
        else:
            by_page[row["image_id"]] = by_page.get(row["image_id"], 0) + 1
            row["id"] = number if numbering == "from zero" else by_page[row["image_id"]]
    del content["categories"]  # no reader of ours asks for them
    path.write_text(json.dumps(content))
    assert evaluate_detections(path, results) == expected


def test_a_broken_run_length_mask_is_its_box(tmp_path):
    """pycocotools goes on for ever with run lengths that do not fill the page."""
    path = write_tree(tmp_path, num_pages=3) / "train.json"
    results = truth_as_results(path)
    content = json.loads(path.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for row, entry in zip(content["annotations"], results, strict=True):
        height, width = sizes[row["image_id"]]
        mask = np.zeros((height, width), np.uint8, order="F")
        x, y, w, h = map(round, row["bbox"])
        mask[y : y + h, x : x + w] = 1
        entry["segmentation"] = mask_codec.encode(mask)
    whole = {"size": list(sizes[content["annotations"][0]["image_id"]])}
    counts = results[0]["segmentation"]["counts"].decode()
    broken = [counts[:-2], "", [5, 7], None, [-1, 1 + whole["size"][0] * whole["size"][1]]]
    for row, wrong in zip(content["annotations"], [*broken, *[counts] * 99], strict=False):
        row["segmentation"] = {"counts": wrong, "size": list(sizes[row["image_id"]])}
        if wrong == counts:
            row["segmentation"]["size"] = [4, 4]  # of another page
    path.write_text(json.dumps(content))
    outlines = [row["segmentation"] for row in load_truth(path).dataset["annotations"]]
    assert all(isinstance(outline, list) and len(outline[0]) == 8 for outline in outlines)
    assert evaluate_detections(path, results, iou_type="segm")["overall"].ap == pytest.approx(1)


def test_a_box_that_stands_for_its_outline_ends_at_the_page(tmp_path):
    """It covers the same pixels, and pycocotools takes no memory for those outside."""
    path = write_tree(tmp_path, num_pages=1) / "train.json"
    content = json.loads(path.read_text())
    height, width = content["images"][0]["height"], content["images"][0]["width"]
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(-60, 160, (200, 2)), rng.uniform(1, 200, (200, 2))], axis=1)  # xywh
    boxes = [*boxes.tolist(), *boxes.round().tolist(), [-1e300, 20, 2e300, 10]]
    content["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": box} for box in boxes]
    path.write_text(json.dumps(content))
    truth = load_truth(path)
    rows = truth.dataset["annotations"]
    for box, row in zip(boxes[:-1], rows[:-1], strict=True):
        x, y, w, h = box
        whole = mask_codec.frPyObjects([[x, y, x + w, y, x + w, y + h, x, y + h]], height, width)
        assert mask_codec.merge(whole) == truth.annToRLE(row)
    assert rows[-1]["segmentation"] == [[0, 20, width, 20, width, 30, 0, 30]] and rows[-1]["bbox"] == boxes[-1]


def test_a_crowd_is_any_number_but_zero(tmp_path):
    path = write_tree(tmp_path, num_pages=3) / "train.json"
    results, content = truth_as_results(path), json.loads(path.read_text())
    numbers = []
    for is_crowd in (1, 256, 2**70, True):
        content["annotations"][0]["iscrowd"] = is_crowd
        path.write_text(json.dumps(content))
        numbers.append(evaluate_detections(path, results[1:]))
    assert numbers == numbers[:1] * 4 and numbers[0]["overall"].ap == pytest.approx(1)


def test_pages_that_training_leaves_out_change_no_number(tmp_path):
    path = write_tree(tmp_path, num_pages=3) / "train.json"
    results = with_masks(truth_as_results(path), path)
    content = json.loads(path.read_text())
    for row, entry in zip(content["annotations"], results, strict=True):
        row["segmentation"] = entry["segmentation"]
    path.write_text(json.dumps(content))
    expected = evaluate_detections(path, results, iou_type="segm")
    assert expected["overall"].ap == pytest.approx(1)
    content["images"].append({**content["images"][0], "width": 10, "height": 20})  # repeats an id
    content["images"] += [{"id": 90, "file_name": "a.png", "width": 0, "height": 20}]
    content["images"] += [{"id": 91, "file_name": "b.png", "width": -5, "height": 20}]
    content["annotations"] += [{**content["annotations"][0], "image_id": image_id} for image_id in (90, 91)]
    path.write_text(json.dumps(content))
    image_ids = read_annotations(path).image_ids.tolist()
    assert metrics_of(match_detections(load_truth(path), results, iou_type="segm", image_ids=image_ids)) == expected


def test_post_processing_is_that_of_the_analysis():
    entries = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 20], "score": 0.6},
        {"image_id": 1, "category_id": 4, "bbox": [0, 0, 50, 21], "score": 0.9},  # the same place, better
        {"image_id": 1, "category_id": 1, "bbox": [0, 60, 50, 20], "score": 0.2},
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 20], "score": 0.6},
    ]
    assert clean_results(entries) == [entries[1], entries[2], entries[3]]
    assert clean_results([]) == []


def test_no_results_score_zero(tmp_path):
    path = write_tree(tmp_path, num_pages=30) / "train.json"
    assert evaluate_detections(path, [])["overall"].ap == 0.0
    write_tree(tmp_path, num_pages=1, split="empty")
    assert evaluate_detections(tmp_path / "empty.json", [])["overall"].ap is None


def test_detections_become_results_and_masks_score(tmp_path):
    path = write_tree(tmp_path, num_pages=2) / "train.json"
    rows = [r for r in json.loads(path.read_text())["annotations"] if r["image_id"] == 1]
    boxes = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in (r["bbox"] for r in rows)], dtype=torch.float32)
    masks = torch.zeros(len(rows), 130, 100, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    labels = torch.tensor([r["category_id"] for r in rows])
    found = Detections(boxes, labels, torch.full((len(rows),), 0.8), masks)
    results = detections_to_coco(found, image_id=1)
    assert [r["bbox"] for r in results] == [r["bbox"] for r in rows]
    assert evaluate_detections(path, results)["overall"].ap == pytest.approx(1)
    assert evaluate_detections(path, results, iou_type="segm")["overall"].ap == pytest.approx(1)


def test_no_detections_give_no_results():
    empty = Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert detections_to_coco(empty, image_id=1) == []


def test_the_table_and_the_dictionary_have_the_promised_rows(tmp_path):
    path = write_tree(tmp_path, num_pages=30) / "train.json"
    metrics = evaluate_detections(path, shaken_results(path))
    content = metrics_to_dict(metrics, metrics)
    names = {"overall", "text", "title", "list", "table", "figure"}
    assert set(content) == names | {"mask"} and set(content["mask"]) == names == set(PUBLISHED_BOX_AP)
    assert set(content["table"]) == {"AP", "AP50", "AP75"}
    table = format_metrics(metrics, None, published=True)
    assert f"{metrics['table'].ap:.3f}" in table and "0.972" in table
    assert "published" not in format_metrics(metrics, metrics)
