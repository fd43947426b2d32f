import json

import pytest

from layoutdeit.ablation import ablate, format_ablation, overlap_rate
from layoutdeit.coco_eval import load_truth
from layoutdeit.labels import LABELS
from layoutdeit.postprocess import RULES


def entry(box: list[float], label: int, score: float, image_id: int = 1) -> dict:
    return {"image_id": image_id, "category_id": label, "bbox": box, "score": score}


@pytest.fixture
def truth(tmp_path):
    """Two pages, a table and a paragraph on each."""
    boxes = [([10, 10, 100, 50], 4), ([10, 80, 100, 20], 1)]
    annotations = [
        {"id": 2 * page + n, "image_id": page, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for page in (1, 2) for n, (box, label) in enumerate(boxes)
    ]  # fmt: skip
    images = [{"id": page, "file_name": f"{page}.png", "width": 200, "height": 200} for page in (1, 2)]
    categories = [{"id": label.id, "name": label.name} for label in LABELS]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return load_truth(path)


def test_every_rule_is_switched_off_once_and_ap_is_that_of_pycocotools(truth):
    found = [entry([10, 10, 100, 50], 4, 0.9, page) for page in (1, 2)] + [
        entry([10, 80, 100, 20], 1, 0.8),
        entry([10, 12, 100, 48], 5, 0.7),
        entry([20, 20, 30, 10], 1, 0.85),
    ]
    rows = {row.name: row for row in ablate(truth, sorted(found, key=lambda e: e["image_id"]), [1, 2])}
    assert list(rows) == ["raw", "all rules", *(f"without {rule}" for rule in RULES)]
    assert rows["raw"].overlap_rate == 2 / 5 and rows["all rules"].overlap_rate == 0
    assert rows["without double"].overlap_rate == pytest.approx(2 / 4)
    assert rows["all rules"].ap > rows["without part"].ap  # a line of the table, taken for text, costs precision
    assert "all rules" in format_ablation(list(rows.values()))


def test_only_shown_boxes_of_one_page_overlap():
    box = [0, 0, 10, 10]
    assert overlap_rate([entry(box, 1, 0.9), entry(box, 2, 0.6)]) == 1
    assert overlap_rate([entry(box, 1, 0.9), entry(box, 2, 0.4)]) == 0
    assert overlap_rate([entry(box, 1, 0.9), entry(box, 2, 0.6, image_id=2)]) == 0
    assert overlap_rate([]) == 0
