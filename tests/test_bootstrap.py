import copy
import json

import numpy as np
import pytest
from detector_fixtures import write_tree

from layoutdeit.bootstrap import Interval, ap_gain_intervals, ap_intervals, average_precision, class_matches
from layoutdeit.coco_eval import load_truth, match_detections, metrics_of
from layoutdeit.labels import LABELS


@pytest.fixture
def tree(tmp_path):
    """Annotations of 25 pages, and results that are partly wrong, all scores different."""
    path = write_tree(tmp_path, num_pages=25) / "train.json"
    rng = np.random.default_rng(0)
    results = []
    for row in json.loads(path.read_text())["annotations"]:
        for _ in range(rng.integers(0, 4)):
            box = (np.array(row["bbox"]) + rng.normal(0, 3, 4)).tolist()
            category = row["category_id"] if rng.random() < 0.8 else int(rng.integers(1, 6))
            results.append({"image_id": row["image_id"], "category_id": category, "bbox": box, "score": rng.random()})
    return path, results


def precisions(evaluator, weights):
    return [average_precision(m, weights, evaluator.params.recThrs) for m in class_matches(evaluator)]


def test_every_page_once_gives_pycocotools_numbers(tree):
    path, results = tree
    evaluator = match_detections(load_truth(path), results)
    expected = [metrics_of(evaluator)[label.name].ap for label in LABELS]
    assert precisions(evaluator, np.ones(25, int)) == pytest.approx(expected, abs=1e-12)


def test_a_weight_is_the_page_so_many_times(tree, tmp_path):
    """The same as evaluating a file in which the pages stand as often as drawn."""
    path, results = tree
    weights = np.bincount(np.random.default_rng(1).integers(25, size=25), minlength=25)
    content = json.loads(path.read_text())
    copies = {"images": [], "annotations": [], "categories": content["categories"]}
    copied_results = []
    for page, image in enumerate(content["images"]):
        for number in range(weights[page]):
            image_id = image["id"] + 1000 * number
            copies["images"].append({**image, "id": image_id})
            for row in content["annotations"]:
                if row["image_id"] == image["id"]:
                    copies["annotations"].append({**row, "image_id": image_id, "id": len(copies["annotations"]) + 1})
            copied_results += [{**r, "image_id": image_id} for r in results if r["image_id"] == image["id"]]
    (tmp_path / "copies.json").write_text(json.dumps(copies))
    expected = metrics_of(match_detections(load_truth(tmp_path / "copies.json"), copied_results))
    mine = precisions(match_detections(load_truth(path), results), weights)
    assert weights.max() >= 3
    assert mine == pytest.approx([expected[label.name].ap for label in LABELS], abs=1e-9)


def test_intervals_hold_the_estimate_and_shrink_with_more_pages(tree):
    path, results = tree
    evaluator = match_detections(load_truth(path), results)
    intervals = ap_intervals(evaluator, num_resamples=200)
    overall = metrics_of(evaluator)["overall"].ap
    assert intervals["overall"].low < overall < intervals["overall"].high
    assert intervals == ap_intervals(evaluator, num_resamples=200)
    few = match_detections(load_truth(path), results, image_ids=range(1, 7))
    width = intervals["overall"].high - intervals["overall"].low
    width_of_few = ap_intervals(few, num_resamples=200)["overall"]
    assert width_of_few.high - width_of_few.low > width


def test_the_gain_over_other_detections_is_told_page_by_page(tree):
    """Far more sharply than the two intervals tell it; nothing is gained over oneself."""
    path, _ = tree
    truth, rng = load_truth(path), np.random.default_rng(0)
    near, far = [], []  # the same, twice as far from the truth
    for row in json.loads(path.read_text())["annotations"]:
        found = {"image_id": row["image_id"], "category_id": row["category_id"], "score": rng.random()}
        shift = rng.normal(0, 2, 4)
        near.append({**found, "bbox": (np.array(row["bbox"]) + shift).tolist()})
        far.append({**found, "bbox": (np.array(row["bbox"]) + 2 * shift).tolist()})
    best, worse = match_detections(truth, near), match_detections(truth, far)
    gain = ap_gain_intervals(best, worse, num_resamples=200)["overall"]
    step = metrics_of(best)["overall"].ap - metrics_of(worse)["overall"].ap
    alone = ap_intervals(best, num_resamples=200)["overall"]
    assert 0 < gain.low < step < gain.high and gain.high - gain.low < alone.high - alone.low
    back = ap_gain_intervals(worse, best, num_resamples=200)["overall"]
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))
    assert set(ap_gain_intervals(best, best, num_resamples=5).values()) == {Interval(0, 0)}
    with pytest.raises(ValueError, match="different pages"):
        ap_gain_intervals(best, match_detections(truth, far, image_ids=range(1, 7)), num_resamples=5)


def test_no_results_and_no_regions(tree, tmp_path):
    path, results = tree
    nothing = ap_intervals(match_detections(load_truth(path), []), num_resamples=10)
    assert nothing["overall"].high == 0
    content = copy.deepcopy(json.loads(path.read_text()))
    content["annotations"] = [row for row in content["annotations"] if row["category_id"] == 1]
    (tmp_path / "texts.json").write_text(json.dumps(content))
    intervals = ap_intervals(match_detections(load_truth(tmp_path / "texts.json"), results), num_resamples=10)
    assert intervals["table"] is None and intervals["text"] == intervals["overall"]
