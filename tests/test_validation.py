import json

import pytest
import torch
from detector_fixtures import debug_config, write_tree

from backbone.run_state import open_fabric
from layoutdeit.coco_eval import evaluate_detections
from layoutdeit.config import DataConfig, TrainConfig
from layoutdeit.engines import build_detector
from layoutdeit.loop import detect_pages
from layoutdeit.publaynet import PageDataset, read_annotations
from layoutdeit.train_log import TrainLog
from layoutdeit.validation import Validation


def test_numbers_are_those_of_the_evaluation_and_pages_are_drawn(tmp_path):
    root = write_tree(tmp_path)
    (root / "train" / "page1.png").write_bytes(b"")
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", None)
    config = TrainConfig(
        output_dir=str(tmp_path),
        detector=debug_config(),
        data=DataConfig(root=str(root), num_workers=0),
        num_pictures=3,
    )
    torch.manual_seed(0)
    fabric, detector = open_fabric("32-true", 1), build_detector(config.detector)
    detector.config.heads.min_score = 0.0
    detector.train()
    log = TrainLog(tmp_path, 0, tensorboard=False)
    metrics = Validation(dataset, config, str(root / "train.json")).run(fabric, detector, 20, log)
    assert detector.training
    found = detect_pages(fabric, detector, dataset, config.detector.input)
    content = json.loads((root / "train.json").read_text())
    content["annotations"] = [row for row in content["annotations"] if row["image_id"] != 2]
    (tmp_path / "readable.json").write_text(json.dumps(content))
    expected = evaluate_detections(tmp_path / "readable.json", found.entries)
    assert metrics["overall"]["AP"] == pytest.approx(expected["overall"].ap, abs=1e-12)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "step-000020-page0.jpg",
        "step-000020-page2.jpg",
    ]
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["step"] == 20
