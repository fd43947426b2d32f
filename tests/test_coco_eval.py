import contextlib
import io
import json

import numpy as np
import pytest
import torch
from detector_fixtures import write_tree
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layoutdeit.coco_eval import detections_to_coco, evaluate_detections, format_metrics, write_metrics
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


def test_numbers_are_pycocotools_own(tmp_path):
    path = write_tree(tmp_path, num_pages=30) / "train.json"
    results = shaken_results(path)
    metrics = evaluate_detections(path, results)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        reference = COCOeval(truth, truth.loadRes(results), "bbox")
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
    overall = metrics["overall"]
    assert [overall.ap, overall.ap50, overall.ap75] == pytest.approx(reference.stats[:3].tolist(), abs=1e-12)
    assert 0.1 < overall.ap < 0.9
    classes = [metrics[label.name].ap for label in LABELS]
    assert overall.ap == pytest.approx(np.mean(classes), abs=1e-9)


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


def test_metrics_file_has_the_promised_keys(tmp_path):
    path = write_tree(tmp_path, num_pages=30) / "train.json"
    metrics = evaluate_detections(path, shaken_results(path))
    write_metrics(tmp_path / "new" / "metrics.json", metrics, metrics)
    content = json.loads((tmp_path / "new" / "metrics.json").read_text())
    names = {"overall", "text", "title", "list", "table", "figure"}
    assert set(content) == names | {"mask"} and set(content["mask"]) == names
    assert set(content["table"]) == {"AP", "AP50", "AP75"}
    assert f"{metrics['table'].ap:.3f}" in format_metrics(metrics, None)
