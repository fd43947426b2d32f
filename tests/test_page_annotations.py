import io
import json

import numpy as np
import pytest
from detector_fixtures import write_tree

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.annotation_report import DROPPED, NOTED
from layoutdeit.coco_eval import load_truth
from layoutdeit.page_annotations import parse_annotations

CATEGORIES = [{"id": 1, "name": "text"}]


def write_coco(path, annotations, *, images=None, categories=CATEGORIES):
    images = images or [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def row(box, *, image_id=7, category_id=1, **more):
    return {"id": 1, "image_id": image_id, "category_id": category_id, "bbox": box, "iscrowd": 0, **more}


def test_boxes_are_read_as_xyxy_by_page(tmp_path):
    annotations = read_annotations(write_tree(tmp_path) / "train.json")
    truth = json.loads((tmp_path / "train.json").read_text())
    assert len(annotations) == 6 and annotations.num_dropped == 0
    for page, image in enumerate(truth["images"]):
        rows = [r for r in truth["annotations"] if r["image_id"] == image["id"]]
        mine = annotations.boxes[annotations.rows_of(page)]
        expected = np.array([[x, y, x + w, y + h] for x, y, w, h in (r["bbox"] for r in rows)]).reshape(-1, 4)
        np.testing.assert_allclose(mine, expected)
        assert annotations.labels[annotations.rows_of(page)].tolist() == [r["category_id"] for r in rows]
        assert annotations.file_name(page) == image["file_name"]


def test_everything_odd_is_handled_and_counted_once(tmp_path):
    square = [[10, 10, 20, 10, 20, 20, 10, 20]]
    rows = [
        row([-10, -10, 60, 40], segmentation=square),  # sticks out: cut
        row([120, 10, 5, 5], category_id=1),  # outside
        row([10, 10, 0, 5]),  # zero area
        row([99.5, 10, 5, 5]),  # thin once cut
        row([10, 10, 5, 5], category_id=9),
        row([10, 10, 5, 5], category_id=0),
        row([10, 10, 5, 5], image_id=99),
        row([10, 10, 5, 5], image_id=99, category_id=9),  # counted as of no page only
        row([10, 10, 5, 5], iscrowd=1),
        row([10, 10, 5], segmentation=square),
        {"image_id": 7, "category_id": 1},
        row([10, 10, 10, 10], segmentation=[[10, 10, 20, 20]]),  # two points
        row([10, 10, 10, 10], segmentation=square),
    ]
    images = [
        {"id": 7, "file_name": "é.jpg", "width": 100, "height": 50},
        {"id": 7, "file_name": "again.jpg", "width": 10, "height": 10},
        {"id": 3, "file_name": "sub/b.jpg", "width": 20, "height": 30},
        {"id": 5, "file_name": "flat.jpg", "width": 20, "height": 0},
    ]
    categories = [{"id": 1, "name": "text"}, {"id": 3, "name": "table"}]
    annotations = read_annotations(write_coco(tmp_path / "a.json", rows, images=images, categories=categories))
    assert [*annotations.file_names()] == ["sub/b.jpg", "é.jpg"] and annotations.image_ids.tolist() == [3, 7]
    assert annotations.boxes.tolist() == [[0, 0, 50, 30], [10, 10, 20, 20], [10, 10, 20, 20]]
    report = annotations.report
    assert report.problems == {
        "no_page": 2,
        "crowd": 1,
        "unknown_category": 2,
        "no_box": 2,
        "zero_area": 1,
        "outside": 1,
        "thin": 1,
        "cut": 1,
        "no_outline": 9,
        "broken_outline": 1,
        "pages_without_boxes": 1,
        "repeated_pages": 1,
        "pages_without_size": 1,
        "odd_categories": 1,
    }
    assert annotations.num_dropped == 10 and report.num_boxes == 3 and report.num_rows == 13
    text = "\n".join(report.lines())
    assert "2 annotations belong to no page of the file: left out (image 99, ...)" in text
    assert "3 'table', expected 'list'" in text
    assert len(report.lines()) == 1 + len(DROPPED) + len(NOTED)


@pytest.mark.parametrize(
    "outline",
    [
        {"size": [25, 50], "counts": [50, 3, 47, 3, 1147]},  # of another picture
        {"size": [50, 100], "counts": "o" * 200 + "0"},
        {"size": [50, 100], "counts": [2**70]},
        [[2, 2, 30, 2, 1e8, 12]],
        [[2, 2, 30, 2, -1e300, 12]],
        [[2, 2, 30, 2, 30, 12], [2, 2, 30, 2, 250, 12]],  # more than its page's size off
        {"size": [50, 100], "counts": [2**62, 2**62, 2**62, 2**62, 5000]},  # in 64 bits the sum is right
        {"size": [1, 2 * 10**9], "counts": [0, 2 * 10**9]},
        {"size": [-50, -100], "counts": [5000]},
    ],
)
def test_a_box_stands_for_an_outline_that_cannot_be_drawn(tmp_path, outline):
    path = write_coco(tmp_path / "a.json", [row([2, 2, 28, 23], segmentation=outline)])
    annotations = read_annotations(path)
    assert annotations.outline(0) == [] and annotations.report.problems["broken_outline"] == 1
    assert annotations.report.num_rle == annotations.report.num_polygons == 0
    truth = load_truth(path)
    assert truth.dataset["annotations"][0]["segmentation"] == [[2, 2, 30, 2, 30, 25, 2, 25]]  # evaluation agrees


def test_an_outline_off_its_page_is_told_from_those_beside_it(tmp_path):
    far, near = [2, 2, 30, 2, 30, -250], [2, 2, 30, 2, 30, -150]
    runs = {"size": [50, 100], "counts": [50, 3, 47, 3, 4897]}
    outlines = [[near], None, [near, far], runs, [near, near], {**runs, "size": [100, 50]}]
    path = write_coco(tmp_path / "a.json", [row([2, 2, 28, 23], segmentation=outline) for outline in outlines])
    annotations = read_annotations(path)
    assert [len(annotations.outline(index)) for index in range(6)] == [1, 0, 0, 1, 2, 0]
    report = annotations.report
    assert (report.num_polygons, report.num_rle, report.problems["broken_outline"]) == (2, 1, 2)
    truth = load_truth(path).dataset["annotations"]
    assert [index for index in range(6) if truth[index]["segmentation"] == outlines[index]] == [0, 3, 4]


def test_outlines_come_back_as_they_were(tmp_path):
    l_shape = [2, 2, 30, 2, 30, 12, 14.5, 12, 14.5, 25, 2, 25]
    rows = [
        row([2, 2, 28, 23], segmentation=[l_shape, [40, 2, 50, 2, 50, 9]]),
        row([5, 5, 10, 10], segmentation=[[5, 5, 15, 5, 15, 15, 5, 15]]),
        row([1, 0, 2, 3], image_id=3, segmentation={"size": [50, 100], "counts": [50, 3, 47, 3, 4897]}),
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 50} for i in (3, 7)]
    annotations = read_annotations(write_coco(tmp_path / "a.json", rows, images=images))
    assert [polygon.tolist() for polygon in annotations.outline(0)] == [[[1, 0], [3, 0], [3, 3], [1, 3]]]
    first, second = annotations.outline(1)
    np.testing.assert_array_equal(first.ravel(), np.float32(l_shape))
    assert second.shape == (3, 2)
    assert annotations.outline(2) == []  # the box itself
    report = annotations.report
    assert (report.num_polygons, report.num_rle, report.num_rectangles) == (1, 1, 1)


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


def test_points_go_to_the_file_alone(tmp_path):
    points = io.BytesIO()
    arrays, _ = parse_annotations(
        write_coco(tmp_path / "a.json", [row([1, 1, 9, 9], segmentation=[[1, 1, 9, 1, 9, 10]])]), points
    )
    assert np.frombuffer(points.getvalue(), np.float32).tolist() == [1, 1, 9, 1, 9, 10]
    assert arrays["polygon_offsets"].tolist() == [0, 6]
