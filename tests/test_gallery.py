import base64
import io
import json
import re

import numpy as np
from detector_fixtures import write_tree
from PIL import Image

from layoutdeit.coco_eval import load_truth, match_detections
from layoutdeit.gallery import draw_boxes, page_scores, write_gallery
from layoutdeit.publaynet import PageDataset, read_annotations


def perfect_but(root, wrong_pages):
    """Results equal to the truth, but nothing right on some pages."""
    rows = json.loads((root / "train.json").read_text())["annotations"]
    results = [{key: row[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9} for row in rows]
    for row in results:
        if row["image_id"] in wrong_pages:
            row["bbox"] = [0, 0, 3, 3]
    return results


def test_pages_are_scored_worst_first(tmp_path):
    root = write_tree(tmp_path)
    results = perfect_but(root, {2})
    unsure = {"image_id": 3, "category_id": 1, "bbox": [0, 0, 3, 3], "score": 0.4}
    surplus = {"image_id": 6, "category_id": 1, "bbox": [0, 0, 3, 3], "score": 0.6}  # the empty page
    scores = page_scores(match_detections(load_truth(root / "train.json"), [*results, unsure, surplus]))
    assert [score.image_id for score in scores][:2] == [2, 6] and len(scores) == 6
    assert scores[0].f1 == 0 and (scores[0].num_regions, scores[0].num_found, scores[0].num_right) == (3, 3, 0)
    assert [score.f1 for score in scores[2:]] == [1, 1, 1, 1]
    nothing = page_scores(match_detections(load_truth(root / "train.json"), []))
    assert {score.image_id: score.f1 for score in nothing} == {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1}


def test_the_gallery_is_one_file_with_escaped_names_and_whole_pictures(tmp_path):
    root = write_tree(tmp_path)
    odd = '<b onload="x">&.png'
    (root / "train" / "page1.png").rename(root / "train" / odd)
    (root / "train.json").write_text((root / "train.json").read_text().replace("page1.png", odd.replace('"', '\\"')))
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", None)
    results = perfect_but(root, {2, 4})
    scores = page_scores(match_detections(load_truth(root / "train.json"), results))[:2]
    write_gallery(tmp_path / "new" / "worst.html", scores, dataset, results, "a <model>")
    text = (tmp_path / "new" / "worst.html").read_text()
    assert "&lt;b onload=&quot;x&quot;&gt;&amp;.png" in text and "<b onload" not in text and "a &lt;model&gt;" in text
    assert not re.search(r'src="(?!data:)', text) and "http" not in text
    pictures = re.findall(r"base64,([^\"]+)", text)
    assert len(pictures) == 4
    for picture in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").width == 100


def test_boxes_are_drawn_where_they_are():
    page = Image.new("RGB", (200, 100), "white")
    drawn = np.asarray(draw_boxes(page, np.array([[20, 30, 120, 90]]), [4], [0.7]))
    assert (drawn[60, 70] != 255).any() and (drawn[95, 150] == 255).all()
    assert (np.asarray(draw_boxes(page, np.zeros((0, 4)), [], [])) == 255).all()
