import json

import pytest
import torch
from detector_fixtures import debug_config, write_tree

from layoutdeit.benchmark import SAMPLE
from layoutdeit.compare_engines import compare_detections, compare_engines, main
from layoutdeit.engines import available_engines, build_detector
from layoutdeit.engines.base import Detections
from layoutdeit.pdf import open_document
from layoutdeit.weights import save_model

needs_detectron2 = pytest.mark.skipif("detectron2" not in available_engines(), reason="detectron2 is not installed")


@pytest.fixture
def job(tmp_path):
    """A model of noise, sure of everything, and a few pages."""
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = 0.0
    save_model(tmp_path / "noise.safetensors", build_detector(config).state_dict(), config, {})
    return tmp_path / "noise.safetensors", write_tree(tmp_path / "tree", num_pages=3) / "train"


def found(*entries: tuple[list[float], int, float]) -> Detections:
    boxes, labels, scores = zip(*entries, strict=True) if entries else ([], [], [])
    return Detections(torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels), torch.tensor(scores))


def test_detections_are_paired_once_by_class_and_overlap():
    first = found(([0, 0, 10, 10], 1, 0.9), ([0, 0, 10, 9], 1, 0.8), ([50, 50, 60, 60], 2, 0.7))
    second = found(([0, 0, 10, 9], 1, 0.9), ([50, 50, 60, 60], 3, 0.7), ([0, 0, 10, 10], 1, 0.1))
    assert sorted(compare_detections(first, second)) == [(0, 2), (1, 0)]
    assert compare_detections(found(), second) == compare_detections(first, found()) == []


def test_an_engine_agrees_with_itself(job):
    model, images = job
    result = compare_engines(str(model), sorted(images.iterdir()), engines=("torchvision", "torchvision"), masks=True)
    assert result.pages == 3 and result.share == 1 and result.detections[0] > 50
    assert result.box_px == 0 and result.score == 0 and result.mask_iou == 1
    assert result.seen == result.seen_alike


def test_rounded_products_are_the_same_to_the_eye_and_not_to_the_digit(tmp_path):
    with open_document(SAMPLE) as document:
        document.render(1).image.save(tmp_path / "page.png")
    engines = ("torchvision", "torchvision")
    result = compare_engines(None, [tmp_path / "page.png"], engines=engines, masks=False, precision="bf16")
    assert result.score > 0 and result.seen >= 5 and result.seen_share > 0.7


@needs_detectron2
def test_both_engines_agree_and_the_command_says_so(job, capsys):
    model, images = job
    assert main([str(model), "--images", str(images), "--output", str(images / "out.json")]) == 0
    text = capsys.readouterr().out
    assert "3 pages" in text and "100.00 % agree" in text
    told = json.loads((images / "out.json").read_text())
    assert told["share"] == 1 and told["box_px"] < 0.01 and told["mask_iou"] > 0.99
    assert main([str(model), "--images", str(images), "--no-masks", "--limit", "1"]) == 0
    assert "masks" not in capsys.readouterr().out


def test_what_cannot_be_compared_says_so(job, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["--images", str(tmp_path / "empty")]) == 1
    assert "no pictures in" in capsys.readouterr().err
    assert main(["none.safetensors", "--images", str(job[1])]) == 1
    assert "no model file at none.safetensors" in capsys.readouterr().err
